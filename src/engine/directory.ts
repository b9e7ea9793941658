/** The data directory before anything is read from it: is it there, is it ours, is nobody else in it. */

import { refuse } from '../model/errors.ts'
import type { DirectoryLock, Platform } from '../platform/ports.ts'
import { isDataFileName } from '../storage/file-meta.ts'

/** Names that may be in a directory that was never opened to the end, or that others put beside our files. */
const harmless = /^(?:LOCK|lost\+found|quarantine|.*\.tmp)$/u

/**
 * The daemon's settings of queues (daemon/queue-settings.ts): a file that the engine leaves alone. A copy of the directory takes
 * it along.
 */
export const queueSettingsFileName = 'queue-settings.json'

const viewOfKeysForm = /^keys\.mdb(?:-lock)?$/u

/** Whether a file of this name, beside the manifest, belongs to a data directory. */
export function isOurs(name: string): boolean {
  return isDataFileName(name) || viewOfKeysForm.test(name) || name === queueSettingsFileName
}

/** Creates the directory if need be, and locks it. */
export async function takeDirectory(platform: Platform, directory: string): Promise<DirectoryLock> {
  const { disk } = platform
  try {
    const found = await disk.stat(directory)
    if (found === undefined) await disk.makeDirectory(directory)
    else if (found.kind !== 'directory') throw unusable(directory, 'it is not a directory')
    else if (found.worldWritable)
      throw unusable(directory, 'everyone may write to it; take that right away (chmod o-w)')
  } catch (error) {
    throw isCoded(error, 'HW_') ? error : unusable(directory, textOf(error), error)
  }
  let lock: DirectoryLock | { readonly heldBy: string }
  try {
    lock = await platform.lockDirectory(directory)
  } catch (error) {
    throw isCoded(error, 'HW_') ? error : unusable(directory, textOf(error), error)
  }
  if ('heldBy' in lock) {
    throw refuse(
      'HW_DIRECTORY_LOCKED',
      `${directory} is open already, by ${lock.heldBy}; one engine owns a directory`,
      {
        details: { directory, heldBy: lock.heldBy },
      },
    )
  }
  return lock
}

/**
 * Makes the names of a new directory and of those above it durable; what may not be opened for that was there before.
 * To be done before anything in it is promised, also when an opening that was interrupted has created it.
 */
export async function syncParents(platform: Platform, directory: string): Promise<void> {
  for (let at = directory.lastIndexOf('/'); at >= 0; at = directory.lastIndexOf('/', at - 1)) {
    try {
      await platform.disk.syncDirectory(at === 0 ? '/' : directory.slice(0, at))
    } catch (error) {
      if (!isCoded(error, 'EACCES') && !isCoded(error, 'EPERM')) throw unusable(directory, textOf(error), error)
    }
    if (at === 0) return
  }
}

/** For what makes no directory of its own: there must be data in it. */
export async function assertData({ disk }: Platform, directory: string): Promise<void> {
  if ((await disk.stat(`${directory}/MANIFEST`)) !== undefined) return
  throw refuse('HW_DIRECTORY_UNUSABLE', `${directory} is not a data directory of hourwheel: it has no MANIFEST`, {
    details: { directory },
  })
}

/** A directory without a manifest must be empty; its own files without one are damage, others' are a mistake. */
export async function assertFresh(platform: Platform, directory: string): Promise<void> {
  for (const name of await platform.disk.list(directory)) {
    if (isOurs(name)) {
      throw refuse('HW_CORRUPT', `${directory}: MANIFEST is missing, but ${name} is there`, {
        details: { file: 'MANIFEST', offset: 0 },
      })
    }
    if (!harmless.test(name)) {
      throw unusable(directory, `it holds other things (${name}); give hourwheel an empty directory of its own`)
    }
  }
}

function unusable(directory: string, why: string, cause?: unknown): Error {
  return refuse('HW_DIRECTORY_UNUSABLE', `${directory} cannot be used: ${why}`, { details: { directory }, cause })
}

function isCoded(error: unknown, prefix: string): boolean {
  return error instanceof Error && String((error as { code?: unknown }).code).startsWith(prefix)
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

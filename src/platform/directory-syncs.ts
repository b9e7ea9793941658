/**
 * A disk whose failed syncs of directories are final. What such a sync left out may be gone from the system's memory and not on
 * disk, and a later sync says nothing of it: if the log's sync fails and a checkpoint's succeeds after it, a manifest may name
 * files whose names are lost. So a directory whose sync failed is never synced again, and its syncs go one after the other, since
 * two at once are told apart by nobody.
 *
 * Whatever the code of the failure was, what is thrown is no full disk, which would pass. Too few descriptors are the exception:
 * the directory could not even be opened.
 */

import { diskBut } from './disk-but.ts'
import { isOutOfHandles } from './passing-failures.ts'
import type { Disk } from './ports.ts'

export function withFinalDirectorySyncs(disk: Disk): Disk {
  /** By directory: the newest sync that is under way, or the one that failed. */
  const newest = new Map<string, Promise<void>>()
  return diskBut(disk, {
    async syncDirectory(directory) {
      const before = newest.get(directory)
      const sync = syncAfter(before, directory)
      const ended = sync.catch((error: unknown) => {
        if (!isOutOfHandles(error)) throw error
      })
      newest.set(directory, ended)
      ended.then(
        () => newest.get(directory) === ended && newest.delete(directory),
        () => undefined,
      )
      await sync
    },
  })

  async function syncAfter(before: Promise<void> | undefined, directory: string): Promise<void> {
    if (before !== undefined) await before
    try {
      await disk.syncDirectory(directory)
    } catch (error) {
      throw isOutOfHandles(error) ? error : lostNames(directory, error)
    }
  }
}

function lostNames(directory: string, cause: unknown): Error {
  const text = `a sync of ${directory} failed: ${cause instanceof Error ? cause.message : String(cause)}`
  return Object.assign(new Error(text, { cause }), { code: 'EIO' })
}

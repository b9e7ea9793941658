/**
 * What is done to a data directory that no engine has open, on this machine's disk: looking into it, repairing it, copying it.
 * The program's commands call it; the library's entry point does not load it.
 */

import type { BackupReport } from '../model/engine-reports.ts'
import type { Disk, DirectoryLock, Platform } from '../platform/ports.ts'
import { openTar, tarDirectory } from '../storage/tar-disk.ts'
import { absolutePath } from '../platform/node/node-disk.ts'
import { createNodePlatform, type NodePlatform } from '../platform/node/node-platform.ts'
import { rebuildKeysOffline } from './rebuild-keys-offline.ts'
import { salvageDirectory, type SalvageOptions, type SalvageReport } from './salvage/salvage.ts'
import { verifyDirectory, type Verification, type VerifyProgress } from './verify.ts'
import { restoreBackup, type RestoreOptions, type RestoreReport } from './backup/restore.ts'
import { assertData } from './directory.ts'
import { told } from './lifecycle.ts'
import { openEngineOn } from './open.ts'
import { inspectDirectory, type Inspection, type InspectOptions, type OnLine } from './inspect/inspect.ts'

export type { OverdueChoice, RestoreReport } from './backup/restore.ts'
export type { SalvageReport } from './salvage/salvage.ts'
export type { Verification } from './verify.ts'
export type { Inspection, InspectLine, InspectOptions } from './inspect/inspect.ts'

/**
 * Copies a directory to another one, or to a file that ends in `.tar`. An engine is opened on it for that, without handlers, so that
 * nothing is fired.
 */
export function backup(dir: string, to: string, onProgress?: (bytes: number) => void): Promise<BackupReport> {
  return onPlatform(async (platform) => {
    const directory = absolutePath(dir)
    await assertData(platform, directory)
    const engine = await openEngineOn(platform, { dir: directory })
    try {
      return await engine.backup(absolutePath(to), { onProgress })
    } finally {
      await engine.close({ drain: 0 })
    }
  })
}

/** Makes a data directory of a backup: a directory, or a file that ends in `.tar`. */
export function restore(from: string, dir: string, options: RestoreOptions): Promise<RestoreReport> {
  return onPlatform(async (platform) => {
    const source = await sourceAt(platform, from)
    return restoreBackup(platform, { ...source, name: from }, absolutePath(dir), options)
  })
}

/** Shows the records of the files of a directory, whatever state it is in, and changes nothing. */
export function inspect(dir: string, options: InspectOptions, onLine: OnLine): Promise<Inspection> {
  return onPlatform(async (platform) => {
    const source = await sourceAt(platform, dir)
    return inspectDirectory({ ...platform, ...source }, source.directory, options, onLine)
  })
}

/**
 * Verifies a data directory that no engine has open, and changes nothing: every checksum, every cross-reference, conservation,
 * counters and calendar against a full scan. Rejects only when the directory cannot be used at all.
 */
export function verify(dir: string, progress?: VerifyProgress): Promise<Verification> {
  return onPlatform(async (platform) => {
    const source = await sourceAt(platform, dir)
    return verifyDirectory({ ...platform, ...source }, source.directory, progress)
  })
}

/**
 * Makes a sound directory of a damaged one: the originals are copied aside first, and what is gone is told by file and number
 * of tasks. Killed at any time, the old or the new one is in place, and it can be run again.
 */
export function salvage(dir: string, options: SalvageOptions = {}): Promise<SalvageReport> {
  const aside = options.aside === undefined ? undefined : absolutePath(options.aside)
  return onPlatform((platform) => salvageDirectory(platform, absolutePath(dir), { ...options, aside }))
}

/** Makes the view of keys anew from the tasks, and answers how many keys were written. */
export function rebuildKeys(dir: string, progress?: (keys: number) => void): Promise<number> {
  return onPlatform((platform) => rebuildKeysOffline(platform, { dir: absolutePath(dir) }, progress))
}

interface Source {
  readonly disk: Disk
  readonly directory: string
  readonly needsNoLock: boolean
  readonly lockDirectory: Platform['lockDirectory']
}

/** A directory, or an archive as one: nobody can have that open. */
async function sourceAt(platform: Platform, given: string): Promise<Source> {
  const path = absolutePath(given)
  const { disk } = platform
  const lockDirectory: Platform['lockDirectory'] = (directory) => platform.lockDirectory(directory)
  if (!path.endsWith('.tar') || (await disk.stat(path))?.kind !== 'file') {
    return { disk, directory: path, needsNoLock: false, lockDirectory }
  }
  const unlocked = (): Promise<DirectoryLock> => Promise.resolve({ release: () => Promise.resolve() })
  return { disk: await openTar(disk, path), directory: tarDirectory, needsNoLock: true, lockDirectory: unlocked }
}

async function onPlatform<T>(work: (platform: NodePlatform) => Promise<T>): Promise<T> {
  const platform = createNodePlatform({
    jobsModule: new URL('./jobs.js', import.meta.url),
    runnerModule: undefined,
    keepAlive: true,
  })
  try {
    return await told(work(platform))
  } finally {
    await platform.close()
  }
}

/**
 * What is done to a data directory that no engine has open, on this machine's disk: looking into it, repairing it, copying it.
 * The program's commands call it; the library's entry point does not load it.
 */

import { absolutePath } from '../platform/node/node-disk.ts'
import { createNodePlatform, type NodePlatform } from '../platform/node/node-platform.ts'
import { rebuildKeysOffline } from './rebuild-keys-offline.ts'
import { salvageDirectory, type SalvageOptions, type SalvageReport } from './salvage/salvage.ts'
import { verifyDirectory, type Verification, type VerifyProgress } from './verify.ts'
import { inspectDirectory, type Inspection, type InspectOptions, type OnLine } from './inspect/inspect.ts'

export type { SalvageReport } from './salvage/salvage.ts'
export type { Verification } from './verify.ts'
export type { Inspection, InspectLine, InspectOptions } from './inspect/inspect.ts'

/** Shows the records of the files of a directory, whatever state it is in, and changes nothing. */
export function inspect(dir: string, options: InspectOptions, onLine: OnLine): Promise<Inspection> {
  return onPlatform((platform) => inspectDirectory(platform, absolutePath(dir), options, onLine))
}

/**
 * Verifies a data directory that no engine has open, and changes nothing: every checksum, every cross-reference, conservation,
 * counters and calendar against a full scan. Rejects only when the directory cannot be used at all.
 */
export function verify(dir: string, progress?: VerifyProgress): Promise<Verification> {
  return onPlatform((platform) => verifyDirectory(platform, absolutePath(dir), progress))
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

async function onPlatform<T>(work: (platform: NodePlatform) => Promise<T>): Promise<T> {
  const platform = createNodePlatform({
    jobsModule: new URL('./jobs.js', import.meta.url),
    runnerModule: undefined,
    keepAlive: true,
  })
  try {
    return await work(platform)
  } finally {
    await platform.close()
  }
}

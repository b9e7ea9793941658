/** The engine on this machine's clock, disk and threads: what the package's entry point and its program open. */

import type { Engine, EngineOptions } from '../model/engine.ts'
import type { AnyQueues, QueueMap } from '../model/typed-queues.ts'
import { absolutePath } from '../platform/node/node-disk.ts'
import { createNodePlatform } from '../platform/node/node-platform.ts'
import { openEngineOn } from './open.ts'
import { verifyDirectory, type Verification } from './verify.ts'

/**
 * Opens the engine on a data directory, creating it when it is not there, and resolves once it serves.
 *
 * Refused with HW_DIRECTORY_LOCKED, HW_DIRECTORY_UNUSABLE, HW_FORMAT_NEWER, HW_CORRUPT, HW_DISK_FULL, HW_DISK_FAILED or,
 * for its options, HW_INVALID_OPTIONS, HW_UNKNOWN_FIELD and the like.
 */
export function openEngine<Queues extends QueueMap = AnyQueues>(
  options: EngineOptions<Queues>,
): Promise<Engine<Queues>> {
  const platform = createNodePlatform({
    jobsModule: new URL('./jobs.js', import.meta.url),
    runnerModule: new URL('./handler-thread.js', import.meta.url),
    keepAlive: options?.ref !== false,
  })
  return openEngineOn(platform, fromHere(options), () => platform.close())
}

/**
 * Verifies a data directory that no engine has open, and changes nothing: every checksum, every cross-reference, conservation,
 * counters and calendar against a full scan. Rejects only when the directory cannot be used at all.
 */
export async function verify(options: {
  dir: string
  onFile?: ((file: string) => void) | undefined
}): Promise<Verification> {
  const platform = createNodePlatform({ jobsModule: undefined, runnerModule: undefined, keepAlive: true })
  try {
    return await verifyDirectory(platform, fromHere(options).dir, options.onFile)
  } finally {
    await platform.close()
  }
}

/** The same options with an absolute `dir`. What is no path is left to be refused. */
function fromHere<Options extends { dir: string }>(options: Options): Options {
  const isPath = typeof options?.dir === 'string' && options.dir !== ''
  return isPath ? { ...options, dir: absolutePath(options.dir) } : options
}

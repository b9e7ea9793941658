/** The real world, put together. */

import type { Platform } from '../ports.ts'
import { lockDirectory } from './directory-lock.ts'
import { createNodeClock } from './node-clock.ts'
import { createNodeDisk } from './node-disk.ts'
import { openKeyView } from './lmdb-key-view.ts'
import { createNodeRandom } from './node-random.ts'
import { createNodeThreads } from './threads.ts'

export interface NodePlatformOptions {
  /** A compiled module that exports `jobs`, for `threads`. */
  readonly jobsModule: URL | undefined
  /** Whether timers keep the process running. Calls under way always do. */
  readonly keepAlive: boolean
}

export interface NodePlatform extends Platform {
  /** Ends the threads, after the calls under way of open files and in the middle of jobs. */
  close(): Promise<void>
}

export function createNodePlatform({ jobsModule, keepAlive }: NodePlatformOptions): NodePlatform {
  const disk = createNodeDisk()
  const threads = createNodeThreads(jobsModule)
  return {
    clock: createNodeClock({ keepAlive }),
    disk,
    random: createNodeRandom(),
    threads,
    lockDirectory,
    openKeyView,
    async close(): Promise<void> {
      await Promise.all([disk.close(), threads.close()])
    },
  }
}

/** The real world, put together. */

import type { Platform } from '../ports.ts'
import { lockDirectory } from './directory-lock.ts'
import { createNodeHandlerThreads } from './handler-threads.ts'
import { createNodeClock } from './node-clock.ts'
import { createNodeDisk } from './node-disk.ts'
import { createKeyViews } from './lmdb-key-view.ts'
import { createNodeRandom } from './node-random.ts'
import { createNodeThreads } from './threads.ts'

export interface NodePlatformOptions {
  /** A compiled module that exports `jobs`, for `threads`. */
  readonly jobsModule: URL | undefined
  /** A compiled module that exports `createRunner`, for `handlers`. */
  readonly runnerModule: URL | undefined
  /** Whether timers keep the process running. Calls under way always do. */
  readonly keepAlive: boolean
}

export interface NodePlatform extends Platform {
  /** Ends the threads, after the calls under way of open files and in the middle of jobs and handlers. */
  close(): Promise<void>
}

export function createNodePlatform({ jobsModule, runnerModule, keepAlive }: NodePlatformOptions): NodePlatform {
  const disk = createNodeDisk()
  const keyViews = createKeyViews()
  const threads = createNodeThreads(jobsModule)
  const handlers = createNodeHandlerThreads(runnerModule)
  return {
    clock: createNodeClock({ keepAlive }),
    disk,
    random: createNodeRandom(),
    threads,
    handlers,
    lockDirectory,
    openKeyView: keyViews.open,
    async close(): Promise<void> {
      await Promise.all([keyViews.close(), disk.close(), threads.close(), handlers.close()])
    },
  }
}

/**
 * Jobs in one worker thread, which starts with the first job.
 *
 * A few jobs run at once and overlap while they wait for their I/O. An idle thread does not keep the process running, and
 * ends after a while.
 * When the thread dies, the jobs in it and those that wait for it fail with THREAD_DIED; the next one starts another.
 */

import { Piscina } from 'piscina'
import { type JobOutcome, resultOf } from '../jobs.ts'
import type { Threads } from '../ports.ts'
import type { JobMessage, JobWorkerData } from './job-worker.ts'

const jobsAtOnceMax = 4
/** A thread that has had nothing to do for so long ends: it holds some 50 MiB, and starts in as many milliseconds. */
const idleMs = 5_000
/** Jobs make garbage that is short-lived: more room for it would only be held. */
const youngMiB = 8

/** `jobsModule`: a compiled module that exports `jobs`; without one, every job is refused. */
export function createNodeThreads(jobsModule: URL | undefined): Threads {
  let pool: Piscina<JobMessage, JobOutcome> | undefined
  let closed = false

  /** Ends the thread; what is in it or waits for it fails. */
  async function end(): Promise<void> {
    const ending = pool
    pool = undefined
    await ending?.destroy()
  }

  return {
    async run(job: string, input: unknown): Promise<unknown> {
      if (closed) throw codeError('THREADS_CLOSED', `the threads are closed, job ${job}`)
      if (jobsModule === undefined) throw codeError('NO_SUCH_JOB', `no jobs were given, job ${job}`)
      const used = (pool ??= startPool(jobsModule))
      let outcome: JobOutcome
      try {
        outcome = await used.run({ job, input })
      } catch (error) {
        // The input was no plain data; the thread never saw it.
        if (error instanceof Error && error.name === 'DataCloneError') throw error
        // A fresh pool, as this one does not restart for jobs that wait.
        if (pool === used) void end()
        const reason = error instanceof Error ? error.message : String(error)
        if (closed) throw codeError('THREADS_CLOSED', `the threads were closed under the job ${job}`, error)
        throw codeError('THREAD_DIED', `the thread of the job ${job} died: ${reason}`, error)
      }
      return resultOf(outcome)
    },
    async close(): Promise<void> {
      closed = true
      await end()
    },
  }
}

function startPool(jobsModule: URL): Piscina<JobMessage, JobOutcome> {
  const workerData: JobWorkerData = { jobsModule: jobsModule.href }
  const pool = new Piscina<JobMessage, JobOutcome>({
    filename: new URL('./job-worker.js', import.meta.url).href,
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: idleMs,
    resourceLimits: { maxYoungGenerationSizeMb: youngMiB },
    concurrentTasksPerWorker: jobsAtOnceMax,
    workerData,
    // The thread waits for several jobs and for their I/O: it must not block until the next message.
    atomics: 'disabled',
    // Not the parent's loaders and inspectors.
    execArgv: [],
  })
  // An idle thread that dies is missed by nobody.
  pool.on('error', () => undefined)
  return pool
}

function codeError(code: string, message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, cause === undefined ? {} : { cause }), { code })
}

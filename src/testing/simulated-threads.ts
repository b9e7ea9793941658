/** Jobs of a simulated process: run in place, with latency, on copies of their input as a real thread would. */

import { type Jobs, resultOf, runJob } from '../platform/jobs.ts'
import type { Threads } from '../platform/ports.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulatedDisk } from './simulated-disk.ts'
import type { SimulationLoop } from './simulation-loop.ts'

export interface SimulatedThreadsOptions {
  readonly loop: SimulationLoop
  readonly random: SeededRandom
  readonly disk: SimulatedDisk
  readonly jobs: Jobs
  /** How often the thread of a job dies before it begins or after its last step; 0 if not given. */
  readonly deathChance?: number | undefined
  /** Messages take no time. */
  readonly instant?: boolean | undefined
}

export class SimulatedThreads implements Threads {
  readonly #options: SimulatedThreadsOptions
  #closed = false

  constructor(options: SimulatedThreadsOptions) {
    this.#options = options
  }

  async run(job: string, input: unknown): Promise<unknown> {
    if (this.#closed) throw Object.assign(new Error('the threads are closed'), { code: 'THREADS_CLOSED' })
    const { disk, random, jobs, deathChance = 0 } = this.#options
    const copy = structuredClone(input)
    const death = random.chance(deathChance) ? random.pick(['before', 'after'] as const) : undefined
    await this.#wait()
    if (death === 'before') throw threadDied(job)
    const outcome = structuredClone(await runJob(jobs, job, disk, random.fork('job'), copy))
    await this.#wait()
    if (death === 'after') throw threadDied(job)
    return resultOf(outcome)
  }

  close(): Promise<void> {
    this.#closed = true
    return Promise.resolve()
  }

  /** Passes a message from thread to thread; a process that has ended gets none. */
  #wait(): Promise<void> {
    const { loop, random, disk, instant } = this.#options
    return new Promise((resolve) => {
      loop.schedule(instant === true ? 0 : 0.02 + 0.2 * random.unit(), () => {
        if (!disk.calls.ended) resolve()
      })
    })
  }
}

function threadDied(job: string): Error {
  return Object.assign(new Error(`the thread that ran the job ${job} died`), { code: 'THREAD_DIED' })
}

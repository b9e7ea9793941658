/** A backlog: millions of overdue tasks in a queue nobody handles must not cost memory, nor another queue its punctuality. */

import { openEngine, type Engine } from '../../src/index.ts'
import { quantileOf } from '../shared/figures.ts'
import type { Benchmark, Figures, Runner } from './benchmark.ts'
import { ascendingTaskMaker, load } from './loads.ts'
import {
  inMebibytes,
  residentBytes,
  residentBytesPeak,
  settleMemory,
  watchMemory,
  watchStalls,
} from './process-figures.ts'

const sizes = {
  tiny: { tasks: 5_000, standingMs: 500 },
  small: { tasks: 1_000_000, standingMs: 5_000 },
  full: { tasks: 20_000_000, standingMs: 10_000 },
}

interface Specification {
  readonly directory: string
  readonly tasks: number
  readonly standingMs: number
}

const hourMs = 3_600_000
const probeEveryMs = 10
const probesAtOnce = 10

/** Another queue at 1,000 tasks a second: how late its handler starts. */
class Probes {
  readonly #engine: Engine
  readonly #timer: NodeJS.Timeout
  #latenessMs: number[] = []
  #failure: Error | undefined

  constructor(engine: Engine) {
    this.#engine = engine
    this.#timer = setInterval(() => this.#schedule(), probeEveryMs)
  }

  async handle(): Promise<void> {
    await this.#engine.handle('probe', (_, { lateMs }) => this.#latenessMs.push(lateMs), { concurrency: 1_000 })
  }

  #schedule(): void {
    const now = Date.now()
    const tasks = Array.from({ length: probesAtOnce }, (_, index) => ({ queue: 'probe', at: now + 100 + index }))
    this.#engine.scheduleMany(tasks).catch((error: unknown) => {
      this.#failure = error instanceof Error ? error : new Error(String(error))
    })
  }

  /** Figures since the last call. */
  take(prefix: string): Figures {
    if (this.#failure !== undefined) throw this.#failure
    const sorted = this.#latenessMs.sort((a, b) => a - b)
    this.#latenessMs = []
    return {
      [`${prefix}Probes`]: sorted.length,
      [`${prefix}LateP50Ms`]: quantileOf(sorted, 0.5),
      [`${prefix}LateP99Ms`]: quantileOf(sorted, 0.99),
      [`${prefix}LateMaxMs`]: quantileOf(sorted, 1),
    }
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

async function onEngine({ directory, tasks, standingMs }: Specification): Promise<Figures> {
  const engine = await openEngine({ dir: directory })
  const probes = new Probes(engine)
  await probes.handle()
  await new Promise((resolve) => setTimeout(resolve, standingMs / 2))
  const alone = probes.take('alone')
  await settleMemory()
  const beforeBytes = residentBytes()
  const memory = watchMemory()

  let stalls = watchStalls()
  // A queue falls behind in the order of its fire times.
  const nextTask = ascendingTaskMaker(Date.now() - 3 * hourMs, 2 * hourMs, tasks, 'backlog')
  const { tasksPerSecond } = await load(engine, tasks, nextTask)
  const loading = { ...probes.take('loading'), loadingStallMaxMs: stalls().stallMaxMs }

  stalls = watchStalls()
  await new Promise((resolve) => setTimeout(resolve, standingMs))
  const standing = { ...probes.take('standing'), standingStallMaxMs: stalls().stallMaxMs }
  await settleMemory()
  const standingBytes = residentBytes() - beforeBytes

  stalls = watchStalls()
  const drained = await drain(engine, tasks)
  const { stallP999Ms, stallMaxMs } = stalls()
  const draining = { ...probes.take('draining'), drainingStallP999Ms: stallP999Ms, drainingStallMaxMs: stallMaxMs }
  probes.stop()
  const grownPeakBytes = memory.stop() - beforeBytes
  await engine.close()
  return {
    tasks,
    loadedPerSecond: tasksPerSecond,
    ...drained,
    grownStandingMiB: inMebibytes(standingBytes),
    grownPeakMiB: inMebibytes(grownPeakBytes),
    peakMiB: inMebibytes(residentBytesPeak()),
    ...alone,
    ...loading,
    ...standing,
    ...draining,
  }
}

/** A handler comes; resolves when all of the backlog has started. */
async function drain(engine: Engine, tasks: number): Promise<{ drainedPerSecond: number; outOfOrder: number }> {
  const startedMs = performance.now()
  let count = 0
  let outOfOrder = 0
  let lastAt = 0
  await new Promise<void>((resolve, reject) => {
    engine
      .handle(
        'backlog',
        (_, { scheduledFor }) => {
          if (scheduledFor < lastAt) outOfOrder++
          lastAt = scheduledFor
          if (++count === tasks) resolve()
        },
        { concurrency: 1_000 },
      )
      .catch(reject)
    engine.closed.then(({ error }) => reject(error ?? new Error('closed')), reject)
  })
  return { drainedPerSecond: (count / (performance.now() - startedMs)) * 1_000, outOfOrder }
}

async function run(runner: Runner): Promise<void> {
  const rows: Figures[] = []
  for (let round = 0; round < runner.rounds(1); round++) {
    rows.push(await runner.child('engine', sizes[runner.size], { nodeArguments: ['--expose-gc'] }))
  }
  // One figure a line: there are many, and few rounds.
  const names = Object.keys(rows[0]!)
  runner.table(names.map((figure) => ({ figure, value: rows.map((row) => row[figure]!) })))
}

export const backlog: Benchmark = {
  title: 'millions of overdue tasks in a queue without handler, beside a queue that is on time',
  notes:
    'The probes are another queue, 1,000 tasks a second: alone, while the backlog is loaded, while it stands, and while it ' +
    'drains once its queue has a handler. Memory beyond what the process had before the backlog. `outOfOrder` counts ' +
    'handlers that started after one of a later fire time.',
  programs: { engine: onEngine },
  run,
}

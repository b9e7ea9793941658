/** Firing: how late handlers start when tasks come due at a steady rate, and how fast a heap of due tasks is worked off. */

import { join } from 'node:path'
import { openEngine } from '../../src/index.ts'
import { column, ratios, type Benchmark, type Figures, type Runner, type Size } from './benchmark.ts'
import { Floor } from './floor.ts'
import { load, taskMaker } from './loads.ts'
import { quantileOf } from '../shared/figures.ts'
import { watchStalls } from './process-figures.ts'

interface Case {
  /** Seconds over which fire times are spread; 0: all are due in the same millisecond. */
  readonly seconds: number
  readonly tasks: Readonly<Record<Size, number>>
}

const cases: Readonly<Record<string, Case>> = {
  '5 k/s': { seconds: 10, tasks: { tiny: 500, small: 50_000, full: 50_000 } },
  '50 k/s': { seconds: 10, tasks: { tiny: 2_000, small: 500_000, full: 500_000 } },
  'all due at once': { seconds: 0, tasks: { tiny: 2_000, small: 500_000, full: 500_000 } },
}

interface Specification {
  readonly tasks: number
  readonly seconds: number
  /** How long after the start the first task is due, loading included. */
  readonly firstAfterMs: number
}

type Located = Specification & { readonly directory: string }

/** At a steady rate no more run than come due while a lease is written; in a drain, as many as keep the log busy. */
const concurrencyOf = (seconds: number): number => (seconds > 0 ? 10_000 : 1_000)

/**
 * Wall clock with fractions of a millisecond: `Date.now` at the moment it changes, carried on by the monotonic clock. Of
 * several such moments the one counts that was noticed soonest.
 */
function fineWallClock(): () => number {
  let offset = -Infinity
  for (let change = 0; change < 20; change++) {
    const before = Date.now()
    let now = before
    while (now === before) now = Date.now()
    offset = Math.max(offset, now - performance.now())
  }
  return () => performance.now() + offset
}

class Arrivals {
  readonly #nowMs = fineWallClock()
  readonly #latenessMs: Float64Array
  #count = 0
  #early = 0
  #resolve: () => void = () => {}
  readonly done: Promise<void>
  lastAtMs = 0

  constructor(count: number) {
    this.#latenessMs = new Float64Array(count)
    this.done = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  add(fireAt: number): void {
    const nowMs = this.#nowMs()
    if (Date.now() < fireAt) this.#early++
    if (this.#count < this.#latenessMs.length) this.#latenessMs[this.#count] = nowMs - fireAt
    if (++this.#count !== this.#latenessMs.length) return
    this.lastAtMs = nowMs
    this.#resolve()
  }

  figures(firstAt: number): Figures {
    const sorted = this.#latenessMs.sort()
    return {
      fired: this.#count,
      early: this.#early,
      lateP50Ms: quantileOf(sorted, 0.5),
      lateP99Ms: quantileOf(sorted, 0.99),
      lateMaxMs: quantileOf(sorted, 1),
      tasksPerSecond: (this.#count / (this.lastAtMs - firstAt)) * 1_000,
    }
  }
}

async function onEngine({ directory, tasks, seconds, firstAfterMs }: Located): Promise<Figures> {
  const engine = await openEngine({ dir: directory, nearBytesMax: 2 ** 30, queues: { bench: {} } })
  const firstAt = Date.now() + firstAfterMs
  const arrivals = new Arrivals(tasks)
  await load(engine, tasks, taskMaker(firstAt, Math.max(1, seconds * 1_000)))
  const leftMs = firstAt - Date.now()
  await engine.handle('bench', (_, { scheduledFor }) => arrivals.add(scheduledFor), {
    concurrency: concurrencyOf(seconds),
  })
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, leftMs - 100)))
  const stalls = watchStalls()
  const cpu = process.cpuUsage()
  await arrivals.done
  const { user, system } = process.cpuUsage(cpu)
  const figures = { ...arrivals.figures(firstAt), cpuUsPerTask: (user + system) / tasks, ...stalls() }
  await engine.close()
  return { ...figures, loadedInTime: leftMs > 0 ? 1 : 0 }
}

/** A timer of Node for each task, and the two records that an attempt cannot do without. */
async function onFloor({ directory, tasks, seconds, firstAfterMs }: Located): Promise<Figures> {
  const floor = await Floor.open(join(directory, 'floor.log'), { sync: false })
  const firstAt = Date.now() + firstAfterMs
  const nextTask = taskMaker(firstAt, Math.max(1, seconds * 1_000))
  const arrivals = new Arrivals(tasks)
  const start = (at: number, ordinal: number): void => {
    // A timer may come a millisecond early.
    if (Date.now() < at) {
      setTimeout(start, 1, at, ordinal)
      return
    }
    floor.lease(at, ordinal, () => {
      arrivals.add(at)
      floor.end(at, ordinal)
    })
  }
  for (let ordinal = 0; ordinal < tasks; ordinal++) {
    const { at } = nextTask()
    setTimeout(start, at - Date.now(), at, ordinal)
  }
  const leftMs = firstAt - Date.now()
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, leftMs - 100)))
  const stalls = watchStalls()
  const cpu = process.cpuUsage()
  await arrivals.done
  const { user, system } = process.cpuUsage(cpu)
  const figures = { ...arrivals.figures(firstAt), cpuUsPerTask: (user + system) / tasks, ...stalls() }
  await floor.close()
  return { ...figures, loadedInTime: leftMs > 0 ? 1 : 0 }
}

async function run(runner: Runner): Promise<void> {
  for (const [name, { seconds, tasks }] of Object.entries(cases)) {
    const count = tasks[runner.size]
    const specification: Specification = {
      tasks: count,
      // Fewer tasks come at the same rate, in a shorter time.
      seconds: (seconds * count) / tasks.full,
      // Loading takes a part of that.
      firstAfterMs: (runner.size === 'tiny' ? 500 : 2_000) + count / 50,
    }
    console.log(`${name}: ${count.toLocaleString('en')} tasks a round`)
    const results = await runner.alternate(runner.rounds(5), {
      engine: () => runner.child('engine', specification),
      floor: () => runner.child('floor', specification),
    })
    const { engine = [], floor = [] } = results
    const late = ['lateP50Ms', 'lateP99Ms', 'lateMaxMs']
    const shownFigures = seconds > 0 ? late : ['tasksPerSecond', 'lateMaxMs']
    runner.table([
      ...Object.entries(results).map(([subject, figures]) => ({
        case: name,
        subject,
        ...Object.fromEntries(
          [...shownFigures, 'cpuUsPerTask', 'stallP999Ms', 'stallMaxMs'].map((key) => [key, column(figures, key)]),
        ),
        early: column(figures, 'early'),
        lateLoads: figures.filter(({ loadedInTime }) => loadedInTime === 0).length,
      })),
      {
        case: name,
        subject: 'engine / floor',
        ...Object.fromEntries([...shownFigures, 'cpuUsPerTask'].map((key) => [key, ratios(engine, floor, key)])),
      },
    ])
  }
}

export const fire: Benchmark = {
  title: 'lateness at a steady rate and the rate of a drain, beside timers of Node that write the same records',
  notes:
    'Median [min .. max] over the rounds. Lateness is the start of the handler minus the fire time. The handler notes the ' +
    'time and returns. `early` counts tasks that started too early, `lateLoads` rounds that were still loading at the first fire time.',
  programs: { engine: onEngine, floor: onFloor },
  run,
}

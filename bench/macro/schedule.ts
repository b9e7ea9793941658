/** Durable schedule: how many tasks a second are on disk, and how long one call takes, beside the floor. */

import { join } from 'node:path'
import { openEngine } from '../../src/index.ts'
import { column, ratios, type Benchmark, type Figures, type Runner, type Size } from './benchmark.ts'
import { Floor } from './floor.ts'
import { dayMs, drive, taskMaker, type Scheduler } from './loads.ts'
import { watchStalls } from './process-figures.ts'

/** A way of calling. */
interface Mode {
  readonly inFlight: number
  readonly tasksPerCall: number
  readonly tasks: Readonly<Record<Size, number>>
}

const modes: Readonly<Record<string, Mode>> = {
  'one at a time': { inFlight: 1, tasksPerCall: 1, tasks: { tiny: 50, small: 3_000, full: 10_000 } },
  '1,000 in flight': { inFlight: 1_000, tasksPerCall: 1, tasks: { tiny: 3_000, small: 400_000, full: 2_000_000 } },
  'batches of 1,000, 4 in flight': {
    inFlight: 4,
    tasksPerCall: 1_000,
    tasks: { tiny: 5_000, small: 400_000, full: 2_000_000 },
  },
}

interface Specification {
  readonly mode: string
  readonly tasks: number
}

type Located = Specification & { readonly directory: string }

async function measure(scheduler: Scheduler, { mode, tasks }: Specification): Promise<Figures> {
  const { inFlight, tasksPerCall } = modes[mode]!
  const nextTask = taskMaker(Date.now() + dayMs, 29 * dayMs)
  const call =
    tasksPerCall === 1
      ? () => scheduler.schedule(nextTask())
      : () => scheduler.scheduleMany(Array.from({ length: tasksPerCall }, nextTask))
  const calls = Math.ceil(tasks / tasksPerCall)
  // The compiler has seen the code, and the disk the file, when the clock starts.
  await drive(Math.ceil(calls / 10), inFlight, tasksPerCall, call)
  const stalls = watchStalls()
  const cpu = process.cpuUsage()
  const figures = await drive(calls, inFlight, tasksPerCall, call)
  const { user, system } = process.cpuUsage(cpu)
  return { ...figures, cpuUsPerTask: (user + system) / (calls * tasksPerCall), ...stalls() }
}

async function onEngine(specification: Located): Promise<Figures> {
  const engine = await openEngine({ dir: specification.directory })
  const figures = await measure(engine, specification)
  const { checkpoints } = await engine.stats()
  await engine.close()
  return { ...figures, checkpoints }
}

async function onFloor(specification: Located): Promise<Figures> {
  const floor = await Floor.open(join(specification.directory, 'floor.log'), { sync: true })
  const figures = await measure(floor, specification)
  await floor.close()
  return figures
}

async function run(runner: Runner): Promise<void> {
  for (const [mode, { tasks }] of Object.entries(modes)) {
    const specification: Specification = { mode, tasks: tasks[runner.size] }
    console.log(`${mode}: ${specification.tasks.toLocaleString('en')} tasks a round`)
    const results = await runner.alternate(runner.rounds(5), {
      engine: () => runner.child('engine', specification),
      floor: () => runner.child('floor', specification),
    })
    const { engine = [], floor = [] } = results
    const shownFigures = ['tasksPerSecond', 'p50Us', 'p99Us', 'maxUs', 'cpuUsPerTask', 'stallP999Ms', 'stallMaxMs']
    runner.table([
      ...Object.entries(results).map(([subject, figures]) => ({
        mode,
        subject,
        ...Object.fromEntries(shownFigures.map((figure) => [figure, column(figures, figure)])),
      })),
      {
        mode,
        subject: 'engine / floor',
        ...Object.fromEntries(shownFigures.slice(0, 5).map((figure) => [figure, ratios(engine, floor, figure)])),
      },
    ])
  }
}

export const schedule: Benchmark = {
  title: 'durable schedule, beside a floor that only encodes, writes and syncs',
  notes:
    'Median [min .. max] over the rounds. Payload 100 bytes of JSON, due in 1 to 30 days. Latency is per call. The engine ' +
    'fills log files, keeps counters and index, and checkpoints while it is measured; the floor does none of that.',
  programs: { engine: onEngine, floor: onFloor },
  run,
}

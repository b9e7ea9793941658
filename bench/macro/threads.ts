/** Handlers in worker threads: how fast a heap of due tasks is worked off there, beside handlers in the engine's thread. */

import { openEngine } from '../../src/index.ts'
import { column, ratios, type Benchmark, type Figures, type Runner } from './benchmark.ts'
import short from './handler-short.ts'
import working from './handler-working.ts'
import { load, taskMaker } from './loads.ts'
import { inMebibytes, residentBytesPeak, watchStalls } from './process-figures.ts'

const sizes = { tiny: 2_000, small: 200_000, full: 1_000_000 }
const threads = 2
const concurrency = 8

interface Specification {
  readonly directory: string
  readonly tasks: number
  readonly works: boolean
  readonly inThreads: boolean
}

async function drain({ directory, tasks, works, inThreads }: Specification): Promise<Figures> {
  const engine = await openEngine({ dir: directory, nearBytesMax: 2 ** 30 })
  await load(engine, tasks, taskMaker(Date.now(), 1))
  const module = new URL(works ? './handler-working.js' : './handler-short.js', import.meta.url)
  let early = 0
  engine.on('fired', ({ lateMs }) => {
    if (lateMs < 0) early++
  })
  // Loaded before the clock starts, as in a service that runs.
  await engine.pause('bench')
  if (inThreads) await engine.handle('bench', { module }, { threads, concurrency })
  else await engine.handle('bench', works ? working : short, { concurrency: 10_000 })
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  const stalls = watchStalls()
  const cpu = process.cpuUsage()
  const startedMs = performance.now()
  await engine.resume('bench')
  let failed = 0
  for (;;) {
    const { total } = await engine.stats()
    failed = total.dead
    if (total.succeeded + failed === tasks) break
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const tookMs = performance.now() - startedMs
  const { user, system } = process.cpuUsage(cpu)
  const stallFigures = stalls()
  await engine.close()
  return {
    tasksPerSecond: (tasks / tookMs) * 1_000,
    cpuUsPerTask: (user + system) / tasks,
    early,
    failed,
    peakMiB: inMebibytes(residentBytesPeak()),
    ...stallFigures,
  }
}

async function run(runner: Runner): Promise<void> {
  const tasks = sizes[runner.size]
  for (const works of [false, true]) {
    const name = works ? 'about 50 us of work each' : 'short tasks'
    console.log(`${name}: ${tasks.toLocaleString('en')} tasks a round`)
    const results = await runner.alternate(runner.rounds(3), {
      threads: () => runner.child('drain', { tasks, works, inThreads: true }),
      inline: () => runner.child('drain', { tasks, works, inThreads: false }),
    })
    const { threads: inThreads = [], inline = [] } = results
    const shown = ['tasksPerSecond', 'cpuUsPerTask', 'stallP999Ms', 'stallMaxMs', 'peakMiB', 'early', 'failed']
    runner.table([
      ...Object.entries(results).map(([subject, figures]) => ({
        case: name,
        subject,
        ...Object.fromEntries(shown.map((key) => [key, column(figures, key)])),
      })),
      {
        case: name,
        subject: 'threads / inline',
        // A stall may be none at all, which nothing can be divided by.
        ...Object.fromEntries(shown.slice(0, 2).map((key) => [key, ratios(inThreads, inline, key)])),
      },
    ])
  }
}

export const threadsBenchmark: Benchmark = {
  title: 'a heap of due tasks through two worker threads, beside handlers in the engine’s thread',
  notes:
    'Median [min .. max] over the rounds. All tasks are due and wait on disk or in memory when the clock starts; it stops when the ' +
    'last one has succeeded. Stalls are those of the event loop of the engine’s thread.',
  programs: { drain },
  run,
}

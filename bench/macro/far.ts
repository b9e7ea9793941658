/** The far future: what millions of tasks over the coming year cost in memory, on the disk, at a restart, and while checkpoints run. */

import { rmSync } from 'node:fs'
import { openEngine, type Engine, type EngineOptions } from '../../src/index.ts'
import { column, ratios, type Benchmark, type Figures, type Runner } from './benchmark.ts'
import { dayMs, load, taskMaker } from './loads.ts'
import { bytesOnDisk } from './place.ts'
import { inMebibytes, residentBytes, restMemory, settleMemory, watchMemory, watchStalls } from './process-figures.ts'

/** Tasks of the smaller and of the larger store, and of each round of the comparison with and without checkpoints. */
const sizes = {
  tiny: { stores: [2_000, 5_000], compared: 2_000 },
  small: { stores: [500_000, 2_000_000], compared: 500_000 },
  full: { stores: [1_000_000, 10_000_000], compared: 2_000_000 },
}

interface Ingest {
  readonly directory: string
  readonly tasks: number
  readonly options: Partial<EngineOptions>
}

/** A log so long that nothing is moved into segments during a round. */
const withoutCheckpoints: Partial<EngineOptions> = { walFileBytes: 256 << 20, walFilesMax: 64 }
const withCheckpoints: Partial<EngineOptions> = {}
/** So short that even a tiny run has checkpoints. */
const tinyLog: Partial<EngineOptions> = { walFileBytes: 64 << 10 }

async function ingest({ directory, tasks, options }: Ingest): Promise<Figures> {
  const engine = await openEngine({ dir: directory, ...options })
  const nextTask = taskMaker(Date.now() + dayMs, 364 * dayMs)
  await load(engine, Math.ceil(tasks / 100), nextTask)
  await settleMemory()
  const beforeBytes = residentBytes()
  const memory = watchMemory()
  const stalls = watchStalls()
  const { tasksPerSecond, p50Us, p99Us, maxUs } = await load(engine, tasks, nextTask)
  const stallFigures = stalls()
  const { checkpoints } = await engine.stats()
  await untilCheckpointsRest(engine, options)
  const largestBytes = memory.stop()
  await restMemory()
  const grownBytes = residentBytes() - beforeBytes
  const { segments } = await engine.stats()
  await engine.close()
  return {
    tasksPerSecond,
    batchP50Ms: p50Us / 1_000,
    batchP99Ms: p99Us / 1_000,
    batchMaxMs: maxUs / 1_000,
    checkpoints,
    grownMiB: inMebibytes(grownBytes),
    grownPeakMiB: inMebibytes(largestBytes - beforeBytes),
    segmentFiles: segments.files,
    segmentBytesPerTask: segments.tasks === 0 ? 0 : segments.bytes / segments.tasks,
    diskBytesPerTask: bytesOnDisk(directory) / tasks,
    ...stallFigures,
  }
}

/** Until no more log files are kept than are to stay. */
async function untilCheckpointsRest(engine: Engine, { walFilesMax = 2 }: Partial<EngineOptions>): Promise<void> {
  for (let stats = await engine.stats(); stats.wal.files > walFilesMax + 1; stats = await engine.stats()) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Opens a store and schedules one task: the time until that is answered. */
async function restart({ directory, options }: Pick<Ingest, 'directory' | 'options'>): Promise<Figures> {
  const startedMs = performance.now()
  const engine = await openEngine({ dir: directory, ...options })
  const openMs = performance.now() - startedMs
  await engine.schedule(taskMaker(Date.now() + dayMs, dayMs)())
  const servingMs = performance.now() - startedMs
  const { total } = await engine.stats()
  const figures = { openMs, servingMs, residentMiB: inMebibytes(residentBytes()), pending: total.pending }
  await engine.close()
  return figures
}

async function run(runner: Runner): Promise<void> {
  const { stores, compared } = sizes[runner.size]
  const options = runner.size === 'tiny' ? tinyLog : withCheckpoints
  const gc = { nodeArguments: ['--expose-gc'] }

  console.log(`ingest with and without checkpoints, ${compared.toLocaleString('en')} tasks a round`)
  const results = await runner.alternate(runner.rounds(3), {
    'with checkpoints': () => runner.child('ingest', { tasks: compared, options }, gc),
    'without checkpoints': () => runner.child('ingest', { tasks: compared, options: withoutCheckpoints }, gc),
  })
  const shownFigures = [
    'tasksPerSecond',
    'batchP50Ms',
    'batchP99Ms',
    'batchMaxMs',
    'checkpoints',
    'stallP999Ms',
    'stallMaxMs',
  ]
  const { 'with checkpoints': withThem = [], 'without checkpoints': withoutThem = [] } = results
  runner.table([
    ...Object.entries(results).map(([subject, figures]) => ({
      subject,
      ...Object.fromEntries(shownFigures.map((figure) => [figure, column(figures, figure)])),
    })),
    { subject: 'with / without', tasksPerSecond: ratios(withThem, withoutThem, 'tasksPerSecond') },
  ])

  const directories = stores.map(() => runner.newDirectory())
  try {
    console.log('stores, filled once')
    const filled: Figures[] = []
    for (const [index, tasks] of stores.entries()) {
      const figures = await runner.child('ingest', { tasks, options }, { ...gc, directory: directories[index]! })
      filled.push({ tasks, ...figures })
    }
    runner.table(filled)

    console.log('restart of the stores, in turns')
    const restarts = await runner.alternate(
      runner.rounds(5),
      Object.fromEntries(
        stores.map((tasks, index) => [
          tasks.toLocaleString('en'),
          () => runner.child('restart', { options }, { directory: directories[index]! }),
        ]),
      ),
    )
    runner.table(
      Object.entries(restarts).map(([tasks, figures]) => ({
        tasks,
        openMs: column(figures, 'openMs'),
        servingMs: column(figures, 'servingMs'),
        residentMiB: column(figures, 'residentMiB'),
        pending: column(figures, 'pending'),
      })),
    )
  } finally {
    for (const directory of directories) rmSync(directory, { recursive: true, force: true })
  }
}

export const far: Benchmark = {
  title: 'millions of tasks over the coming year: memory, disk, restart, ingest while checkpoints run',
  notes:
    'Memory grown since just after the start, at rest and at its peak. Disk: the segments alone, and the whole directory ' +
    'with its log files, ready ones included. Restart in a fresh process with a warm page cache, until a first schedule is answered.',
  programs: { ingest, restart },
  run,
}

/** A storm: millions of tasks due in the same millisecond, with the memory limits as they come. */

import { rmSync } from 'node:fs'
import { openEngine } from '../../src/index.ts'
import type { Benchmark, Figures, Runner } from './benchmark.ts'
import { load, taskMaker } from './loads.ts'
import { inMebibytes, residentBytesPeak, watchStalls } from './process-figures.ts'

const sizes = { tiny: 5_000, small: 1_000_000, full: 5_000_000 }

/** Loading is expected to be faster than this. */
const loadedPerSecondMin = 60_000

interface Specification {
  readonly directory: string
  readonly tasks: number
  readonly at: number
}

async function fill({ directory, tasks, at }: Specification): Promise<Figures> {
  const engine = await openEngine({ dir: directory })
  const stalls = watchStalls()
  const { tasksPerSecond } = await load(engine, tasks, taskMaker(at, 1))
  const figures = { tasksPerSecond, ...stalls(), leftMs: at - Date.now() }
  await engine.close()
  return { ...figures, peakMiB: inMebibytes(residentBytesPeak()) }
}

async function burst({ directory, tasks, at }: Specification): Promise<Figures> {
  const engine = await openEngine({ dir: directory })
  let count = 0
  let early = 0
  let firstAtMs = 0
  const stalls = watchStalls()
  await new Promise<void>((resolve, reject) => {
    const handler = (): void => {
      const now = Date.now()
      if (count === 0) firstAtMs = now
      if (now < at) early++
      if (++count === tasks) resolve()
    }
    engine.handle('bench', handler, { concurrency: 1_000 }).catch(reject)
    engine.closed.then(({ error }) => reject(error ?? new Error('closed')), reject)
  })
  const drainedMs = Date.now() - Math.max(at, firstAtMs)
  const stallFigures = stalls()
  const { total, checkpoints } = await engine.stats()
  await engine.close()
  return {
    tasks: count,
    early,
    firstLateMs: firstAtMs - at,
    tasksPerSecond: (count / drainedMs) * 1_000,
    peakMiB: inMebibytes(residentBytesPeak()),
    checkpoints,
    notEnded: total.pending + total.leased,
    ...stallFigures,
  }
}

async function run(runner: Runner): Promise<void> {
  const tasks = sizes[runner.size]
  const rows = []
  for (let round = 0; round < runner.rounds(1); round++) {
    const directory = runner.newDirectory()
    const at = Date.now() + (runner.size === 'tiny' ? 1_000 : 5_000) + Math.ceil((tasks / loadedPerSecondMin) * 1_000)
    try {
      const filled = await runner.child('fill', { tasks, at }, { directory })
      rows.push({ phase: 'load', ...filled })
      rows.push({ phase: 'fire', ...(await runner.child('burst', { tasks, at }, { directory })) })
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }
  runner.table(rows)
}

export const storm: Benchmark = {
  title: 'millions of tasks due in the same millisecond',
  notes:
    'Each phase in a process of its own; `peakMiB` is the largest resident memory the process ever had. `leftMs` is how long ' +
    'before the fire time loading ended, `firstLateMs` the lateness of the first handler.',
  programs: { fill, burst },
  run,
}

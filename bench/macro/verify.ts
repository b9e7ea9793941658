/** Reading a large directory as a whole: what verify and inspect take in time and memory, and that it does not grow with it. */

import { rmSync } from 'node:fs'
import { openEngine } from '../../src/index.ts'
import { inspect, verify } from '../../src/engine/offline.ts'
import { column, type Benchmark, type Figures, type Runner } from './benchmark.ts'
import { dayMs, load, taskMaker } from './loads.ts'
import { bytesOnDisk } from './place.ts'
import { inMebibytes, residentBytesPeak } from './process-figures.ts'

/** Tasks of the directories. */
const sizes = { tiny: [1_000, 4_000], small: [250_000, 1_000_000], full: [1_000_000, 10_000_000] }

interface Fill {
  readonly directory: string
  readonly tasks: number
}

async function fill({ directory, tasks }: Fill): Promise<Figures> {
  const engine = await openEngine({ dir: directory })
  await load(engine, tasks, taskMaker(Date.now() + dayMs, 364 * dayMs))
  await engine.close()
  return { tasks, diskMiB: inMebibytes(bytesOnDisk(directory)) }
}

async function verifyAll({ directory, tasks }: Fill): Promise<Figures> {
  const startedMs = performance.now()
  const found = await verify(directory)
  const seconds = (performance.now() - startedMs) / 1_000
  if (!found.sound || found.tasks !== tasks)
    throw new Error(`verify found ${found.tasks} tasks: ${found.problems[0]?.what}`)
  return { seconds, tasksPerSecond: tasks / seconds, peakMiB: inMebibytes(residentBytesPeak()) }
}

async function inspectAll({ directory, tasks }: Fill): Promise<Figures> {
  const startedMs = performance.now()
  let counting = 0
  let bytes = 0
  await inspect(directory, {}, (line) => {
    if (line['counts'] === true) counting++
    bytes += JSON.stringify(line).length
    return undefined
  })
  const seconds = (performance.now() - startedMs) / 1_000
  if (counting !== tasks) throw new Error(`inspect found ${counting} of ${tasks} tasks`)
  return {
    seconds,
    tasksPerSecond: tasks / seconds,
    peakMiB: inMebibytes(residentBytesPeak()),
    printedMiB: inMebibytes(bytes),
  }
}

async function run(runner: Runner): Promise<void> {
  const filled: { tasks: number; directory: string }[] = []
  try {
    for (const tasks of sizes[runner.size]) {
      const directory = runner.newDirectory()
      filled.push({ tasks, directory })
      await runner.child('fill', { tasks }, { directory })
    }
    const results = await runner.alternate(
      runner.rounds(3),
      Object.fromEntries(
        filled.flatMap(({ tasks, directory }) =>
          ['verify', 'inspect'].map((program) => [
            `${program} ${tasks.toLocaleString('en')}`,
            () => runner.child(program, { tasks }, { directory }),
          ]),
        ),
      ),
    )
    runner.table(
      Object.entries(results).map(([subject, figures]) => ({
        subject,
        seconds: column(figures, 'seconds'),
        tasksPerSecond: column(figures, 'tasksPerSecond'),
        peakMiB: column(figures, 'peakMiB'),
      })),
    )
  } finally {
    for (const { directory } of filled) rmSync(directory, { recursive: true, force: true })
  }
}

export const verifyBenchmark: Benchmark = {
  title: 'reading a directory as a whole: verify and inspect, time and memory',
  notes:
    'Tasks of 100 bytes over a year, each run in a fresh process with a warm page cache. Peak is the largest resident memory of the ' +
    'process, Node and all. Inspect makes every line as JSON and prints none.',
  programs: { fill, verify: verifyAll, inspect: inspectAll },
  run,
}

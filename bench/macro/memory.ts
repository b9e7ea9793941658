/** What a task in memory costs: resident bytes of a million near tasks beyond the bytes of the tasks themselves. */

import { openEngine } from '../../src/index.ts'
import { column, type Benchmark, type Figures, type Runner } from './benchmark.ts'
import { load, taskMaker } from './loads.ts'
import { residentBytes, restMemory, settleMemory } from './process-figures.ts'

const sizes = { tiny: 5_000, small: 1_000_000, full: 1_000_000 }

/** What the engine counts for a row beside the bytes of its task. */
const rowBytes = 64

interface Specification {
  readonly tasks: number
}

/**
 * Due in half an hour to an hour, within what is looked ahead, in a queue nobody handles. What the code and the log need is
 * there before the first look.
 */
async function onEngine({ directory, tasks }: Specification & { readonly directory: string }): Promise<Figures> {
  const engine = await openEngine({ dir: directory, nearBytesMax: 2 ** 31, ahead: '2h' })
  await load(engine, Math.min(100_000, tasks), taskMaker(Date.now() + 86_400_000 * 30, 3_600_000, 'other'))
  await settleMemory()
  const beforeBytes = residentBytes()
  const before = await engine.stats()
  await load(engine, tasks, taskMaker(Date.now() + 1_800_000, 1_800_000))
  await restMemory()
  const after = await engine.stats()
  const grownBytes = residentBytes() - beforeBytes
  const near = after.near - before.near
  const encodedBytes = after.nearBytes - before.nearBytes - near * rowBytes
  await engine.close()
  return {
    near,
    residentPerTask: grownBytes / near,
    encodedPerTask: encodedBytes / near,
    beyondPerTask: (grownBytes - encodedBytes) / near,
  }
}

async function run(runner: Runner): Promise<void> {
  const specification: Specification = { tasks: sizes[runner.size] }
  const { engine = [] } = await runner.alternate(runner.rounds(3), {
    engine: () => runner.child('engine', specification, { nodeArguments: ['--expose-gc'] }),
  })
  const figures = ['near', 'residentPerTask', 'encodedPerTask', 'beyondPerTask']
  runner.table([Object.fromEntries(figures.map((figure) => [figure, column(engine, figure)]))])
}

export const memory: Benchmark = {
  title: 'resident memory of near tasks',
  notes:
    'Bytes a task: growth of resident memory, the encoded tasks alone, and what is left: rows, wheel, index, block ends.',
  programs: { engine: onEngine },
  run,
}

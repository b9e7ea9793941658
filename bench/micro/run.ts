/** `npm run bench -- [name]... [--size tiny|full] [--json FILE]`: the small benchmarks, all or the named ones. */

import { parseArgs } from 'node:util'
import { appendResults, type ResultRow } from '../shared/results-file.ts'
import * as frames from './frames.bench.ts'
import * as ids from './ids.bench.ts'
import * as ledger from './ledger.bench.ts'
import * as records from './records.bench.ts'
import * as wheel from './wheel.bench.ts'

interface MicroBenchmark {
  readonly name: string
  // A benchmark may answer its rows for the file of results.
  run(options: { tiny: boolean }): Promise<ResultRow[] | void>
}

const benchmarks: readonly MicroBenchmark[] = [ids, records, frames, ledger, wheel]
const sizes = ['tiny', 'full']

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { size: { type: 'string', default: 'full' }, json: { type: 'string' } },
  })
  const names = benchmarks.map(({ name }) => name)
  if (!positionals.every((name) => names.includes(name)) || !sizes.includes(values.size)) {
    console.error(`npm run bench -- [name]... [--size ${sizes.join('|')}] [--json FILE]; names are ${names.join(', ')}`)
    return 1
  }
  console.log(`Node ${process.version}; size ${values.size}`)
  for (const benchmark of benchmarks) {
    if (positionals.length > 0 && !positionals.includes(benchmark.name)) continue
    const rows = await benchmark.run({ tiny: values.size === 'tiny' })
    if (values.json !== undefined && Array.isArray(rows)) appendResults(values.json, values.size, rows)
  }
  return 0
}

process.exitCode = await main()

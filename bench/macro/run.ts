/** `npm run bench:macro -- <benchmark>... [--size tiny|small|full] [--dir DIR] [--rounds N] [--json FILE]` */

import { parseArgs } from 'node:util'
import { appendResults } from '../shared/results-file.ts'
import { Runner, type Size } from './benchmark.ts'
import { benchmarks } from './benchmarks.ts'
import { makePlace } from './place.ts'

const usage = `npm run bench:macro -- <benchmark>... [options]

  ${Object.entries(benchmarks)
    .map(([name, { title }]) => `${name.padEnd(10)} ${title}`)
    .join('\n  ')}
  all        all of them

  --size tiny|small|full   how much of everything; default small
  --rounds N               how often what is compared takes turns
  --dir DIR                where files go; default the system's directory for temporary files, if it is on a disk
  --json FILE              appends the rows as lines of JSON
`

function isSize(text: string): text is Size {
  return text === 'tiny' || text === 'small' || text === 'full'
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      size: { type: 'string', default: 'small' },
      rounds: { type: 'string' },
      dir: { type: 'string' },
      json: { type: 'string' },
    },
  })
  const names = positionals.includes('all') ? Object.keys(benchmarks) : positionals
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds)
  const isUsable = names.length > 0 && names.every((name) => benchmarks[name] !== undefined)
  if (!isUsable || !isSize(values.size) || (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0))) {
    console.error(usage)
    return 1
  }
  const place = makePlace(values.dir)
  // A signal ends this process and its children; what they leave is removed all the same.
  process.on('exit', place.remove)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1))
  console.log(`files in ${place.description}; size ${values.size}; Node ${process.version}`)
  for (const name of names) {
    const benchmark = benchmarks[name]!
    console.log(`\n${name}: ${benchmark.title}`)
    const runner = new Runner({ benchmark: name, size: values.size, rounds, place: place.directory })
    await benchmark.run(runner)
    console.log(benchmark.notes)
    if (values.json !== undefined) appendResults(values.json, values.size, runner.rows)
  }
  return 0
}

process.exitCode = await main()

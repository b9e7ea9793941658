/** Runs contenders beside each other with tinybench and shows one table: median and quartiles, in nanoseconds an operation. */

import { Bench } from 'tinybench'
import { quantileOf, shown } from '../shared/figures.ts'
import type { ResultRow } from '../shared/results-file.ts'

export interface Contender {
  readonly operation: string
  /** Floors stand in parentheses. */
  readonly subject: string
  /** Does the operation so many times as `compare` was told. Answers something of the work, so that none of it is idle. */
  readonly run: () => number
}

export interface Comparison {
  readonly name: string
  readonly title: string
  readonly operationsPerRun: number
  readonly contenders: readonly Contender[]
}

export async function compare(comparison: Comparison, { tiny }: { tiny: boolean }): Promise<ResultRow[]> {
  const { name, title, operationsPerRun, contenders } = comparison
  const bench = new Bench({
    iterations: tiny ? 3 : 31,
    time: tiny ? 0 : 500,
    warmupIterations: tiny ? 1 : 10,
    warmupTime: 0,
    retainSamples: true,
  })
  let used = 0
  for (const { operation, subject, run } of contenders) {
    bench.add(`${operation}|${subject}`, () => {
      used += run()
    })
  }
  await bench.run()
  if (!Number.isFinite(used)) throw new Error('a contender did not answer a number')
  const rows = bench.tasks.map((task): ResultRow => {
    const [operation = '', subject = ''] = task.name.split('|')
    const { result } = task
    if (!('latency' in result) || result.latency.samples === undefined) throw new Error(`${task.name} has no result`)
    const { samples } = result.latency
    const nsAt = (quantile: number): number => (quantileOf(samples, quantile) * 1e6) / operationsPerRun
    return {
      benchmark: name,
      operation,
      subject,
      medianNs: nsAt(0.5),
      p25Ns: nsAt(0.25),
      p75Ns: nsAt(0.75),
      runs: samples.length,
    }
  })
  console.log(`${name}: ${title}; ns an operation, median of runs and their quartiles`)
  console.table(
    rows.map(({ operation, subject, medianNs, p25Ns, p75Ns, runs }) => ({
      operation,
      subject,
      ns: shown(medianNs as number),
      quartiles: `${shown(p25Ns as number)} - ${shown(p75Ns as number)}`,
      runs,
    })),
  )
  return rows
}

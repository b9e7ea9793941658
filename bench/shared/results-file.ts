/** A history of results: one JSON object a line, appended, with what is needed to compare it with another day's. */

import { appendFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'

/** One row of a table as data: what was measured, and its figures. */
export interface ResultRow {
  readonly benchmark: string
  readonly [figure: string]: string | number | readonly number[]
}

export function appendResults(file: string, size: string, rows: readonly ResultRow[]): void {
  const machine = { at: new Date().toISOString(), node: process.version, cpu: cpus()[0]?.model.trim() ?? 'unknown' }
  const common = { ...machine, cores: availableParallelism(), size }
  appendFileSync(file, rows.map((row) => `${JSON.stringify({ ...common, ...row })}\n`).join(''))
}

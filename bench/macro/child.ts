/**
 * Runs one program of a benchmark in this process, which was started for nothing else, and prints its figures as one
 * line of JSON: `node child.js <benchmark> <program> <specification as JSON>`.
 */

import { benchmarks } from './benchmarks.ts'

const [benchmarkName = '', programName = '', specification = ''] = process.argv.slice(2)
const program = benchmarks[benchmarkName]?.programs[programName]
if (program === undefined) throw new Error(`there is no program ${benchmarkName} ${programName}`)
const figures = await program(JSON.parse(specification) as never)
console.log(JSON.stringify(figures))

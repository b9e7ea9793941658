/** `npm run bench`: runs the small benchmarks, each of one module. */

import { isNodeSupported } from './lib/node-version.mjs'

async function run() {
  const { runProgram } = await import('./lib/program.mjs')
  const { programs } = await import('./lib/places.mjs')
  return runProgram(programs.bench)
}

if (isNodeSupported()) void import('./lib/command.mjs').then(({ command }) => command(run))

/** `npm run bench:macro`: runs the benchmarks of the whole engine on a real disk. */

import { isNodeSupported } from './lib/node-version.mjs'

async function run() {
  const { runProgram } = await import('./lib/program.mjs')
  const { programs } = await import('./lib/places.mjs')
  return runProgram(programs.benchMacro)
}

if (isNodeSupported()) void import('./lib/command.mjs').then(({ command }) => command(run))

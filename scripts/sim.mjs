/** `npm run sim`: runs the whole engine in the deterministic simulation, seed after seed. */

import { isNodeSupported } from './lib/node-version.mjs'

async function run() {
  const { runProgram } = await import('./lib/program.mjs')
  const { programs } = await import('./lib/places.mjs')
  return runProgram(programs.sim)
}

if (isNodeSupported()) void import('./lib/command.mjs').then(({ command }) => command(run))

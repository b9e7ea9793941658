/** `npm run torture`: kills, faults, power cuts and clock steps by the thousand, against the built package on a real disk. */

import { isNodeSupported } from './lib/node-version.mjs'

async function run() {
  const { ensureBuilt } = await import('./lib/build.mjs')
  const { ensureInstalled } = await import('./lib/install.mjs')
  const { runProgram } = await import('./lib/program.mjs')
  const { programs } = await import('./lib/places.mjs')
  await ensureInstalled()
  await ensureBuilt()
  return runProgram(programs.torture)
}

if (isNodeSupported()) void import('./lib/command.mjs').then(({ command }) => command(run))

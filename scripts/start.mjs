/**
 * `npm start`: sets up what is missing, then runs the main job in this process until it ends or is told to.
 *
 * Entry scripts must parse on Nodes that are too old to run the rest.
 */

import { isNodeSupported } from './lib/node-version.mjs'

async function start() {
  const { ensureInstalled } = await import('./lib/install.mjs')
  const { ensureBuilt } = await import('./lib/build.mjs')
  const { runInThisProcess } = await import('./lib/main-job.mjs')
  await ensureInstalled()
  await ensureBuilt()
  await runInThisProcess(process.argv.slice(2))
}

if (isNodeSupported()) void import('./lib/command.mjs').then(({ command }) => command(start))

/** `npm run check`: sets up what is missing, then runs the static checks alone. */

import { isNodeSupported } from './lib/node-version.mjs'

async function check() {
  const { ensureInstalled } = await import('./lib/install.mjs')
  const { ensureBuilt } = await import('./lib/build.mjs')
  const { runChecks } = await import('./lib/checks.mjs')
  await ensureInstalled()
  await ensureBuilt()
  const failed = await runChecks()
  return failed.length > 0 ? 1 : 0
}

if (isNodeSupported()) void import('./lib/command.mjs').then(({ command }) => command(check))

/** `npm run build`: installs what is missing, then compiles `src` into `dist` if it has changed. */

import { isNodeSupported } from './lib/node-version.mjs'

async function build() {
  const { ensureInstalled } = await import('./lib/install.mjs')
  const { ensureBuilt } = await import('./lib/build.mjs')
  await ensureInstalled()
  await ensureBuilt()
}

if (isNodeSupported()) void import('./lib/command.mjs').then(({ command }) => command(build))

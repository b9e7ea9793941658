/**
 * Records what `npm start` shows: runs the main job on a terminal for a while, takes the last screen as text and puts it into
 * README.md, between its marks. Needs `script` (util-linux) and `stty`. Run it when the live view has changed.
 *
 *   node scripts/record.mjs [SECONDS]
 */

import { isNodeSupported } from './lib/node-version.mjs'

async function run() {
  const { record } = await import('./lib/record.mjs')
  const { argv } = process
  await record(argv.length > 2 ? argv[2] : '20')
}

if (isNodeSupported()) void import('./lib/command.mjs').then(({ command }) => command(run))

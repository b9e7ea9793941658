/**
 * `npm test`: sets up what is missing, runs the static checks, then the tests.
 *
 * Arguments go on to vitest. With a name among them (`npm test -- test/wheel`) the static checks are left out.
 */

import { isNodeSupported } from './lib/node-version.mjs'

async function test() {
  const { ensureInstalled } = await import('./lib/install.mjs')
  const { ensureBuilt } = await import('./lib/build.mjs')
  const { runChecks } = await import('./lib/checks.mjs')
  const { runNode } = await import('./lib/lifetime.mjs')
  const { tool } = await import('./lib/places.mjs')
  await ensureInstalled()
  await ensureBuilt()
  const args = process.argv.slice(2)
  const isWhole = args.every((arg) => arg.startsWith('-'))
  const failed = isWhole ? await runChecks() : []
  const { code } = await runNode(tool('vitest'), ['run', ...args])
  if (failed.length > 0) console.error('Static checks that failed: ' + failed.join(', '))
  return failed.length > 0 ? 1 : code
}

if (isNodeSupported()) void import('./lib/command.mjs').then(({ command }) => command(test))

/** The static checks. Each works offline, writes nothing into the work tree and says nothing unless it fails. */

import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { npm } from './install.mjs'
import { runNode } from './lifetime.mjs'
import { cache, root, tool } from './places.mjs'

/** Named, because lint says nothing about folders it was not given. */
const lintedFolders = ['src', 'test', 'bench', 'examples', 'scripts']
const atOnce = 2

/** Longest first, so that the last one to start is short. `src` itself was checked by the build. */
const checks = [
  { name: 'package', check: checkPackage },
  {
    name: 'format',
    check: () =>
      run('prettier', '--check', '--log-level=warn', '--cache', `--cache-location=${join(cache, 'format')}`, '.'),
  },
  { name: 'lint', check: () => run('oxlint', '--deny-warnings', ...lintedFolders.filter(isThere)) },
  { name: 'types', check: () => run('tsc', '-p', 'tsconfig.test.json') },
  { name: 'unused', check: () => run('knip', '--no-progress') },
]

/** Runs all checks and reports each; resolves to the names of those that failed. Expects a fresh `dist`. */
export async function runChecks() {
  const failed = []
  const waiting = [...checks]
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const startedMs = performance.now()
      const { code, output } = await next.check()
      const tookSeconds = ((performance.now() - startedMs) / 1000).toFixed(1)
      if (code !== 0) failed.push(next.name)
      console.log(`check ${next.name}: ${code === 0 ? 'ok' : 'FAILED'}, ${tookSeconds} s`)
      if (code !== 0) console.log(output)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return failed
}

function isThere(folder) {
  return existsSync(join(root, folder))
}

function run(name, ...args) {
  return runNode(tool(name), args, { output: 'capture' })
}

/** What would be published: packed outside the work tree, then looked at as its users will. */
async function checkPackage() {
  const directory = mkdtempSync(join(tmpdir(), 'hourwheel-pack-'))
  try {
    const packed = await npm(['pack', '--ignore-scripts', '--pack-destination', directory], 'capture')
    if (packed.code !== 0) return packed
    const tarball = join(directory, readdirSync(directory)[0])
    const published = await run('publint', 'run', tarball, '--strict')
    if (published.code !== 0) return published
    return await run('attw', tarball, '--profile', 'esm-only', '--no-definitely-typed')
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

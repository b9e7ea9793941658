/** Where things are in this repository. Paths that several scripts share are named here and nowhere else. */

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the repository, without a trailing separator. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '')

/** What `npm start` runs: the main job. */
export const mainJob = join(root, 'examples/live.mjs')

export const dist = join(root, 'dist')

/** Everything that may be thrown away and made again. Neither git nor npm looks into it. */
export const cache = join(root, 'node_modules/.cache/hourwheel')

/** Programs that are written in TypeScript and no part of the package, as they lie in the repository. */
export const programs = {
  sim: 'test/simulation/run.ts',
  torture: 'test/kill/run.ts',
  bench: 'bench/micro/run.ts',
  benchMacro: 'bench/macro/run.ts',
}

const tools = {
  attw: '@arethetypeswrong/cli/dist/index.js',
  knip: 'knip/bin/knip.js',
  oxlint: 'oxlint/bin/oxlint',
  prettier: 'prettier/bin/prettier.cjs',
  publint: 'publint/src/cli.js',
  tsc: 'typescript/bin/tsc',
  vitest: 'vitest/vitest.mjs',
}

/** The script behind the command `name` of an installed package, to be run with `node`. */
export function tool(name) {
  return join(root, 'node_modules', tools[name])
}

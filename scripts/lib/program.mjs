/** Runs a program of this repository that is written in TypeScript, with the arguments of this command. */

import { ensureProgramBuilt } from './build.mjs'
import { ensureInstalled } from './install.mjs'
import { runNode } from './lifetime.mjs'

/** Resolves to the exit code of the program at `path` in the repository. */
export async function runProgram(path) {
  await ensureInstalled()
  const built = await ensureProgramBuilt(path)
  const { code } = await runNode(built, process.argv.slice(2))
  return code
}

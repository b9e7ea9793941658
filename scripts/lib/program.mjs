/** Runs a program of this repository that is written in TypeScript, with the arguments of this command. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ensureProgramBuilt } from './build.mjs'
import { StepFailed } from './command.mjs'
import { ensureInstalled } from './install.mjs'
import { runNode } from './lifetime.mjs'
import { root } from './places.mjs'

/** Resolves to the exit code of the program at `path` in the repository. */
export async function runProgram(path) {
  if (!existsSync(join(root, path))) throw new StepFailed(`hourwheel: there is no ${path} yet.`)
  await ensureInstalled()
  const built = await ensureProgramBuilt(path)
  const { code } = await runNode(built, process.argv.slice(2))
  return code
}

/**
 * Compiles TypeScript when its sources have changed since the last time.
 *
 * The compiler writes to a place of its own; only when all is well do changed files replace the old ones, each by a
 * rename. So a failed build changes nothing, and a running process never meets half a file.
 */

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { StepFailed } from './command.mjs'
import { runNode } from './lifetime.mjs'
import { cache, dist, root, tool } from './places.mjs'
import { withSetupLock } from './setup-lock.mjs'

const stampName = '.build-stamp'

/** `dist`, the package's own code. */
export function ensureBuilt() {
  return ensureCompiled({ project: 'tsconfig.json', inputs: ['src'], output: dist })
}

/** Benchmarks and the simulator's program, beside a compiled copy of `src`. Resolves to where `program` is then. */
export async function ensureProgramBuilt(program) {
  const output = join(cache, 'programs')
  await ensureCompiled({ project: 'tsconfig.programs.json', inputs: ['src', 'bench', 'test'], output })
  return join(output, program.replace(/\.ts$/, '.js'))
}

async function ensureCompiled({ project, inputs, output }) {
  const isFresh = (print) => readIfThere(join(output, stampName)) === print
  if (isFresh(fingerprint(project, inputs))) return
  await withSetupLock(async () => {
    const print = fingerprint(project, inputs)
    if (isFresh(print)) return
    const fresh = join(cache, `compiling-${process.pid}`)
    try {
      rmSync(fresh, { recursive: true, force: true })
      const { code } = await runNode(tool('tsc'), ['-p', project, '--outDir', fresh], { output: 'stderr' })
      if (code !== 0) throw new StepFailed(`hourwheel: tsc -p ${project} failed; nothing was changed.`)
      // Below node_modules, files belong to no package unless one is named.
      if (output !== dist) writeFileSync(join(fresh, 'package.json'), '{ "type": "module" }\n')
      replaceOutput(fresh, output)
      writeFileSync(join(output, stampName), print)
    } finally {
      rmSync(fresh, { recursive: true, force: true })
    }
  })
}

function replaceOutput(fresh, output) {
  rmSync(join(output, stampName), { force: true })
  const names = new Set(filesIn(fresh))
  for (const name of names) {
    const [from, to] = [join(fresh, name), join(output, name)]
    if (existsSync(to) && readFileSync(from).equals(readFileSync(to))) continue
    mkdirSync(dirname(to), { recursive: true })
    renameSync(from, to)
  }
  for (const name of filesIn(output)) {
    const isOurs = !name.startsWith('.')
    if (isOurs && !names.has(name)) rmSync(join(output, name))
  }
}

/** Over names and bytes, so that neither a checkout nor a touched file causes a build. */
function fingerprint(project, inputs) {
  const hash = createHash('sha256')
  const files = inputs.flatMap((input) => filesIn(join(root, input)).map((name) => join(input, name)))
  for (const file of ['package-lock.json', 'tsconfig.json', project, ...files]) {
    const bytes = readFileSync(join(root, file))
    hash.update(`${file}\n${bytes.length}\n`).update(bytes)
  }
  return hash.digest('hex')
}

/** All files below a directory, as paths relative to it, sorted. */
function filesIn(directory) {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath ?? entry.path, entry.name)))
    .sort()
}

function readIfThere(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

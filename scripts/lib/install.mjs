/**
 * Installs the dependencies when they are not there, and only then: a start after the first one needs no network.
 *
 * What is installed is told by `node_modules/.package-lock.json`, which npm removes first and writes last. It is
 * compared with package-lock.json, so that an install made by hand counts as well.
 */

import { createHash } from 'node:crypto'
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { basename, delimiter, join } from 'node:path'
import { StepFailed } from './command.mjs'
import { runNode, runProcess } from './lifetime.mjs'
import { root } from './places.mjs'
import { withSetupLock } from './setup-lock.mjs'

const wanted = join(root, 'package-lock.json')
const installed = join(root, 'node_modules/.package-lock.json')
/** Says that an install for this lock file on this platform went through, whatever optional packages it could not get. */
const stamp = join(root, 'node_modules/.hourwheel-install')

export async function ensureInstalled() {
  if (isInstalled()) return
  await withSetupLock(async () => {
    if (!isInstalled()) await install()
  })
}

async function install() {
  console.error('hourwheel: installing dependencies')
  const { code } = await npm(['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund'], 'stderr')
  if (code !== 0) throw new StepFailed('hourwheel: npm ci failed; its messages are above.')
  writeFileSync(stamp, fingerprint())
  if (!isInstalled()) throw new StepFailed('hourwheel: npm ci ended well, but not all packages are there.')
}

/** Runs npm, as a script of ours if it can be found as one: then it does not outlive this process. */
export function npm(args, output) {
  const script = npmScript()
  return script === undefined ? runProcess('npm', args, { output }) : runNode(script, args, { output })
}

/** The npm that runs this command, or else the one that the shell would run. */
function npmScript() {
  const directories = (process.env.PATH ?? '').split(delimiter)
  const candidates = [process.env.npm_execpath, ...directories.map((directory) => join(directory, 'npm'))]
  const command = candidates.find((candidate) => candidate !== undefined && isNpm(candidate) && existsSync(candidate))
  const script = command === undefined ? undefined : realpathSync(command)
  return script?.endsWith('npm-cli.js') ? script : undefined
}

function isNpm(path) {
  return ['npm', 'npm-cli.js'].includes(basename(path))
}

function isInstalled() {
  const there = packagesOf(installed)
  if (there === undefined) return false
  const went = existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint()
  return Object.entries(packagesOf(wanted)).every(([path, entry]) => {
    if (path === '') return true
    if (there[path] !== undefined) return there[path].version === entry.version
    return entry.optional === true && (went || !fitsPlatform(entry))
  })
}

function packagesOf(lockFile) {
  return existsSync(lockFile) ? JSON.parse(readFileSync(lockFile, 'utf8')).packages : undefined
}

/** Whether it is surely wanted here: bound to this platform, and to no C library, which Node does not tell. */
function fitsPlatform({ os, cpu, libc }) {
  const fits = (list, value) => list === undefined || list.includes(value)
  const isBound = os !== undefined || cpu !== undefined
  return isBound && libc === undefined && fits(os, process.platform) && fits(cpu, process.arch)
}

function fingerprint() {
  const where = `${process.platform} ${process.arch}\n`
  return createHash('sha256').update(where).update(readFileSync(wanted)).digest('hex')
}

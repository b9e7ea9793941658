/**
 * Installs the dependencies when they are not there, and only then: a start after the first one needs no network.
 *
 * What is installed is told by `node_modules/.package-lock.json`, which npm removes first and writes last. It is
 * compared with package-lock.json, so that an install made by hand counts as well.
 */

import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
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

/** Runs the npm that runs this script, or else the one that is found. */
export function npm(args, output) {
  const cli = process.env.npm_execpath
  return cli !== undefined && basename(cli) === 'npm-cli.js'
    ? runNode(cli, args, { output })
    : runProcess('npm', args, { output })
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

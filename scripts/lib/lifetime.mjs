/**
 * Keeps the processes of one command together: whatever ends it also ends everything it started.
 *
 * - A signal to this process goes on to every child, then ends this process in the same way.
 * - npm passes signals on, but it cannot when it is killed with SIGKILL: this process notices that its parent has
 *   changed, and ends as if by SIGTERM. A child notices the same of this process (follow-parent.mjs).
 * - Children lead process groups of their own, so that what they started ends with them.
 */

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { root } from './places.mjs'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
const lookMs = 250
const graceMs = 5_000

const groups = new Set()
const lastActs = new Set()
let endedBy
let isHandedOver = false

/** From here on, the end of this process is the end of its children. */
export function guard() {
  for (const signal of signals) process.on(signal, end)
  followNpm(() => end('SIGTERM'))
}

/**
 * Hands this process over to a program that is about to be imported into it: signals are the program's own again. If
 * npm is killed, the program gets the SIGTERM that npm could not pass on, and some seconds to end by itself.
 */
export function handOver() {
  for (const signal of signals) process.off(signal, end)
  isHandedOver = true
}

/** Has `act` (synchronous) called when this process is ended by a signal. Returns what takes that back. */
export function whenEnded(act) {
  lastActs.add(act)
  return () => lastActs.delete(act)
}

/**
 * Runs `node script ...args` in the root of the repository, to its end. `output`: 'inherit' shows it, 'stderr' shows
 * it there, 'capture' returns it. Resolves to `{ code, output }`, and never once a signal has come.
 */
export function runNode(script, args, { output = 'inherit', env = process.env } = {}) {
  const follow = new URL('./follow-parent.mjs', import.meta.url).href
  return runProcess(process.execPath, [`--import=${follow}`, script, ...args], { output, env })
}

/** The same for a program that is not a script of ours to follow its parent. */
export function runProcess(command, args, { output = 'inherit', env = process.env } = {}) {
  const out = output === 'capture' ? ['pipe', 'pipe'] : output === 'stderr' ? [2, 2] : ['inherit', 'inherit']
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', ...out], detached: true })
    const chunks = []
    child.stdout?.on('data', (chunk) => chunks.push(chunk))
    child.stderr?.on('data', (chunk) => chunks.push(chunk))
    if (child.pid !== undefined) groups.add(child.pid)
    child.on('error', reject)
    child.on('close', (code) => {
      groups.delete(child.pid)
      if (endedBy === undefined) resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString() })
      else if (groups.size === 0) endNow()
    })
  })
}

function end(signal) {
  if (isHandedOver) {
    process.kill(process.pid, signal)
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), graceMs).unref()
    return
  }
  if (endedBy !== undefined) return
  endedBy = signal
  if (groups.size === 0) return endNow()
  for (const group of groups) signalGroup(group, signal)
  setTimeout(() => {
    for (const group of groups) signalGroup(group, 'SIGKILL')
    endNow()
  }, graceMs)
}

function endNow() {
  for (const act of lastActs) act()
  for (const signal of signals) process.off(signal, end)
  process.kill(process.pid, endedBy)
}

function signalGroup(group, signal) {
  try {
    process.kill(-group, signal)
  } catch {
    // It has ended by itself.
  }
}

/** npm runs scripts through a shell, which stays between npm and this process or has turned into it. */
function followNpm(lost) {
  if (process.env.npm_lifecycle_event === undefined) return
  const parent = process.ppid
  const npm = isShell(parent) ? parentOf(parent) : undefined
  const timer = setInterval(() => {
    if (process.ppid === parent && (npm === undefined || parentOf(parent) === npm)) return
    clearInterval(timer)
    lost()
  }, lookMs)
  timer.unref()
}

function isShell(pid) {
  return readProc(pid, 'cmdline').split('\0')[1] === '-c'
}

/** The parent of a process on Linux; undefined where there is no /proc, or no such process. */
function parentOf(pid) {
  const afterName = readProc(pid, 'stat').split(') ').pop() ?? ''
  return afterName === '' ? undefined : Number(afterName.split(' ')[1])
}

function readProc(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}

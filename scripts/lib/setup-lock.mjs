/**
 * One set-up at a time: two commands started together must not install or build over each other.
 *
 * The lock is a file whose time of change the holder renews; a lock that nobody has renewed for a while was left by a
 * holder that was killed. Not pids: commands in two containers may share the directory. The file lies in `dist`,
 * which `npm ci` leaves alone.
 */

import { randomUUID } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { StepFailed } from './command.mjs'
import { whenEnded } from './lifetime.mjs'
import { dist } from './places.mjs'

const lock = join(dist, '.setup-lock')
const renewMs = 1_000
const staleMs = 15_000
const lookMs = 200

/** Runs `work` while no other set-up of this repository runs. Not reentrant. */
export async function withSetupLock(work) {
  mkdirSync(dist, { recursive: true })
  const token = randomUUID()
  for (let looks = 0; !take(token); looks++) {
    if (looks === 5) console.error('hourwheel: waiting for another set-up of this directory to end')
    await sleep(lookMs)
  }
  const forget = whenEnded(() => release(token))
  const renewal = setInterval(renew, renewMs)
  let wasHeld
  try {
    await work()
  } finally {
    clearInterval(renewal)
    forget()
    wasHeld = release(token)
  }
  if (!wasHeld) throw new StepFailed('Another set-up took over while this one stood still. Run it again.')
}

function take(token) {
  try {
    writeFileSync(lock, token, { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    removeStale(`${lock}-${token}`)
    return false
  }
}

/** Renamed before it is removed, so that of several waiters only one gets hold of it. */
function removeStale(aside) {
  try {
    if (!isStale(lock)) return
    renameSync(lock, aside)
    // Between the two lines another waiter may have replaced it by a lock of its own: that one goes back.
    if (!isStale(aside)) linkSync(aside, lock)
    rmSync(aside)
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error
    rmSync(aside, { force: true })
  }
}

function isStale(path) {
  return Date.now() - statSync(path).mtimeMs > staleMs
}

function renew() {
  try {
    const now = new Date()
    utimesSync(lock, now, now)
  } catch {
    // Taken over; the release will say so.
  }
}

/** True if the lock was still this holder's. */
function release(token) {
  try {
    if (readFileSync(lock, 'utf8') !== token) return false
    rmSync(lock)
    return true
  } catch {
    return false
  }
}

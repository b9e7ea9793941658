/**
 * The wall clock of a running worker is set forward and back, also while the process is stopped, and at times further ahead
 * than may be believed. libfaketime does it, to that one process. Tasks start late at most, none twice, and none that only a
 * clock says is due that is not believed.
 */

import * as fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Checker } from '../kill/checker.ts'
import { judgeOrderly, live, type RunningLife } from '../kill/life.ts'
import { seededRandom } from '../kill/random.ts'
import { drainAndVerify, planOf } from '../kill/rounds.ts'

export interface ClockRoundsOptions {
  readonly dir: string
  readonly package: string
  readonly rounds: number
  readonly seed: number
  readonly onRound?: (round: number, checker: Checker) => void
}

const libraries = ['x86_64', 'aarch64'].map((cpu) => `/usr/lib/${cpu}-linux-gnu/faketime/libfaketimeMT.so.1`)
const drainEvery = 20
const hourMs = 3_600_000
/** The clock stays within this of the true one, so that no hour is given up for good. */
const offMsMax = 10 * hourMs
const heldMs = 1_500

export function whyNoClock(): string | undefined {
  return libraries.some((file) => fs.existsSync(file)) ? undefined : 'libfaketime is missing (faketime)'
}

export async function clockRounds(options: ClockRoundsOptions): Promise<Checker> {
  const { dir, rounds, seed } = options
  const checker = new Checker({ clockSteps: true })
  const random = seededRandom(seed)
  const clock = new FakeClock(`${dir}.clock`)
  for (let round = 1; round <= rounds && checker.violations.length === 0; round++) {
    // Little at a time: with a clock set back, what was to run soon adds up.
    const quiet = { clients: 2, batchMax: 4, pauseMs: 8, runMs: 1_500 }
    const plan = { ...planOf(options.package, dir, checker, random, 200), ...quiet }
    if (round % drainEvery === 0 || round === rounds) await drainAndVerify(plan, checker, random, clock.env)
    else {
      const isHeld = random() < 0.2
      const dies = random() < 0.5
      const ready = async (life: RunningLife): Promise<void> => {
        if (isHeld) await stepTooFar(clock, checker)
        else for (let steps = 1 + random() * 6; steps > 0; steps--) await step(clock, random, life)
        if (dies) life.kill()
      }
      const life = await live({ plan, checker, random, ready, env: clock.env, timeoutMs: 60_000 })
      judgeOrderly(checker, life)
      clock.clear(life.pid)
      if (isHeld && checker.holds === 0) checker.violate('the clock was days ahead, and nothing was held')
    }
    options.onRound?.(round, checker)
  }
  return checker
}

async function step(clock: FakeClock, random: () => number, { pid }: RunningLife): Promise<void> {
  await sleep(random() * 250)
  const byMs = Math.round((random() < 0.5 ? -1 : 1) * 10 ** (2 + random() * 5.2))
  const isStopped = random() < 0.3
  if (isStopped && !signal(pid, 'SIGSTOP')) return
  clock.set(Math.max(-offMsMax, Math.min(offMsMax, clock.offMs + byMs)))
  if (!isStopped) return
  await sleep(random() * 50)
  signal(pid, 'SIGCONT')
}

async function stepTooFar(clock: FakeClock, checker: Checker): Promise<void> {
  await sleep(200)
  const before = clock.offMs
  checker.believeClockUntil(Date.now() + before + heldMs + 1_000)
  clock.set(before + 72 * hourMs)
  await sleep(heldMs)
  checker.believeClockUntil(Infinity)
  clock.set(before)
  await sleep(300)
}

function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    // It has ended by itself.
    return false
  }
}

class FakeClock {
  offMs = 0
  readonly env: Readonly<Record<string, string>>
  readonly #file: string

  constructor(file: string) {
    this.#file = file
    this.env = {
      LD_PRELOAD: libraries.find((library) => fs.existsSync(library)) ?? '',
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    }
    this.set(0)
  }

  /** What the library leaves behind of a process that was killed. */
  clear(pid: number): void {
    for (const name of [`faketime_shm_${pid}`, `sem.faketime_sem_${pid}`])
      fs.rmSync(`/dev/shm/${name}`, { force: true })
  }

  /** Of the true clock. The file is replaced as a whole: it is read at any moment. */
  set(offMs: number): void {
    this.offMs = offMs
    fs.writeFileSync(`${this.#file}.new`, `${offMs < 0 ? '-' : '+'}${(Math.abs(offMs) / 1_000).toFixed(3)}\n`)
    fs.renameSync(`${this.#file}.new`, this.#file)
  }
}

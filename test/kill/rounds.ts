/**
 * kill -9 under load, round after round on one directory: a worker is killed at a random microsecond of its opening or its
 * work, the next one finds what it left. Now and then one is let go on until nothing is due, and the directory is verified.
 */

import * as fs from 'node:fs'
import { Checker } from './checker.ts'
import { judgeOrderly, live } from './life.ts'
import type { Plan } from './lines.ts'
import { seededRandom } from './random.ts'

export interface RoundsOptions {
  readonly dir: string
  readonly package: string
  readonly rounds: number
  readonly seed: number
  /** A round in which nothing is killed and all that is due must end, after so many others. */
  readonly drainEvery: number
  readonly killMsMax: number
  /** More live tasks than this, and no far ones are added. */
  readonly liveMax: number
  /** The directory as it was before the newest life is kept beside it, as `<dir>.before`. */
  readonly keepsBefore?: boolean
  readonly onRound?: (round: number, checker: Checker) => void
}

/** Runs all rounds, or until a violation. */
export async function killRounds(options: RoundsOptions): Promise<Checker> {
  const { dir, rounds, seed, drainEvery, killMsMax, liveMax } = options
  const checker = new Checker()
  const random = seededRandom(seed)
  for (let round = 1; round <= rounds && checker.violations.length === 0; round++) {
    if (options.keepsBefore === true) copyAside(dir)
    const plan = planOf(options.package, dir, checker, random, liveMax)
    if (round % drainEvery === 0 || round === rounds) await drainAndVerify(plan, checker, random)
    else {
      const after = random() < 0.25 ? 'start' : 'ready'
      const ms = random() * (after === 'start' ? 250 : killMsMax)
      const life = await live({ plan, checker, random, kill: { after, ms } })
      judgeOrderly(checker, life)
    }
    options.onRound?.(round, checker)
  }
  return checker
}

export function planOf(module: string, dir: string, checker: Checker, random: () => number, liveMax: number): Plan {
  const oneOf = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  return {
    package: module,
    dir,
    seed: Math.floor(random() * 2 ** 32),
    firstTag: checker.nextTag,
    options: {
      walFileBytes: oneOf([8, 16, 32, 64, 256]) << 10,
      walFilesMax: oneOf([1, 2, 3]),
      nearBytesMax: oneOf([64 << 10, 256 << 10, 16 << 20]),
      ahead: oneOf(['2s', '5s', '10m']),
    },
    work: 'load',
    clients: oneOf([2, 6, 12]),
    pauseMs: oneOf([1, 3, 6]),
    far: checker.liveCount < liveMax,
    batchMax: oneOf([5, 40]),
  }
}

/** Lets all that is due end, looks at the result with the next start, and verifies the files. */
export async function drainAndVerify(
  plan: Plan,
  checker: Checker,
  random: () => number,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  for (const work of ['drain', 'look', 'verify'] as const) {
    judgeLast(checker, await live({ plan: { ...plan, work, firstTag: checker.nextTag }, checker, random, env }), work)
  }
}

function judgeLast(checker: Checker, life: Awaited<ReturnType<typeof live>>, work: string): void {
  if (work !== 'verify') judgeOrderly(checker, life)
  else if (life.code !== 0 || life.stderr !== '') checker.violate(`verify ended with ${life.code}: ${life.stderr}`)
}

function copyAside(dir: string): void {
  fs.rmSync(`${dir}.before`, { recursive: true, force: true })
  if (fs.existsSync(dir)) fs.cpSync(dir, `${dir}.before`, { recursive: true })
}

/**
 * Power cuts on a real file system, one after the other: the worker is at work, the file system is shut down under it, mounted
 * again, and the next worker must find all that was acknowledged before the cut. With syncs that do nothing it must fail:
 * that shows that a missing sync would be seen.
 */

import * as fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Checker } from '../kill/checker.ts'
import { judgeOrderly, live, type RunningLife } from '../kill/life.ts'
import { seededRandom } from '../kill/random.ts'
import { drainAndVerify, planOf } from '../kill/rounds.ts'
import { LoopDisk, type FileSystem } from './loop-disk.ts'

export interface PowerCutRoundsOptions {
  /** Image and mount point are made beside it. */
  readonly dir: string
  readonly package: string
  readonly rounds: number
  readonly seed: number
  readonly fileSystem: FileSystem
  /** The worker's environment: LD_PRELOAD. */
  readonly env?: Readonly<Record<string, string>>
  readonly onRound?: (round: number, checker: Checker) => void
}

const drainEvery = 50

export async function powerCutRounds(options: PowerCutRoundsOptions): Promise<Checker> {
  const { dir, rounds, seed, fileSystem, env = {} } = options
  const checker = new Checker({ startsSurvive: false })
  const random = seededRandom(seed)
  const disk = new LoopDisk(fileSystem, dir)
  const data = `${disk.mountPoint}/data`
  try {
    for (let round = 1; round <= rounds && checker.violations.length === 0; round++) {
      const plan = planOf(options.package, data, checker, random, 300)
      if (round % drainEvery === 0 || round === rounds) await drainAndVerify(plan, checker, random)
      else {
        let wasCut = false
        const flush = random() < 0.3
        const killFirst = random() < 0.3
        const afterMs = random() * 300
        const ready = async (life: RunningLife): Promise<void> => {
          await sleep(afterMs)
          if (killFirst) life.kill()
          else {
            life.turnAway()
            checker.cut()
            disk.cut(flush)
            wasCut = true
            life.kill()
            life.listen()
          }
        }
        const life = await live({ plan, checker, random, ready, env })
        judgeOrderly(checker, life)
        if (!wasCut) disk.cut(flush)
        disk.unmount()
        disk.mount()
      }
      options.onRound?.(round, checker)
    }
    if (checker.violations.length > 0 && fs.existsSync(data)) fs.cpSync(data, dir, { recursive: true })
    return checker
  } finally {
    disk.remove()
  }
}

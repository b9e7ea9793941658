/**
 * Backups of the running engine: asked for at any moment of a life, into directories and archives, crashed in the middle, given up,
 * made again in the place of an unfinished one. Once a life is over they are looked at on a twin of the machine after a power cut:
 * what was answered, or has its manifest, must be sound and hold what its moment says (moment.ts), opened as it is or restored.
 */

import { restoreBackup, type OverdueChoice, type RestoreSource } from '../../engine/backup/restore.ts'
import type { Engine } from '../../engine/engine.ts'
import { openEngineOn } from '../../engine/open.ts'
import { verifyDirectory } from '../../engine/verify.ts'
import { HourwheelError } from '../../model/errors.ts'
import { decodeId, encodeId } from '../../model/ids.ts'
import { openTar, tarDirectory } from '../../storage/tar-disk.ts'
import type { Checker } from '../checker.ts'
import type { SeededRandom } from '../seeded-random.ts'
import type { SimulatedMachine } from '../simulated-platform.ts'
import { state } from './belief.ts'
import type { Disturbances } from './disturbances.ts'
import { eventsMax } from './liveness.ts'
import type { CheckerClock, Moment } from './moment.ts'
import { scan } from './scan.ts'
import type { LifeSide } from './world.ts'

interface Made {
  readonly moment: Moment
  /** Put on the twin's clock when it is looked at. */
  readonly clock: { of: SimulatedMachine }
  /** There was a whole one already, which is to stay as it was. */
  readonly isTaken: boolean
  status: 'open' | 'made'
}

export interface BackupsOptions {
  readonly machine: SimulatedMachine
  readonly checker: Checker
  readonly random: SeededRandom
  readonly disturbances: Disturbances
  /** Ends the process after so many calls of the disk. */
  readonly crashSoon: (steps: number) => void
}

export class Backups {
  readonly #options: BackupsOptions
  readonly #made: Made[] = []
  /** Where a crash has left one unfinished. */
  readonly #unfinished: string[] = []
  /** Where there is a whole one. */
  readonly #whole: string[] = []
  #number = 0
  /** One was answered in this life, whatever was said, and none is under way. */
  answered = false
  /** Answered, and found to be sound. */
  count = 0

  constructor(options: BackupsOptions) {
    this.#options = options
  }

  /** Asks for one. */
  make(life: LifeSide): void {
    const { machine, checker, random, disturbances } = this.#options
    if (this.#made.some(({ status }) => status === 'open')) return
    const again = random.chance(0.5) ? this.#unfinished.pop() : undefined
    const taken =
      again === undefined && this.#whole.length > 0 && random.chance(0.1) ? random.pick(this.#whole) : undefined
    const path = taken ?? again ?? `/backups/${++this.#number}${random.chance(0.4) ? '.tar' : ''}`
    const clock = { of: machine }
    const asked: CheckerClock = { wallMs: () => clock.of.clock.wallMs(), nowMs: () => clock.of.loop.nowMs }
    const made: Made = {
      moment: checker.backupCalled(path, asked),
      clock,
      isTaken: taken !== undefined,
      status: 'open',
    }
    this.#made.push(made)
    this.answered = false
    const aborter = random.chance(0.1) ? new AbortController() : undefined
    const enough = new Error('enough')
    if (aborter !== undefined) machine.loop.schedule(random.below(60), () => aborter.abort(enough))
    if (random.chance(0.1)) this.#options.crashSoon(random.between(1, 90))
    life.engine.backup(path, { signal: aborter?.signal }).then(
      () => {
        if (life.over) return
        checker.backupAnswered(made.moment, 'made')
        this.answered = true
        made.status = 'made'
        if (taken !== undefined) checker.violate('backup', undefined, `${path} was made over another one`)
      },
      (error: unknown) => {
        if (life.over) return
        const code = error instanceof HourwheelError ? error.code : String(error)
        checker.backupAnswered(made.moment, code)
        this.answered = true
        this.#made.splice(this.#made.indexOf(made), 1)
        const isExcused =
          (error === enough && aborter?.signal.aborted === true) ||
          // What a twin has lost in a power cut may be there still after a kill.
          (code === 'HW_DIRECTORY_UNUSABLE' && (taken ?? again) !== undefined) ||
          (code === 'HW_CLOSED' && life.closing) ||
          (code === 'HW_DISK_FULL' && disturbances.mayBeFull) ||
          (error instanceof HourwheelError && code !== 'HW_INTERNAL' && disturbances.mayFail)
        if (!isExcused)
          checker.violate('backup', undefined, `to ${path} was refused: ${String((error as Error).stack)}`)
      },
    )
  }

  /** A life is over, and nothing runs. */
  async judge(settings: Parameters<typeof openEngineOn>[1]): Promise<void> {
    const { checker } = this.#options
    this.answered = false
    for (const made of this.#made.splice(0)) {
      if (made.isTaken) continue
      await this.#judge(made, settings)
      const { violations } = checker.judgeOf(made.moment)
      for (const { rule, tag, message } of violations) {
        checker.violations.push({ rule: `backup: ${rule}`, tag, message: `${made.moment.path}: ${message}` })
      }
    }
  }

  async #judge({ moment, clock, status }: Made, settings: Parameters<typeof openEngineOn>[1]): Promise<void> {
    const { machine, random } = this.#options
    const { path } = moment
    const checker = this.#options.checker.judgeOf(moment)
    const twin = machine.fork(status === 'made' ? 'loseAll' : 'random')
    clock.of = twin
    twin.disk.capacityBytes = Infinity
    const { loop, platform } = twin
    const isTar = path.endsWith('.tar')
    const ask = <T>(work: () => Promise<T>): Promise<T> => loop.run(work, { eventsMax })
    if ((await ask(() => platform.disk.stat(isTar ? path : `${path}/MANIFEST`))) === undefined) {
      if (status === 'made') checker.violate('lost', undefined, 'it was made, and is not there')
      else this.#unfinished.push(path)
      return
    }
    this.#whole.push(path)
    try {
      const source: RestoreSource = isTar
        ? {
            disk: await ask(() => openTar(platform.disk, path)),
            directory: tarDirectory,
            name: path,
            needsNoLock: true,
          }
        : { disk: platform.disk, directory: path, name: path }
      let engine: Engine
      let incarnation: number | undefined
      if (isTar || random.chance(0.5)) {
        const nowMs = platform.clock.wallMs()
        const overdue = this.#drawChoice(checker, nowMs)
        const report = await ask(() => restoreBackup(platform, source, '/restored', { overdue }))
        incarnation = report.incarnationBefore
        engine = await ask(() => openEngineOn(platform, { ...settings, dir: '/restored' }))
        if (overdue.what !== 'fire') await ask(() => this.#noneLeft(engine, checker, nowMs))
      } else {
        const { problems } = await ask(() => verifyDirectory(platform, path))
        for (const { file, what } of problems) checker.violate('verify', undefined, `${file}: ${what}`)
        engine = await ask(() => openEngineOn(platform, { ...settings, dir: path }))
      }
      const idOf = (id: string): string => {
        if (incarnation === undefined) return id
        const { homeHour, ordinal } = decodeId(id)!
        return encodeId(incarnation, homeHour, ordinal)
      }
      await ask(() => scan(engine, checker, idOf))
      await ask(() => engine.close({ drain: 0 }))
    } catch (error) {
      checker.violate('opens', undefined, String((error as Error).stack ?? error))
    }
    if (checker.violations.length === 0) this.count++
  }

  /** What restore is to do about tasks that are due, which may end by that. */
  #drawChoice(checker: Checker, nowMs: number): OverdueChoice {
    const { random } = this.#options
    const what = random.pick(['fire', 'fire', 'skip-before', 'set-aside'] as const)
    if (what === 'fire') return { what }
    const ended = what === 'skip-before' ? state.cancelled : state.dead
    for (const task of checker.tasks.values()) {
      task.may((belief) => {
        const mayBeDue = belief.candidates.some(({ fromAt }) => fromAt <= nowMs)
        if (belief.allows(state.live) && mayBeDue) belief.states |= ended
      })
    }
    return what === 'skip-before' ? { what, at: nowMs } : { what }
  }

  async #noneLeft(engine: Engine, checker: Checker, nowMs: number): Promise<void> {
    for await (const task of engine.list({ state: 'pending', to: nowMs })) {
      if (task.fireAt >= nowMs) continue
      checker.violate(
        'overdue',
        checker.tasks.get(task.id),
        `${task.id} at ${task.fireAt} was to be settled by restore`,
      )
    }
  }
}

/** What the world does to the engine in a run: crashes at chosen I/O steps, faults of the disk, steps of the clock. */

import { hourMs } from '../../model/units.ts'
import type { Checker } from '../checker.ts'
import type { SeededRandom } from '../seeded-random.ts'
import type { SimulatedMachine } from '../simulated-platform.ts'

const dayMs = 24 * hourMs
const tenYearsMs = 3650 * dayMs

export class Disturbances {
  readonly #machine: SimulatedMachine
  readonly #checker: Checker
  readonly #random: SeededRandom
  readonly #keysPath: string
  /** The clock is ahead of what the engine may trust, by so much. */
  #aheadMs = 0
  /** Ten years: stays untrusted over a stop. */
  #staysHeld = false
  /** A fault is planned that the engine cannot survive, or need not. */
  #deadly = false
  #syncFault = false
  diskIsFull = false
  /** It was full in this life, or is. */
  mayBeFull = false
  /** Names whose sync failed are lost for the simulated disk until the power goes. */
  needsPowerCut = false
  #steppedMs = -Infinity
  /** The largest wall clock that the engine had no reason to doubt. */
  #believedMax = -Infinity

  constructor(machine: SimulatedMachine, checker: Checker, random: SeededRandom, keysPath: string) {
    this.#keysPath = keysPath
    this.#machine = machine
    this.#checker = checker
    this.#random = random
  }

  // Opening

  beginOpen(disturb: boolean, soundDisk: boolean, crash: () => void): void {
    const random = this.#random
    this.#deadly = false
    this.#syncFault = false
    this.needsPowerCut = false
    if (!disturb) return
    if (random.chance(0.25)) this.crashAfter(random.between(1, 60), crash)
    else if (!soundDisk && random.chance(0.12)) {
      this.#deadly = true
      const code = random.pick(['EIO', 'EMFILE', 'ENOSPC'])
      // It may hit the sync of a directory.
      this.needsPowerCut = true
      this.#machine.disk.faults.add({ code, first: random.between(1, 50), times: random.pick([1, 1, 1_000]) })
      this.#checker.journal.note('', `fault at open: ${code}`)
    }
  }

  /** Whether a refusal to open is excused. */
  endOpen(): boolean {
    const { disk } = this.#machine
    const hit = this.#deadly && disk.faults.hits > 0
    if (!hit) this.#deadly = false
    disk.faults.clear()
    disk.calls.onDone = undefined
    return hit
  }

  opened(): void {
    // A clock that is no further ahead than a stop may last is trusted from now on.
    if (this.#aheadMs > 0 && !this.#staysHeld) {
      this.#trust()
      this.#believedMax = Math.max(this.#believedMax, this.#machine.clock.wallMs())
    }
  }

  crashAfter(steps: number, crash: () => void): void {
    const { calls } = this.#machine.disk
    let left = steps
    calls.onDone = () => {
      left--
      if (left > 0) return
      calls.onDone = undefined
      crash()
    }
  }

  // Running

  beginLife(soundDisk: boolean, crashAfter: number | undefined, crash: () => void): void {
    const random = this.#random
    const { disk } = this.#machine
    if (crashAfter !== undefined) this.crashAfter(crashAfter, crash)
    if (soundDisk || !random.chance(0.35)) return
    const first = random.between(1, 120)
    const kind = random.below(8)
    const { faults } = disk
    let text = ''
    if (kind === 0) {
      this.#deadly = this.#syncFault = true
      faults.add({ on: 'sync', path: /^\/data\/wal-/, first, code: 'EIO' })
      text = 'EIO at a sync of the log'
    } else if (kind === 1) {
      this.#deadly = true
      const on = random.pick(['write', 'sync', 'rename', 'syncDirectory', 'create'] as const)
      this.needsPowerCut = on === 'syncDirectory'
      faults.add({ on, first: random.between(1, 40), code: 'EIO', times: random.pick([1, 1_000]) })
      text = `EIO at ${on}`
    } else if (kind === 2) {
      this.#deadly = true
      faults.add({
        on: ['read', 'open', 'size'],
        first: random.between(1, 40),
        code: 'EIO',
        times: random.pick([1, 1_000]),
      })
      text = 'EIO at a read'
    } else if (kind === 3) {
      this.#deadly = true
      faults.add({ on: ['open', 'create'], first: random.between(1, 10), code: 'EMFILE' })
      text = 'EMFILE'
    } else if (kind === 4) {
      faults.add({ on: ['read', 'write'], first, times: 40, short: random.pick([1, 7, 100]) })
      text = 'short reads and writes'
    } else if (kind === 5) {
      faults.add({
        on: ['sync', 'syncDirectory'],
        first,
        times: random.pick([1, 5]),
        delayMs: random.pick([200, 3_000]),
      })
      text = 'slow syncs'
    } else {
      this.diskIsFull = this.mayBeFull = true
      this.#checker.answersMayWait = true
      const freeBytes = random.pick([0, 4 << 10, 20 << 10])
      disk.capacityBytes = disk.model.bytesUsed + freeBytes
      text = `only ${freeBytes} bytes free`
    }
    this.#checker.journal.note('', `disk: ${text}`)
  }

  endFull(): void {
    this.diskIsFull = false
    this.#machine.disk.capacityBytes = Infinity
    this.#checker.journal.note('', 'disk: room again')
  }

  /**
   * Nothing is wrong with the disk or the clock. After a clock was believed and set back by more than a day, hours to come
   * are retired, and what is scheduled for them may be late when it is more than memory holds.
   */
  get quiet(): boolean {
    const setBackMs = this.#believedMax - this.#machine.clock.wallMs()
    return this.#aheadMs === 0 && !this.#deadly && !this.diskIsFull && setBackMs < 23 * hourMs
  }

  /** The engine may have stopped itself. */
  get mayFail(): boolean {
    return this.#deadly && this.#machine.disk.faults.hits > 0
  }

  /** A sync of the log has failed. */
  get mustFail(): boolean {
    return this.#syncFault && this.#machine.disk.faults.hits > 0
  }

  // The clock

  stepClock(): void {
    const random = this.#random
    // Steps that fall between two looks at the clock are one step to the engine.
    const { nowMs } = this.#machine.loop
    if (nowMs - this.#steppedMs < 1_500) return
    this.#steppedMs = nowMs
    if (this.#aheadMs > 0) {
      if (random.chance(0.5)) this.#repair()
      return
    }
    const kind = random.below(20)
    if (kind < 8) this.#step(random.between(-3_000, 3_000))
    else if (kind < 12) this.#step(-random.between(1, 6) * hourMs + random.below(1_000))
    else if (kind < 17) this.#step(random.between(1, 20) * hourMs - random.below(1_000))
    else if (kind < 19) this.#jumpAhead(3 * dayMs, false)
    else this.#step(-random.between(20, 80) * hourMs)
  }

  betweenLives(): void {
    const random = this.#random
    this.diskIsFull = this.mayBeFull = false
    this.#checker.answersMayWait = false
    if (random.chance(0.06)) {
      this.#machine.keys.remove(this.#keysPath)
      this.#checker.viewLost()
    }
    if (this.#aheadMs > 0) {
      if (random.chance(0.5)) this.#repair()
      return
    }
    const kind = random.below(20)
    if (kind < 6) this.#step(random.below(20_000))
    else if (kind < 11) this.#step(random.below(30 * hourMs))
    else if (kind < 13) this.#step(random.below(40) * dayMs)
    else if (kind < 15) this.#step(-random.below(8 * hourMs))
    else if (kind < 16) this.#jumpAhead(tenYearsMs, true)
  }

  calm(): void {
    const { disk } = this.#machine
    disk.faults.clear()
    disk.calls.onDone = undefined
    disk.capacityBytes = Infinity
    if (this.#aheadMs > 0) this.#repair()
  }

  #step(ms: number): void {
    this.#checker.sampleWall()
    if (this.#aheadMs === 0) this.#believedMax = Math.max(this.#believedMax, this.#machine.clock.wallMs())
    this.#machine.clock.step(ms)
    if (this.#aheadMs === 0) this.#believedMax = Math.max(this.#believedMax, this.#machine.clock.wallMs())
    const wallMs = this.#checker.clockStepped()
    this.#checker.journal.note('', `clock stepped by ${ms} ms to ${wallMs}`)
  }

  #jumpAhead(ms: number, staysHeld: boolean): void {
    this.#aheadMs = ms
    this.#staysHeld = staysHeld
    this.#checker.hold(ms)
    this.#step(ms)
  }

  #repair(): void {
    const ms = this.#aheadMs
    this.#trust()
    this.#step(-ms)
  }

  #trust(): void {
    this.#aheadMs = 0
    this.#staysHeld = false
    this.#checker.release()
  }
}

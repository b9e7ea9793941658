/**
 * The simulated clock of one process: monotonic time is the loop's, the wall clock is an offset to it that can be
 * stepped either way. Timers fire up to `lateMsMax` late, never early. An `instant` clock is for tests that look at
 * times: whole milliseconds, timers fire exactly, turns take no time, and timers may be long.
 *
 * `stop` ends the process's time: its timers never fire, new ones are ignored. `next` is the clock of the process that
 * comes after: the same wall clock, a monotonic clock with another start.
 */

import type { Clock, TimerHandle } from '../platform/ports.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { LoopEvent, SimulationLoop } from './simulation-loop.ts'

const timerMsMax = 1000
/** 2027-01-15T08:00:00Z */
const wallMsDefault = 1_800_000_000_000
/** What a turn of the event loop takes: more than nothing, so that a loop of `soon` sees time pass. */
const turnMs = 0.002

export interface SimulatedClockOptions {
  readonly loop: SimulationLoop
  readonly random: SeededRandom
  /** The wall clock when the loop is at 0; `wallMsDefault` if not given. */
  readonly wallMs?: number | undefined
  /** 1 if not given. */
  readonly lateMsMax?: number | undefined
  readonly instant?: boolean | undefined
}

/** Of an instant clock: an idle month has 120 timers. */
const instantSleepMsMax = 6 * 3_600_000

export class SimulatedClock implements Clock {
  readonly #options: SimulatedClockOptions
  readonly sleepMsMax: number
  readonly #startMs: number
  #wallOffsetMs: number
  #stopped = false

  constructor(options: SimulatedClockOptions) {
    this.#options = options
    this.#wallOffsetMs = options.wallMs ?? wallMsDefault
    this.#startMs = options.random.below(1_000_000)
    this.sleepMsMax = options.instant === true ? instantSleepMsMax : timerMsMax
  }

  wallMs(): number {
    return Math.floor(this.#options.loop.nowMs + this.#wallOffsetMs)
  }

  monotonicMs(): number {
    return this.#options.loop.nowMs + this.#startMs
  }

  setTimer(afterMs: number, run: () => void): TimerHandle {
    const { sleepMsMax } = this
    if (!(afterMs >= 0 && afterMs <= sleepMsMax)) throw new RangeError(`timer of ${afterMs} ms, not 0..${sleepMsMax}`)
    const { loop, random, lateMsMax, instant } = this.#options
    if (this.#stopped) return {}
    if (instant === true) {
      return loop.schedule(Math.ceil(afterMs), () => {
        if (!this.#stopped) run()
      })
    }
    // The least part of a millisecond more, as adding the start to both instants rounds.
    return loop.schedule(afterMs + 0.001 + random.unit() * (lateMsMax ?? 1), () => {
      if (!this.#stopped) run()
    })
  }

  clearTimer(timer: TimerHandle): void {
    if ('atMs' in timer) this.#options.loop.cancel(timer as LoopEvent)
  }

  soon(run: () => void): void {
    if (this.#stopped) return
    this.#options.loop.schedule(this.#options.instant === true ? 0 : turnMs, () => {
      if (!this.#stopped) run()
    })
  }

  /** Moves the wall clock, as an operator, NTP or a suspended machine does. Monotonic time does not notice. */
  step(ms: number): void {
    this.#wallOffsetMs += ms
  }

  stop(): void {
    this.#stopped = true
  }

  next(): SimulatedClock {
    return new SimulatedClock({ ...this.#options, wallMs: this.#wallOffsetMs })
  }
}

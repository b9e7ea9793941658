/**
 * The one loop that looks at the clock. Each tick advances the wheel, hands due rows to their queues, fails attempts whose
 * time is up, lets the promoter and the checkpointer look, and sleeps until the next occupied slot, 1 s at most.
 *
 * Wall clock says when, monotonic clock says how long. A wall clock set back only delays. One that jumps ahead further than
 * allowed holds firing and promotion until it is back within reach: firing early by a bogus clock cannot be undone.
 */

import type { Dispatcher } from '../delivery/dispatcher.ts'
import { limits } from '../model/limits.ts'
import type { Clock, TimerHandle } from '../platform/ports.ts'
import { RowList } from '../wheel/row-list.ts'
import { tier } from '../wheel/task-table.ts'
import type { Events } from './events.ts'
import type { Tiers } from './tiers.ts'

/** Steps of the wall clock that are reported. */
const reportedJumpMs = 250
/** Rows that one tick hands over before others get a turn. */
const rowsPerTick = 10_000
/** A queue with due tasks and no consumer is mentioned this often. */
const noConsumerEveryMs = 10_000

export interface TickerParts {
  readonly clock: Clock
  readonly tiers: Tiers
  readonly dispatcher: Dispatcher
  readonly events: Events
  readonly forwardJumpMaxMs: number
  /** Largest wall clock of earlier runs, and how far beyond it this run may start. */
  readonly earlierClockMs: number
  readonly downtimeMaxMs: number
  readonly ticked: () => void
}

export class Ticker {
  readonly #parts: TickerParts
  readonly #due: RowList
  #timer: TimerHandle | undefined
  #timerAt = Infinity
  #soon = false
  #stopped = true
  #started = false
  #wallMs: number
  #monotonicMs: number
  /** While held: what the wall clock should be, as of `#monotonicMs`. */
  #trustedMs: number | undefined
  #trustedLimitMs = 0
  #clockMsMax: number
  #noConsumerAt = -Infinity
  /** Something was not started because of a jump that had not been noticed. */
  #refused = false
  heldBecause: string | undefined

  constructor(parts: TickerParts) {
    this.#parts = parts
    this.#due = new RowList(parts.tiers.table)
    this.#wallMs = parts.clock.wallMs()
    this.#monotonicMs = parts.clock.monotonicMs()
    this.#clockMsMax = parts.earlierClockMs
    parts.dispatcher.deadlineSet = (wallMs) => this.noticeFireAt(wallMs)
  }

  get held(): boolean {
    return this.#trustedMs !== undefined
  }

  /** The largest wall clock that was believed, to be persisted. */
  get clockMsMax(): number {
    return this.#clockMsMax
  }

  /** The wall clock, or the largest one believed while it is too far ahead, noticed or not yet. For what is persisted. */
  get believedMs(): number {
    const now = this.#parts.clock.wallMs()
    return (this.held || this.#isTooFar(now)) && this.#clockMsMax > 0 ? this.#clockMsMax : now
  }

  /** Whether nothing may start by what the clock says now. A jump that was not noticed yet will be in the next turn. */
  clockIsAhead(): boolean {
    if (!this.#isTooFar(this.#parts.clock.wallMs())) return false
    this.#refused = true
    this.#tickSoon()
    return true
  }

  #isTooFar(now: number): boolean {
    const { earlierClockMs, downtimeMaxMs, forwardJumpMaxMs } = this.#parts
    return this.#started ? now - this.#wallMs > forwardJumpMaxMs : isTooFarAhead(now, earlierClockMs, downtimeMaxMs)
  }

  start(): void {
    this.#stopped = false
    this.#started = true
    const { earlierClockMs, downtimeMaxMs } = this.#parts
    const ahead = this.#wallMs - earlierClockMs
    if (isTooFarAhead(this.#wallMs, earlierClockMs, downtimeMaxMs)) this.#hold(earlierClockMs, downtimeMaxMs, ahead)
    else if (earlierClockMs > 0 && ahead < -reportedJumpMs)
      this.#parts.events.emit('clockJump', { byMs: ahead, held: false })
    this.#tickSoon()
  }

  stop(): void {
    this.#stopped = true
    if (this.#timer !== undefined) this.#parts.clock.clearTimer(this.#timer)
    this.#timer = undefined
  }

  /** A task that is due at this instant came in. */
  noticeFireAt(fireAt: number): void {
    if (fireAt >= this.#timerAt || this.#soon || this.#stopped) return
    const waitMs = fireAt - this.#parts.clock.wallMs()
    if (waitMs <= 0) this.#tickSoon()
    else this.#arm(waitMs)
  }

  /** Something may be due: look in the next turn. */
  poke(): void {
    this.#tickSoon()
  }

  #tickSoon(): void {
    if (this.#soon || this.#stopped) return
    this.#soon = true
    this.#parts.clock.soon(() => {
      this.#soon = false
      if (!this.#stopped) this.#tick()
    })
  }

  #arm(waitMs: number): void {
    const { clock } = this.#parts
    if (this.#timer !== undefined) clock.clearTimer(this.#timer)
    const sleepMs = Math.min(clock.sleepMsMax ?? limits.timerSleepMsMax, Math.max(0, waitMs))
    this.#timerAt = clock.wallMs() + sleepMs
    this.#timer = clock.setTimer(sleepMs, () => {
      this.#timer = undefined
      this.#tick()
    })
  }

  #tick(): void {
    const { clock, tiers, dispatcher, ticked } = this.#parts
    const now = clock.wallMs()
    this.#watchClock(now)
    dispatcher.expireDeadlines()
    let more = false
    if (!this.held) {
      if (this.#refused) dispatcher.pumpAll()
      this.#refused = false
      tiers.wheel.advance(now, this.#due, rowsPerTick)
      this.#handOver(now)
      const nextMs = tiers.wheel.nextExpiryMs()
      more = nextMs !== undefined && nextMs <= now
    }
    ticked()
    if (this.#stopped) return
    if (more) {
      this.#timerAt = -Infinity
      this.#tickSoon()
      return
    }
    const next = this.held ? undefined : tiers.wheel.nextExpiryMs()
    const deadline = dispatcher.deadlines.nextMs()
    const untilFire = next === undefined ? Infinity : next - now
    const untilDeadline = deadline === undefined ? Infinity : deadline - clock.monotonicMs()
    this.#arm(Math.min(untilFire, untilDeadline))
  }

  #handOver(now: number): void {
    const { tiers, dispatcher } = this.#parts
    const { table, queues } = tiers
    const due = this.#due
    if (due.count > 0) {
      const touched = new Set<number>()
      for (let row = due.shift(); row >= 0; row = due.shift()) {
        table.tier[row] = tier.due
        const number = table.queue[row]!
        queues[number]!.due.push(row)
        touched.add(number)
      }
      for (const number of touched) dispatcher.pump(number)
    }
    if (now - this.#noConsumerAt >= noConsumerEveryMs || now < this.#noConsumerAt) {
      this.#noConsumerAt = now
      for (const queue of queues) {
        if (queue === undefined || queue.due.count === 0 || dispatcher.hasConsumer(queue.number)) continue
        this.#parts.events.emit('noConsumer', { queue: queue.name, due: queue.due.count })
      }
    }
  }

  #watchClock(now: number): void {
    const { clock, events, forwardJumpMaxMs } = this.#parts
    const monotonicMs = clock.monotonicMs()
    const passedMs = monotonicMs - this.#monotonicMs
    const byMs = now - this.#wallMs - passedMs
    if (this.#trustedMs !== undefined) {
      this.#trustedMs += passedMs
      if (now - this.#trustedMs <= this.#trustedLimitMs) {
        // The wheel may have been made by the clock that was not to be trusted.
        this.#parts.tiers.restartWheel(now)
        this.#release()
      }
    } else if (byMs < -reportedJumpMs) {
      // What was handed over stays; what waits must not wait for the instant that the clock had reached.
      this.#parts.tiers.restartWheel(now)
      events.emit('clockJump', { byMs: Math.round(byMs), held: false })
    } else if (byMs > forwardJumpMaxMs) this.#hold(this.#wallMs + passedMs, forwardJumpMaxMs, byMs)
    else if (byMs > reportedJumpMs) events.emit('clockJump', { byMs: Math.round(byMs), held: false })
    this.#wallMs = now
    this.#monotonicMs = monotonicMs
    if (!this.held && now > this.#clockMsMax) this.#clockMsMax = now
  }

  #hold(trustedMs: number, limitMs: number, byMs: number): void {
    this.#trustedMs = trustedMs
    this.#trustedLimitMs = limitMs
    this.heldBecause = `the wall clock is ${Math.round(byMs / 1_000)} s ahead of where it was trusted to be; at most ${limitMs / 1_000} s are followed`
    this.#parts.dispatcher.setHeld(true)
    this.#parts.events.emit('clockJump', { byMs: Math.round(byMs), held: true })
  }

  #release(): void {
    this.#trustedMs = undefined
    this.heldBecause = undefined
    this.#parts.dispatcher.setHeld(false)
  }
}

/** Whether a wall clock at start is further ahead of the largest one of earlier runs than a stop may last. */
export function isTooFarAhead(nowMs: number, earlierClockMs: number, downtimeMaxMs: number): boolean {
  return earlierClockMs > 0 && nowMs - earlierClockMs > downtimeMaxMs
}

/**
 * Hands due tasks to pullers: callers in this process or, behind a daemon, in others, that ask for tasks, run them, and answer
 * by token.
 *
 *   lease -> waits for due tasks -> leases (records) -> synced -> the caller has tasks and tokens -> ack, nack, extend, or expiry
 *
 * What is leased for one call is handed out together, however the log cuts its records into frames.
 *
 * Invariants
 * - A lease is handed out only once its record is on disk, and not when its queue was paused meanwhile.
 * - A token names one lease: the task's id and the lease's fence. An older token is stale, whatever it asks for.
 * - Who waits longest is served first; whose tasks were all cancelled meanwhile waits on. A caller that went away (signal) gets nothing: its tasks go back untouched.
 * - A lease that expires uses up an attempt, as a time-out does.
 */

import { limits } from '../model/limits.ts'
import type { Clock, TimerHandle } from '../platform/ports.ts'
import type { Attempt } from './attempt.ts'
import type { DeliveryQueue } from './attempt-records.ts'
import { newConsumer, type Consumer } from './consumer.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Executor } from './executor.ts'

/** What a caller asks for. */
export interface LeaseWish {
  readonly max: number
  readonly leaseMs: number
  /** How long it waits for the first task. */
  readonly waitMs: number
  readonly signal: AbortSignal | undefined
}

interface Waiting {
  readonly wish: LeaseWish
  /** Monotonic; nobody waits longer. */
  readonly untilMs: number
  readonly resolve: (attempts: Attempt[]) => void
  timer: TimerHandle | undefined
  readonly aborted: () => void
}

export interface LeaseDeskParts {
  readonly clock: Clock
  readonly dispatcher: Dispatcher
  readonly whenSynced: (lsn: number) => Promise<void>
}

export class LeaseDesk {
  readonly #parts: LeaseDeskParts
  readonly #waiting: Map<number, Waiting[]> = new Map()
  readonly #consumers: Map<number, Consumer> = new Map()
  #closed = false

  constructor(parts: LeaseDeskParts) {
    this.#parts = parts
    parts.dispatcher.serveWaiting = (queueNumber) => this.#serve(queueNumber)
  }

  /** Due tasks; empty when none came in time, or the signal aborted. */
  lease(queue: DeliveryQueue, wish: LeaseWish): Promise<Attempt[]> {
    const { waitMs, signal } = wish
    if (this.#closed || signal?.aborted === true) return Promise.resolve([])
    return new Promise((resolve) => {
      const waiting: Waiting = {
        wish,
        untilMs: this.#parts.clock.monotonicMs() + waitMs,
        resolve,
        timer: undefined,
        aborted: () => this.#giveUp(queue.number, waiting),
      }
      signal?.addEventListener('abort', waiting.aborted, { once: true })
      const line = this.#waiting.get(queue.number)
      if (line === undefined) this.#waiting.set(queue.number, [waiting])
      else line.push(waiting)
      this.#parts.dispatcher.watch(queue.number)
      this.#consumerOf(queue)
      this.#waitOn(queue.number, waiting)
      this.#serve(queue.number)
    })
  }

  /** Never sleeps for long at once, as nothing here does. */
  #waitOn(queueNumber: number, waiting: Waiting): void {
    const { clock } = this.#parts
    const leftMs = waiting.untilMs - clock.monotonicMs()
    if (leftMs <= 0) {
      // In the next turn: what is due now is still served.
      clock.soon(() => this.#giveUp(queueNumber, waiting))
      return
    }
    waiting.timer = clock.setTimer(Math.min(leftMs, limits.timerSleepMsMax), () => this.#waitOn(queueNumber, waiting))
  }

  /** Nothing came in time, or the caller went away. */
  #giveUp(queueNumber: number, waiting: Waiting): void {
    if (this.#leaveLine(queueNumber, waiting)) waiting.resolve([])
  }

  #leaveLine(queueNumber: number, waiting: Waiting): boolean {
    const line = this.#waiting.get(queueNumber)
    const at = line?.indexOf(waiting) ?? -1
    if (line === undefined || at < 0) return false
    line.splice(at, 1)
    if (waiting.timer !== undefined) this.#parts.clock.clearTimer(waiting.timer)
    return true
  }

  #serve(queueNumber: number): void {
    const line = this.#waiting.get(queueNumber)
    const consumer = this.#consumers.get(queueNumber)
    if (line === undefined || consumer === undefined) return
    while (line.length > 0 && consumer.queue.due.count > 0) {
      const waiting = line[0]!
      const taken = this.#parts.dispatcher.take(consumer, waiting.wish.max)
      if (taken === 0) return
      this.#leaveLine(queueNumber, waiting)
      const attempts = this.#parts.dispatcher.lastTaken(taken)
      for (const attempt of attempts) attempt.timeoutMs = waiting.wish.leaseMs
      void this.#handOut(queueNumber, waiting, attempts)
    }
  }

  #consumerOf(queue: DeliveryQueue): Consumer {
    let consumer = this.#consumers.get(queue.number)
    if (consumer === undefined) {
      const executor: Executor = {
        // They are handed out once they are synced, not when they are written.
        start: () => undefined,
        abort: () => undefined,
        close: () => Promise.resolve(),
      }
      consumer = newConsumer(queue, executor, () => Infinity, { isPulled: true })
      this.#consumers.set(queue.number, consumer)
    }
    return consumer
  }

  /** Hands out the leases of one call, those that still stand, once they are synced. */
  async #handOut(queueNumber: number, waiting: Waiting, attempts: readonly Attempt[]): Promise<void> {
    try {
      await this.#parts.whenSynced(attempts.at(-1)!.lsn)
    } catch {
      // The engine failed: every call that waits is told by it.
      waiting.resolve([])
      return
    }
    const { clock, dispatcher } = this.#parts
    const { signal } = waiting.wish
    const isGone = this.#closed || signal?.aborted === true
    const mayNotStart = isGone || dispatcher.isHeld || attempts[0]!.queue.ledger.paused
    const now = clock.wallMs()
    const handed: Attempt[] = []
    for (const attempt of attempts) {
      if (mayNotStart || attempt.settled || attempt.lease.stopped || now < attempt.fireAt) dispatcher.untouched(attempt)
      else {
        dispatcher.started(attempt, now)
        handed.push(attempt)
      }
    }
    if (handed.length > 0 || isGone || waiting.untilMs <= clock.monotonicMs()) {
      signal?.removeEventListener('abort', waiting.aborted)
      waiting.resolve(handed)
      return
    }
    this.#waiting.get(queueNumber)!.unshift(waiting)
    this.#waitOn(queueNumber, waiting)
    this.#serve(queueNumber)
  }

  /** Everyone who waits is sent away with nothing. */
  close(): void {
    this.#closed = true
    for (const [queueNumber, line] of this.#waiting) {
      for (const waiting of line.slice()) this.#giveUp(queueNumber, waiting)
    }
  }
}

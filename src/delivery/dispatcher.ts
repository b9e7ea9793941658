/**
 * Gives due tasks to the consumers of their queues and settles their attempts.
 *
 *   due -> lease (record) -> written -> executor starts the handler -> answer -> end, retry or dead letter (record)
 *
 * Invariants
 * - A handler starts only once its lease has been written to the log file, so that kill -9 cannot hide a started attempt, and
 *   not when its queue was paused meanwhile.
 * - Only an answer (success, failure, time-out) uses up an attempt. A task whose lease was lost with the process
 *   `lossesAloneMin` times runs with nothing beside it (lonely-line.ts); after `lossesMax` it becomes a dead letter, 'lost'.
 * - An attempt is settled once. When the log has no room for its record, the answer waits; it is never dropped.
 */

import { packId } from '../model/ids.ts'
import type { Ledger } from '../model/ledger.ts'
import { limits } from '../model/limits.ts'
import { readBody } from '../model/records.ts'
import type { Clock } from '../platform/ports.ts'
import { tier, type TaskTable } from '../wheel/task-table.ts'
import type { AttemptRecords } from './attempt-records.ts'
import { Attempt } from './attempt.ts'
import type { Consumer } from './consumer.ts'
import { Deadlines } from './deadlines.ts'
import type { Answers } from './executor.ts'
import { LatenessHistogram } from './lateness.ts'
import { LonelyLine } from './lonely-line.ts'
import type { DeliveryEvents, Settlement } from './settlement.ts'

/** How often a closing engine looks whether its attempts have ended. */
const drainLookMs = 20
/** So many attempts that have started are dropped at once from the line of those that wait. */
const startedKeptMax = 1_024

export interface DispatcherParts {
  readonly clock: Clock
  readonly table: TaskTable
  readonly ledger: Ledger
  readonly records: AttemptRecords
  readonly settlement: Settlement
  readonly events: DeliveryEvents
  /** LSN of the newest record appended. */
  appendedLsn(): number
  /** Whether the wall clock has jumped further ahead than is followed, which may not have been noticed yet. */
  clockIsAhead(): boolean
  /** Tasks were settled: there may be room for more of their queues. */
  settled(): void
}

/** What is recorded of an attempt that is over. */
type Answer = 'success' | 'failure' | 'untouched'

export class Dispatcher implements Answers {
  readonly lateness: LatenessHistogram = new LatenessHistogram()
  readonly deadlines: Deadlines = new Deadlines()
  /** Serves those who wait for tasks of a queue (lease-desk.ts); called whenever there may be some. */
  serveWaiting: (queueNumber: number) => void = () => undefined
  /** An attempt's time is up at this wall clock; the ticker wants to know. */
  deadlineSet: (wallMs: number) => void = () => undefined
  readonly #parts: DispatcherParts
  readonly #consumers: Map<number, Consumer> = new Map()
  /** Queues that ever had a consumer. */
  readonly #pumped: Set<number> = new Set()
  /** Every attempt from its lease to its answer, by row. */
  readonly #attempts: Map<number, Attempt> = new Map()
  /** Leased, waiting for their lease to be written; in LSN order. */
  #starting: Attempt[] = []
  #startingFrom = 0
  /** Answers that found no room in the log. */
  readonly #unrecorded: (() => boolean)[] = []
  readonly #lonely: LonelyLine
  #fence = 0
  #pumpSoon = false
  #held = false
  #closing = false

  constructor(parts: DispatcherParts) {
    this.#parts = parts
    this.#lonely = new LonelyLine(parts.table, (...lonely) => this.#begin(...lonely))
  }

  runningIn(queueNumber: number): number {
    return this.#consumers.get(queueNumber)?.running ?? 0
  }

  hasConsumer(queueNumber: number): boolean {
    const consumer = this.#consumers.get(queueNumber)
    return consumer !== undefined && !consumer.stopped
  }

  addConsumer(consumer: Consumer): void {
    this.#consumers.set(consumer.queue.number, consumer)
    this.watch(consumer.queue.number)
    this.pump(consumer.queue.number)
  }

  /** No new attempts of this consumer; resolves when its running ones are settled. */
  async removeConsumer(consumer: Consumer): Promise<void> {
    consumer.stopped = true
    consumer.executor.giveBack?.()
    if (consumer.active > 0) await new Promise<void>((resolve) => consumer.idle.push(resolve))
    if (this.#consumers.get(consumer.queue.number) === consumer) this.#consumers.delete(consumer.queue.number)
    await consumer.executor.close()
  }

  /** Nothing may start by this clock: it is held, or would be if it had been looked at. */
  get isHeld(): boolean {
    return this.#held || this.#parts.clockIsAhead()
  }

  /** While held (the clock cannot be trusted) nothing new starts. */
  setHeld(held: boolean): void {
    this.#held = held
    if (!held) this.pumpAll()
    else for (const { executor } of this.#consumers.values()) executor.giveBack?.()
  }

  pumpAll(): void {
    for (const number of this.#pumped) this.pump(number)
  }

  /** From now on this queue is looked at whenever there may be room. */
  watch(queueNumber: number): void {
    this.#pumped.add(queueNumber)
  }

  /** Room in the log again: first the answers that wait, then new attempts. */
  logHasRoom(): void {
    while (this.#unrecorded.length > 0) {
      if (!this.#unrecorded[0]!()) return
      this.#unrecorded.shift()
    }
    this.pumpAll()
  }

  /** Gives the due tasks of a queue to those who wait for them, then to its handler. */
  pump(queueNumber: number): void {
    this.serveWaiting(queueNumber)
    const consumer = this.#consumers.get(queueNumber)
    if (consumer === undefined) return
    if (consumer.queue.ledger.paused) consumer.executor.giveBack?.()
    else this.take(consumer, consumer.leaseMax() - consumer.active)
  }

  /** Leases up to `count` due tasks of a consumer's queue; their attempts start once that is written. Answers how many. */
  take(consumer: Consumer, count: number): number {
    const { queue } = consumer
    if (consumer.stopped || this.#closing || this.isHeld) return 0
    if (queue.ledger.paused || this.#unrecorded.length > 0) return 0
    this.#lonely.start()
    if (this.#lonely.isOccupied && !consumer.isPulled) return 0
    const { records, table, ledger } = this.#parts
    const now = this.#parts.clock.wallMs()
    const { due } = queue
    const before = consumer.active
    while (consumer.active - before < count && due.count > 0) {
      const row = due.shift()
      table.tier[row] = tier.held
      if (table.fireAt[row]! > now) {
        records.rearm(row)
        continue
      }
      const homeHour = table.homeHour[row]!
      const ordinal = table.ordinal[row]!
      const losses = ledger.losses.size === 0 ? 0 : (ledger.losses.get(packId(homeHour, ordinal)) ?? 0)
      if (losses >= limits.lossesAloneMin && !consumer.isPulled) {
        this.#lonely.add(consumer, row, losses)
        if (this.#lonely.isOccupied) break
        continue
      }
      if (!this.#begin(consumer, row, losses)) {
        table.tier[row] = tier.due
        due.pushFront(row)
        break
      }
    }
    return consumer.active - before
  }

  /** Ends, buries or leases a held due row; false when the log has no room and nothing was changed. */
  #begin(consumer: Consumer, row: number, losses: number): boolean {
    const { records, table, settlement, clock } = this.#parts
    const { queue } = consumer
    const homeHour = table.homeHour[row]!
    const ordinal = table.ordinal[row]!
    const source = records.taskBytes(row)
    const body = readBody(source.bytes, source.at)
    let timeoutMs = consumer.timeoutMs ?? queue.settings.timeoutMs
    if (body.hasExtras) {
      const extras = body.extras()
      if (extras.expiresAt !== undefined && extras.expiresAt <= clock.wallMs()) {
        return settlement.expire({ queue, homeHour, ordinal }, row)
      }
      timeoutMs = extras.timeoutMs ?? timeoutMs
    }
    if (losses >= limits.lossesMax && !consumer.isPulled)
      return settlement.bury({ queue, homeHour, ordinal }, row, losses)
    const lease = records.lease(row, this.#fence + 1, losses)
    if (lease === undefined) return false
    this.#fence++
    const lsn = this.#parts.appendedLsn()
    const fireAt = table.fireAt[row]!
    const attempt = new Attempt(consumer, row, homeHour, ordinal, lease, lsn, fireAt, body.attempt + 1, timeoutMs)
    this.#attempts.set(row, attempt)
    this.#starting.push(attempt)
    this.#lonely.began(attempt)
    consumer.active++
    return true
  }

  /** The log has written records up to `lsn`: attempts whose lease is among them start. */
  leasesWritten(lsn: number): void {
    const starting = this.#starting
    let from = this.#startingFrom
    let batch: Attempt[] = []
    const mayNotStart = this.#closing || (from < starting.length && this.isHeld)
    for (; from < starting.length && starting[from]!.lsn <= lsn; from++) {
      const attempt = starting[from]!
      if (attempt.settled) continue
      if (mayNotStart || attempt.lease.stopped || attempt.queue.ledger.paused) this.untouched(attempt)
      else {
        if (batch.length > 0 && batch[0]!.consumer !== attempt.consumer) {
          batch[0]!.consumer.executor.start(batch)
          batch = []
        }
        batch.push(attempt)
      }
    }
    if (from === starting.length) {
      this.#starting = []
      from = 0
    } else if (from >= startedKeptMax) {
      // There may always be some that wait: what has started must not be kept until there are none.
      starting.splice(0, from)
      from = 0
    }
    this.#startingFrom = from
    if (batch.length > 0) batch[0]!.consumer.executor.start(batch)
  }

  started(attempt: Attempt, startedAtMs: number): void {
    attempt.startedAtMs = startedAtMs
    attempt.consumer.running++
    const lateMs = startedAtMs - attempt.fireAt
    this.lateness.add(lateMs)
    this.#addDeadline(attempt)
    this.#parts.events.fired(attempt, lateMs)
  }

  #addDeadline(attempt: Attempt): void {
    const { clock } = this.#parts
    this.deadlines.add(attempt, clock.monotonicMs())
    if (attempt.timeoutMs < limits.timerSleepMsMax) this.deadlineSet(clock.wallMs() + attempt.timeoutMs)
  }

  succeeded(attempt: Attempt): void {
    if (attempt.settled) return
    if (attempt.verdict === undefined) this.#settle(attempt, 'success', undefined)
    else this.failed(attempt, new Error('the handler gave its own verdict'))
  }

  failed(attempt: Attempt, error: unknown): void {
    if (attempt.settled) return
    this.#settle(attempt, 'failure', error)
  }

  untouched(attempt: Attempt): void {
    if (attempt.settled) return
    this.#settle(attempt, 'untouched', undefined)
  }

  #settle(attempt: Attempt, answer: Answer, error: unknown): void {
    attempt.settled = true
    this.deadlines.remove(attempt)
    if (this.#unrecorded.length === 0 && this.#record(attempt, answer, error)) return
    this.#unrecorded.push(() => this.#record(attempt, answer, error))
  }

  /** False when the log has no room: nothing was changed then. */
  #record(attempt: Attempt, answer: Answer, error: unknown): boolean {
    const { settlement } = this.#parts
    if (answer === 'success') {
      if (!settlement.success(attempt)) return false
    } else if (answer === 'failure') {
      if (!settlement.failure(attempt, error)) return false
    } else if (!settlement.untouched(attempt)) return false
    const { consumer } = attempt
    this.#attempts.delete(attempt.row)
    consumer.active--
    if (attempt.startedAtMs > 0) consumer.running--
    this.#lonely.ended(attempt)
    for (const watcher of attempt.watchers ?? []) watcher.recorded(this.#parts.appendedLsn())
    if (consumer.active === 0) for (const resolve of consumer.idle.splice(0)) resolve()
    this.#pumpLater()
    return true
  }

  /** Many answers come in one turn: one look at the due lists serves them all. */
  #pumpLater(): void {
    if (this.#pumpSoon || this.#closing) return
    this.#pumpSoon = true
    this.#parts.clock.soon(() => {
      this.#pumpSoon = false
      this.pumpAll()
      this.#parts.settled()
    })
  }

  /** The attempts that `take` began last. */
  lastTaken(count: number): readonly Attempt[] {
    return this.#starting.slice(this.#starting.length - count)
  }

  /** The attempt of a leased row: under way, or settled and not recorded yet. */
  attemptOf(row: number): Attempt | undefined {
    return this.#attempts.get(row)
  }

  /** Gives an attempt under way more time, from now on. */
  extend(attempt: Attempt, timeoutMs: number): void {
    this.deadlines.remove(attempt)
    attempt.timeoutMs = timeoutMs
    this.#addDeadline(attempt)
  }

  /** A cancel came for a leased task: its handler is told. Answers the number of the attempt. */
  abortLeased(row: number, reason: Error): number {
    const attempt = this.#attempts.get(row)!
    attempt.consumer.executor.abort(attempt, reason, false)
    return attempt.number
  }

  /** Fails the attempts whose time is up. */
  expireDeadlines(): void {
    const now = this.#parts.clock.monotonicMs()
    for (;;) {
      const expired = this.deadlines.takeExpired(now)
      if (expired === undefined) return
      const attempt = expired as Attempt
      const error = new Error(`the attempt took longer than its time-out of ${attempt.timeoutMs} ms`)
      attempt.consumer.executor.abort(attempt, error, true)
      this.failed(attempt, error)
    }
  }

  /** The log failed: nothing can be recorded any more, so nothing starts, and what runs is told. */
  abandon(): void {
    this.#closing = true
    const error = new Error('the engine failed')
    for (const attempt of this.#attempts.values()) {
      attempt.settled = true
      attempt.consumer.executor.abort(attempt, error, true)
    }
    for (const { executor } of this.#consumers.values()) void executor.close()
  }

  /** Nothing is recorded any more; who waits for a record is told. */
  rejectUnrecorded(error: Error): void {
    for (const { watchers = [] } of this.#attempts.values()) for (const watcher of watchers) watcher.lost(error)
  }

  /**
   * Stops: nothing new starts; running attempts get `drainMs` to end, then are aborted and their leases given back.
   */
  async drain(drainMs: number): Promise<void> {
    this.#closing = true
    const { clock } = this.#parts
    this.#lonely.clear()
    for (const { executor } of this.#consumers.values()) executor.giveBack?.()
    const until = clock.monotonicMs() + drainMs
    while (this.#attempts.size > 0 && clock.monotonicMs() < until) {
      await new Promise<void>((resolve) => clock.setTimer(drainLookMs, resolve))
    }
    const error = new Error('the engine is closing')
    for (const attempt of this.#attempts.values()) {
      if (attempt.settled) continue
      attempt.consumer.executor.abort(attempt, error, true)
      this.untouched(attempt)
    }
    for (const consumer of this.#consumers.values()) await consumer.executor.close()
  }
}

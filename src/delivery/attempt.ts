/**
 * One attempt of one task: from its lease to its answer.
 *
 *   starting --lease written--> running --answer, time-out, stop--> settled
 *
 * Settled once; whatever its handler says later is stale and ignored.
 */

import type { Lease } from '../model/ledger.ts'
import type { DeliveryQueue, EncodedTask } from './attempt-records.ts'
import type { Deadlined } from './deadlines.ts'
import type { ContextState, Verdict } from './handler-context.ts'

/** Who takes the due tasks of a queue: see consumer.ts. */
export interface Consumer {
  readonly queue: DeliveryQueue
  readonly executor: Executor
  /** How many may be leased at once: as many as may run, or more where some wait in line to be started. */
  readonly leaseMax: () => number
  /** Of one attempt; the queue's own when not given. */
  readonly timeoutMs: number | undefined
  /**
   * Its attempts run in other processes: losing this process says nothing about them, so tasks that were lost are neither
   * kept alone nor given up.
   */
  readonly isPulled: boolean
  /** Leased. */
  active: number
  /** Started; the rest of the active ones wait for their lease to be written, or in line. */
  running: number
  stopped: boolean
  /** Those who wait for `active` to become 0. */
  readonly idle: (() => void)[]
}

/** Who runs them: see executor.ts. Here, because attempt, consumer and executor know each other. */
export interface Executor {
  /** These attempts of one queue may start now. */
  start(attempts: readonly Attempt[]): void
  /**
   * The attempt should stop, if it can. `isOver`: it is settled without its answer (time-out, close), so nobody waits for
   * that; otherwise (cancel) its answer still counts.
   */
  abort(attempt: Attempt, reason: Error, isOver: boolean): void
  /** Answers `untouched` for all that it was given and has not started; absent where everything starts at once. */
  giveBack?(): void
  /** Frees what it holds; attempts not answered by now never will be. */
  close(): Promise<void>
}

export interface AnswerWatcher {
  /** The record of the answer is appended. */
  recorded(lsn: number): void
  /** It never will be. */
  lost(error: Error): void
}

export class Attempt implements Deadlined, ContextState<EncodedTask> {
  readonly consumer: Consumer
  readonly row: number
  readonly homeHour: number
  readonly ordinal: number
  readonly lease: Lease
  /** LSN of its lease record: the handler starts once that is written. */
  readonly lsn: number
  readonly fireAt: number
  readonly number: number
  timeoutMs: number
  deadlineMs = 0
  previous: Deadlined | undefined = undefined
  next: Deadlined | undefined = undefined
  listed = false
  startedAtMs = 0
  settled = false
  /** Those who wait for the record of its answer. */
  watchers: AnswerWatcher[] | undefined
  verdict: Verdict | undefined
  successor: EncodedTask | undefined
  controller: AbortController | undefined
  abortReason: Error | undefined

  constructor(
    consumer: Consumer,
    row: number,
    homeHour: number,
    ordinal: number,
    lease: Lease,
    lsn: number,
    fireAt: number,
    number: number,
    timeoutMs: number,
  ) {
    this.consumer = consumer
    this.row = row
    this.homeHour = homeHour
    this.ordinal = ordinal
    this.lease = lease
    this.lsn = lsn
    this.fireAt = fireAt
    this.number = number
    this.timeoutMs = timeoutMs
  }

  get queue(): DeliveryQueue {
    return this.consumer.queue
  }

  abort(reason: Error): void {
    this.abortReason = reason
    this.controller?.abort(reason)
  }
}

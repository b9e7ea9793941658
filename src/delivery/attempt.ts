/**
 * One attempt of one task: from its lease to its answer.
 *
 *   starting --lease written--> running --answer, time-out, stop--> settled
 *
 * Settled once; whatever its handler says later is stale and ignored.
 */

import type { AttemptContext, TaskInput } from '../model/hourwheel.ts'
import { parseDuration, type Duration } from '../model/durations.ts'
import { refuse } from '../model/errors.ts'
import type { Lease } from '../model/ledger.ts'
import type { DeliveryQueue, EncodedTask } from './attempt-records.ts'
import type { Consumer } from './consumer.ts'
import type { Deadlined } from './deadlines.ts'

export type Verdict =
  { readonly kind: 'retry'; readonly delayMs: number | undefined } | { readonly kind: 'dead'; readonly reason: string }

export class Attempt implements Deadlined {
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
  /** Called with the LSN once the record of its answer is appended. */
  recorded: ((lsn: number) => void) | undefined
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

/** What a handler in this thread is given beside its task. The signal is made only when asked for. */
export class InlineContext implements AttemptContext {
  readonly #attempt: Attempt
  readonly #encodeNext: (task: TaskInput) => EncodedTask
  readonly #fenceBase: number

  constructor(attempt: Attempt, fenceBase: number, encodeNext: (task: TaskInput) => EncodedTask) {
    this.#attempt = attempt
    this.#fenceBase = fenceBase
    this.#encodeNext = encodeNext
  }

  get signal(): AbortSignal {
    const attempt = this.#attempt
    if (attempt.controller === undefined) {
      attempt.controller = new AbortController()
      if (attempt.abortReason !== undefined) attempt.controller.abort(attempt.abortReason)
    }
    return attempt.controller.signal
  }

  get attempt(): number {
    return this.#attempt.number
  }

  get fence(): number {
    return this.#fenceBase + this.#attempt.lease.fence
  }

  get scheduledFor(): number {
    return this.#attempt.fireAt
  }

  get lateMs(): number {
    return this.#attempt.startedAtMs - this.#attempt.fireAt
  }

  retry(options?: { delay?: Duration | undefined }): Error {
    const delay = options?.delay
    const delayMs = delay === undefined ? undefined : parseDuration(delay, 'delay')
    this.#attempt.verdict = { kind: 'retry', delayMs }
    return new Error('the handler asked for a retry')
  }

  deadLetter(reason: string): Error {
    if (typeof reason !== 'string') throw refuse('HW_HANDLER_INVALID', 'deadLetter takes a reason: a string')
    this.#attempt.verdict = { kind: 'dead', reason }
    return new Error(reason)
  }

  scheduleNext(task: TaskInput): void {
    if (this.#attempt.successor !== undefined) {
      throw refuse('HW_HANDLER_INVALID', 'scheduleNext was called twice: an attempt may schedule one successor')
    }
    this.#attempt.successor = this.#encodeNext(task)
  }
}

/**
 * One attempt of one task: from its lease to its answer.
 *
 *   starting --lease written--> running --answer, time-out, stop--> settled
 *
 * Settled once; whatever its handler says later is stale and ignored.
 */

import type { Lease } from '../model/ledger.ts'
import type { DeliveryQueue, EncodedTask } from './attempt-records.ts'
import type { Consumer } from './consumer.ts'
import type { Deadlined } from './deadlines.ts'
import type { ContextState, Verdict } from './handler-context.ts'

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

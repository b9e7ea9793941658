/**
 * What delivery needs of the engine's store: due lists to take from, records to write. The engine's queue runtimes and its
 * recorder have these shapes. Every record method answers 0 (or undefined) when the log has no room: nothing has changed.
 */

import type { EndHow, FromState, Lease, QueueLedger } from '../model/ledger.ts'
import type { DeadReasonName, PutCause } from '../model/records.ts'
import type { RetryPolicy } from '../model/retry.ts'
import type { RowList } from '../wheel/row-list.ts'

export interface TaskBytes {
  readonly bytes: Buffer
  readonly at: number
}

export interface NextVersion {
  readonly cause: PutCause
  readonly fireAt: number
  readonly attempt: number
  readonly generation: number
  readonly extras: Uint8Array | undefined
  /** Absent: the payload stays. */
  readonly payload?: { readonly kind: number; readonly bytes: Uint8Array } | undefined
}

export interface Death {
  readonly reason: DeadReasonName
  readonly diedAt: number
  readonly error: string
  readonly attempt: number
}

/** A successor, validated and encoded, waiting for its parent's success. */
export interface EncodedTask {
  readonly queue: DeliveryQueue
  readonly fireAt: number
  readonly payload: string | Uint8Array | undefined
  readonly extras: Uint8Array | undefined
}

export interface DeliveryQueue {
  readonly number: number
  readonly name: string
  readonly ledger: QueueLedger
  readonly due: RowList
  readonly settings: { readonly retry: RetryPolicy; readonly timeoutMs: number }
}

export interface AttemptRecords {
  taskBytes(row: number): TaskBytes
  lease(row: number, fence: number, losses: number): Lease | undefined
  unlease(homeHour: number, ordinal: number, queue: number, losses: number): number
  finish(
    how: EndHow,
    from: FromState,
    row: number,
    homeHour: number,
    ordinal: number,
    queue: number,
    placeHour: number,
  ): number
  /** Success and successor in one frame; no successor when its key is another task's. */
  succeedWithNext(row: number, next: EncodedTask): number
  nextVersion(row: number, source: TaskBytes, from: FromState, leftHour: number, next: NextVersion): number
  die(row: number, source: TaskBytes, from: FromState, placeHour: number, death: Death): number
  /** Puts a held or formerly leased row back into the wheel. */
  rearm(row: number): void
}

/**
 * The only place where durable state changes while the engine runs: each method appends one record to the log, applies it
 * to the ledger and moves the task's row. All of it in one synchronous step, so that log, ledger and rows never disagree.
 *
 * A method answers the record's LSN, or 0 when the log has no room for it now: nothing has changed then. Answers computed
 * from what it changed must wait for `log.whenSynced(lsn)`.
 */

import type { AttemptRecords, Death, EncodedTask, NextVersion, TaskBytes } from '../delivery/attempt-records.ts'
import type { EndHow, FromState, Lease, Ledger } from '../model/ledger.ts'
import { packId } from '../model/ids.ts'
import { hourOf } from '../model/units.ts'
import { deadBytesMax, newBytesMax, putBytesMax, readBody, smallRecordBytesMax } from '../model/records.ts'
import {
  writeDead,
  writeEnd,
  writeLease,
  writeNew,
  writePurge,
  writePut,
  writeQueue,
  writeRetire,
  writeStop,
  writeUnlease,
} from '../model/record-writers.ts'
import type { Log } from '../storage/wal/log.ts'
import { tier } from '../wheel/task-table.ts'
import { walCellOf, type LogPlace } from './log-bodies.ts'
import type { QueueRuntime } from './queue-runtime.ts'
import type { Tiers } from './tiers.ts'

export class Recorder implements AttemptRecords {
  readonly log: Log
  readonly ledger: Ledger
  readonly tiers: Tiers
  /** Where the body of a dead letter lies while its record is still in the log. */
  readonly deadInLog: Map<number, LogPlace>
  /** Id of the task that `fresh` made last. */
  freshHomeHour = 0
  freshOrdinal = 0

  constructor(log: Log, ledger: Ledger, tiers: Tiers, deadInLog: Map<number, LogPlace>) {
    this.deadInLog = deadInLog
    this.log = log
    this.ledger = ledger
    this.tiers = tiers
  }

  /** A new task. Its id is in `freshHomeHour` and `freshOrdinal`. */
  fresh(
    queue: QueueRuntime,
    fireAt: number,
    payload: string | Uint8Array | undefined,
    extras: Uint8Array | undefined,
    purpose: 'new' | 'settle' = 'new',
  ): number {
    const { log, ledger } = this
    const at = log.begin(newBytesMax(payload, extras), purpose)
    if (at < 0) return 0
    const fireHour = hourOf(fireAt)
    const homeHour = fireHour > ledger.oldestHour ? fireHour : ledger.oldestHour
    const ordinal = ledger.hour(homeHour).nextOrdinal
    const bytes = writeNew(log.buffer, at, homeHour, ordinal, queue.number, fireAt, payload, extras) - at
    const lsn = log.end(at, bytes)
    ledger.applyNew(homeHour, ordinal, queue.number)
    this.tiers.enterFromLog(
      homeHour,
      ordinal,
      queue.number,
      fireAt,
      homeHour,
      lsn,
      log.block,
      at,
      bytes + 4,
      walCellOf(log.fileNumber),
      log.fileOffset(at),
      false,
    )
    this.freshHomeHour = homeHour
    this.freshOrdinal = ordinal
    return lsn
  }

  /**
   * The next version of a task whose bytes are at hand. `row` is its row, or -1 when it has none (it is only in a segment,
   * or dead).
   */
  nextVersion(row: number, source: TaskBytes, from: FromState, leftHour: number, next: NextVersion): number {
    const { log, ledger, tiers } = this
    const body = readBody(source.bytes, source.at)
    const at = log.begin(putBytesMax(body.payload, next.extras), 'settle')
    if (at < 0) return 0
    const { homeHour, ordinal, queue } = body
    const fireHour = hourOf(next.fireAt)
    const placeHour = fireHour > ledger.oldestHour ? fireHour : ledger.oldestHour
    const bytes =
      writePut(log.buffer, at, {
        kind: 'put',
        cause: next.cause,
        from,
        homeHour,
        ordinal,
        queue,
        fireAt: next.fireAt,
        placeHour,
        leftHour,
        attempt: next.attempt,
        generation: next.generation,
        payloadKind: body.payloadKind,
        payload: body.payload,
        extras: next.extras,
      }) - at
    const lsn = log.end(at, bytes)
    const mayHaveCopies = row < 0 || tiers.table.flags[row] === 1 || tiers.table.walFile[row] === 0
    ledger.applyPut(next.cause, from, homeHour, ordinal, queue, placeHour, leftHour, lsn, mayHaveCopies)
    if (row >= 0) tiers.drop(row)
    if (from === 'dead') this.deadInLog.delete(packId(homeHour, ordinal))
    tiers.enterFromLog(
      homeHour,
      ordinal,
      queue,
      next.fireAt,
      placeHour,
      lsn,
      log.block,
      at,
      bytes + 4,
      walCellOf(log.fileNumber),
      log.fileOffset(at),
      mayHaveCopies,
    )
    return lsn
  }

  /** Leases a held near row. */
  lease(row: number, fence: number, losses: number): Lease | undefined {
    const { log, ledger, tiers } = this
    const at = log.begin(smallRecordBytesMax, 'settle')
    if (at < 0) return undefined
    const { table } = tiers
    const homeHour = table.homeHour[row]!
    const ordinal = table.ordinal[row]!
    const queue = table.queue[row]!
    log.end(at, writeLease(log.buffer, at, homeHour, ordinal, queue, fence, losses) - at)
    table.tier[row] = tier.leased
    return ledger.applyLease(homeHour, ordinal, queue, fence, losses)
  }

  taskBytes(row: number): TaskBytes {
    const { table, blocks } = this.tiers
    return { bytes: blocks.bytes(table.block[row]!), at: table.offset[row]! }
  }

  rearm(row: number): void {
    this.tiers.rearm(row)
  }

  /** Success and successor: one frame, so that neither is without the other. */
  succeedWithNext(row: number, next: EncodedTask): number {
    const { log, tiers } = this
    const { table } = tiers
    const bytesMax = smallRecordBytesMax + newBytesMax(next.payload, next.extras)
    if (!log.beginGroup(2, bytesMax, 'settle')) return 0
    const queue = table.queue[row]!
    this.finish('succeeded', 'leased', row, table.homeHour[row]!, table.ordinal[row]!, queue, table.placeHour[row]!)
    const lsn = this.fresh(tiers.queues[next.queue.number]!, next.fireAt, next.payload, next.extras, 'settle')
    log.endGroup()
    return lsn
  }

  unlease(homeHour: number, ordinal: number, queue: number, losses: number): number {
    const { log } = this
    const at = log.begin(smallRecordBytesMax, 'settle')
    if (at < 0) return 0
    const lsn = log.end(at, writeUnlease(log.buffer, at, homeHour, ordinal, queue, losses) - at)
    this.ledger.applyUnlease(homeHour, ordinal, queue, losses)
    return lsn
  }

  /** A cancel of a leased task. */
  stop(homeHour: number, ordinal: number, queue: number): number {
    const { log } = this
    const at = log.begin(smallRecordBytesMax, 'settle')
    if (at < 0) return 0
    const lsn = log.end(at, writeStop(log.buffer, at, homeHour, ordinal, queue) - at)
    this.ledger.applyStop(homeHour, ordinal)
    return lsn
  }

  /** A live task ends. `row` is its row, or -1 when it is only in a segment. */
  finish(
    how: EndHow,
    from: FromState,
    row: number,
    homeHour: number,
    ordinal: number,
    queue: number,
    placeHour: number,
  ): number {
    const { log } = this
    const at = log.begin(smallRecordBytesMax, 'settle')
    if (at < 0) return 0
    const lsn = log.end(at, writeEnd(log.buffer, at, how, from, homeHour, ordinal, queue, placeHour) - at)
    this.ledger.applyEnd(how, from, homeHour, ordinal, queue, placeHour)
    if (row >= 0) this.tiers.drop(row)
    return lsn
  }

  /** A live task dies; its bytes are copied into the record, so that they outlive its row. */
  die(row: number, source: TaskBytes, from: FromState, placeHour: number, death: Death): number {
    const { log } = this
    const body = readBody(source.bytes, source.at)
    const extras = body.extrasBytes()
    const at = log.begin(deadBytesMax(death.error, body.payload, extras), 'settle')
    if (at < 0) return 0
    const { homeHour, ordinal, queue } = body
    const bytes =
      writeDead(log.buffer, at, {
        kind: 'dead',
        reason: death.reason,
        from,
        diedAt: death.diedAt,
        error: death.error,
        homeHour,
        ordinal,
        queue,
        fireAt: body.fireAt,
        placeHour,
        attempt: death.attempt,
        generation: body.generation,
        payloadKind: body.payloadKind,
        payload: body.payload,
        extras,
      }) - at
    const lsn = log.end(at, bytes)
    this.deadInLog.set(packId(homeHour, ordinal), { walCell: walCellOf(log.fileNumber), walOffset: log.fileOffset(at) })
    this.ledger.applyDead(from, homeHour, ordinal, queue, placeHour, lsn)
    if (row >= 0) this.tiers.drop(row)
    return lsn
  }

  purge(homeHour: number, ordinal: number, queue: number): number {
    const { log } = this
    const at = log.begin(smallRecordBytesMax, 'settle')
    if (at < 0) return 0
    const lsn = log.end(at, writePurge(log.buffer, at, homeHour, ordinal, queue) - at)
    this.ledger.applyPurge(homeHour, ordinal, queue)
    this.deadInLog.delete(packId(homeHour, ordinal))
    return lsn
  }

  /** Names a queue, or changes its durable switch. */
  queue(number: number, name: string, paused: boolean, purpose: 'new' | 'settle'): number {
    const { log } = this
    const at = log.begin(smallRecordBytesMax + name.length * 3, purpose)
    if (at < 0) return 0
    const lsn = log.end(at, writeQueue(log.buffer, at, number, name, paused) - at)
    this.ledger.applyQueue(number, name, paused)
    return lsn
  }

  /** Retires all hours before `oldestHour`, none of which may have a live task. */
  retire(oldestHour: number): number {
    const { log } = this
    const at = log.begin(smallRecordBytesMax, 'settle')
    if (at < 0) return 0
    const lsn = log.end(at, writeRetire(log.buffer, at, oldestHour) - at)
    this.ledger.applyRetire(oldestHour)
    return lsn
  }
}

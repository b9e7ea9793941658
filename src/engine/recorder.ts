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
import {
  deadBytesMax,
  newBytesMax,
  putBytesMax,
  readBody,
  releasedBytesMax,
  smallRecordBytesMax,
  type ReleasedKey,
} from '../model/records.ts'
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
import { keyIn, type KeyHolders } from './key-holders.ts'
import { walCellOf, type LogPlace } from './log-bodies.ts'
import type { QueueRuntime } from './queue-runtime.ts'
import type { Tiers } from './tiers.ts'

export class Recorder implements AttemptRecords {
  readonly log: Log
  readonly ledger: Ledger
  readonly tiers: Tiers
  /** Where the body of a dead letter lies while its record is still in the log. */
  readonly deadInLog: Map<number, LogPlace>
  readonly #keys: KeyHolders
  /** Id of the task that `fresh` made last. */
  freshHomeHour = 0
  freshOrdinal = 0
  /** Where the newest version of a task was written. */
  #versionIn: Buffer = Buffer.alloc(0)
  #versionAt = 0

  constructor(log: Log, ledger: Ledger, tiers: Tiers, deadInLog: Map<number, LogPlace>, keys: KeyHolders) {
    this.#keys = keys
    this.deadInLog = deadInLog
    this.log = log
    this.ledger = ledger
    this.tiers = tiers
  }

  /** A new task, which takes the key in its extras. Its id is in `freshHomeHour` and `freshOrdinal`. */
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
    this.#versionIn = log.buffer
    this.#versionAt = at
    ledger.applyNew(homeHour, ordinal, queue.number)
    if (extras !== undefined) this.#name(queue.number, extras, packId(homeHour, ordinal))
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
   * or dead). A redriven or replaced one takes the key in its extras; others keep the one they have.
   */
  nextVersion(
    row: number,
    source: TaskBytes,
    from: FromState,
    leftHour: number,
    next: NextVersion,
    purpose: 'new' | 'settle' = 'settle',
  ): number {
    const { log, ledger, tiers } = this
    const body = readBody(source.bytes, source.at)
    const { homeHour, ordinal, queue } = body
    const id = packId(homeHour, ordinal)
    const takesKey = next.cause === 'redrive' || next.cause === 'replace'
    const extras = takesKey ? next.extras : this.#keys.extrasOf(id, queue, next.extras)
    const payload = next.payload?.bytes ?? body.payload
    const at = log.begin(putBytesMax(payload, extras), purpose)
    if (at < 0) return 0
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
        payloadKind: next.payload?.kind ?? body.payloadKind,
        payload,
        extras,
      }) - at
    const lsn = log.end(at, bytes)
    this.#versionIn = log.buffer
    this.#versionAt = at
    const mayHaveCopies = row < 0 || tiers.table.flags[row] === 1 || tiers.table.walFile[row] === 0
    ledger.applyPut(next.cause, from, homeHour, ordinal, queue, placeHour, leftHour, lsn, mayHaveCopies)
    if (takesKey) this.#name(queue, extras, id)
    if (row >= 0) tiers.drop(row)
    if (from === 'dead') this.deadInLog.delete(id)
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
    // Its handler waits for the write, not for a sync.
    log.needWrite()
    table.tier[row] = tier.leased
    return ledger.applyLease(homeHour, ordinal, queue, fence, losses)
  }

  /** The version that was written last, where it lies in the log's block: holds until the log goes on. */
  writtenBytes(): TaskBytes {
    return { bytes: this.#versionIn, at: this.#versionAt }
  }

  taskBytes(row: number): TaskBytes {
    const { table, blocks } = this.tiers
    return { bytes: blocks.bytes(table.block[row]!), at: table.offset[row]! }
  }

  rearm(row: number): void {
    this.tiers.rearm(row)
  }

  /**
   * Success and successor: one frame, so that neither is without the other. A successor takes over its parent's key; when its key
   * is another task's, there is none.
   */
  succeedWithNext(row: number, next: EncodedTask): number {
    const { log, tiers } = this
    const { table } = tiers
    const homeHour = table.homeHour[row]!
    const ordinal = table.ordinal[row]!
    const queue = table.queue[row]!
    const placeHour = table.placeHour[row]!
    const runtime = tiers.queues[next.queue.number]!
    const key = keyIn(next.extras)
    const parent = packId(homeHour, ordinal)
    if (key !== undefined && !this.#keys.mayTake(runtime.number, key, parent, runtime.settings.keyWindowMs)) {
      return this.finish('succeeded', 'leased', row, homeHour, ordinal, queue, placeHour)
    }
    const released = this.#keys.released(this.taskBytes(row))
    const isHandedOver = released !== undefined && released.key === key && queue === runtime.number
    const freed = isHandedOver ? undefined : released
    const bytesMax = smallRecordBytesMax + releasedBytesMax(freed) + newBytesMax(next.payload, next.extras)
    if (!log.beginGroup(2, bytesMax, 'settle')) return 0
    this.#end('succeeded', 'leased', row, homeHour, ordinal, queue, placeHour, freed)
    const lsn = this.fresh(runtime, next.fireAt, next.payload, next.extras, 'settle')
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

  /**
   * A live task ends. `row` is its row, or -1 when it is only in a segment; `source` its bytes, where the row does not have
   * them. Its key is remembered.
   */
  finish(
    how: EndHow,
    from: FromState,
    row: number,
    homeHour: number,
    ordinal: number,
    queue: number,
    placeHour: number,
    source?: TaskBytes,
  ): number {
    let released: ReleasedKey | undefined
    if (this.#keys.table.inUse) {
      const isNear = row >= 0 && this.tiers.table.block[row]! >= 0
      released = this.#keys.released(isNear ? this.taskBytes(row) : source)
    }
    return this.#end(how, from, row, homeHour, ordinal, queue, placeHour, released)
  }

  #end(
    how: EndHow,
    from: FromState,
    row: number,
    homeHour: number,
    ordinal: number,
    queue: number,
    placeHour: number,
    released: ReleasedKey | undefined,
  ): number {
    const { log } = this
    const at = log.begin(smallRecordBytesMax + releasedBytesMax(released), 'settle')
    if (at < 0) return 0
    const bytes = writeEnd(log.buffer, at, how, from, homeHour, ordinal, queue, placeHour, released) - at
    const lsn = log.end(at, bytes)
    this.ledger.applyEnd(how, from, homeHour, ordinal, queue, placeHour)
    if (released !== undefined) {
      const { key, ...end } = released
      this.#keys.table.set(queue, key, { id: packId(homeHour, ordinal), end })
    }
    if (row >= 0) this.tiers.drop(row)
    return lsn
  }

  /** A live task dies; its bytes are copied into the record, so that they outlive its row. */
  die(row: number, source: TaskBytes, from: FromState, placeHour: number, death: Death): number {
    const { log } = this
    const body = readBody(source.bytes, source.at)
    const id = packId(body.homeHour, body.ordinal)
    const extras = this.#keys.extrasOf(id, body.queue, body.extrasBytes())
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
    this.deadInLog.set(id, { walCell: walCellOf(log.fileNumber), walOffset: log.fileOffset(at) })
    this.ledger.applyDead(from, homeHour, ordinal, queue, placeHour, lsn)
    const key = keyIn(extras)
    if (key !== undefined) {
      const end = { endedAt: death.diedAt, fireAt: body.fireAt, generation: body.generation }
      this.#keys.table.set(queue, key, { id, end })
    }
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

  #name(queue: number, extras: Uint8Array | undefined, id: number): void {
    const key = keyIn(extras)
    if (key !== undefined) this.#keys.table.set(queue, key, { id, end: undefined })
  }
}

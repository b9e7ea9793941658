/**
 * Where live tasks are in memory: one row a task whose newest version is in the log, or that is near.
 *
 * - far: only its place in the log is known; filed in a bag by hour. No bytes held, except while a promotion pass runs.
 * - wheel, due, leased, held: near; its bytes lie in a block.
 * A task without a row is only in a segment. A row always speaks for its task: copies in segments are skipped while it
 * exists. `walFile` 0 says that the version is in a segment, so that the row may be dropped and read again.
 *
 * Invariant: every live task with a key up to its queue's boundary has a near row.
 * The bytes a queue holds are bounded by its share: beyond it, tasks further ahead are handed back to the disk.
 */

import type { Ledger } from '../model/ledger.ts'
import { HourMap } from '../model/hour-map.ts'
import { packId } from '../model/ids.ts'
import { hourMs } from '../model/units.ts'
import type { BlockStore } from '../wheel/block-store.ts'
import type { RowIndex } from '../wheel/row-index.ts'
import { tier, type TaskTable } from '../wheel/task-table.ts'
import { TimingWheel } from '../wheel/timing-wheel.ts'
import type { QueueRuntime } from './queue-runtime.ts'
import { RowBag } from './row-bag.ts'

/** Bytes that a near row costs beside its task's bytes. */
export const rowBytes = 64

const blocksWastedMax = 16 << 20

/** A promotion under way, as far as new rows must know of it. */
export interface ActivePass {
  readonly queues: ReadonlySet<QueueRuntime>
  /** Keys up to this instant are being promoted. */
  readonly targetAt: number
  /** From the moment its result is being put in place: keys up to here go near directly. */
  reachedAt: number
  reachedId: number
  committing: boolean
  /** Far rows that came while it ran, with their bytes kept. */
  readonly added: number[]
}

type Relieve = (tiers: Tiers, queue: QueueRuntime, now: number) => void

export interface TierLimits {
  readonly nearBytesMax: number
}

export class Tiers {
  readonly table: TaskTable
  readonly index: RowIndex
  wheel: TimingWheel
  readonly blocks: BlockStore
  readonly ledger: Ledger
  readonly queues: QueueRuntime[] = []
  readonly farHours: HourMap<RowBag> = new HourMap()
  readonly limits: TierLimits
  activePass: ActivePass | undefined
  farCount = 0
  nearBytes = 0
  /** Rows handed back to the disk because their queue was over its share. */
  demotedCount = 0
  readonly #now: () => number
  readonly #relieve: Relieve

  constructor(parts: {
    table: TaskTable
    index: RowIndex
    wheel: TimingWheel
    blocks: BlockStore
    ledger: Ledger
    limits: TierLimits
    now: () => number
    /** Makes a queue over its share hold less, if it can (relief.ts). */
    relieve: Relieve
  }) {
    this.table = parts.table
    this.index = parts.index
    this.wheel = parts.wheel
    this.blocks = parts.blocks
    this.ledger = parts.ledger
    this.limits = parts.limits
    this.#now = parts.now
    this.#relieve = parts.relieve
  }

  rowOf(homeHour: number, ordinal: number): number {
    return this.index.get(homeHour, ordinal)
  }

  idOf(row: number): number {
    return packId(this.table.homeHour[row]!, this.table.ordinal[row]!)
  }

  orderAt(row: number): number {
    const start = this.table.placeHour[row]! * hourMs
    const fireAt = this.table.fireAt[row]!
    return fireAt > start ? fireAt : start
  }

  /**
   * Takes in a task's new version, just written to the log, its bytes at (block, offset). Any row of an older version is
   * gone already. Answers the row.
   */
  enterFromLog(
    homeHour: number,
    ordinal: number,
    queueNumber: number,
    fireAt: number,
    placeHour: number,
    lsn: number,
    block: number,
    offset: number,
    bytes: number,
    walFile: number,
    walOffset: number,
    mayHaveCopies: boolean,
  ): number {
    const row = this.#newRow(homeHour, ordinal, queueNumber, fireAt, placeHour, lsn)
    const { table } = this
    table.walFile[row] = walFile
    table.walOffset[row] = walOffset
    table.flags[row] = mayHaveCopies ? 1 : 0
    const queue = this.queues[queueNumber]!
    const start = placeHour * hourMs
    const orderAt = fireAt > start ? fireAt : start
    const id = packId(homeHour, ordinal)
    const pass = this.activePass
    if (queue.covers(orderAt, id) && !this.#spill(queue, orderAt, id)) this.#makeNear(row, queue, block, offset, bytes)
    else if (pass === undefined || orderAt > pass.targetAt || !pass.queues.has(queue)) this.#makeFar(row)
    else if (pass.committing) {
      if (orderAt < pass.reachedAt || (orderAt === pass.reachedAt && id <= pass.reachedId)) {
        this.#makeNear(row, queue, block, offset, bytes)
      } else this.#makeFar(row)
    } else {
      this.#makeFar(row)
      this.blocks.retain(block, bytes)
      table.block[row] = block
      table.offset[row] = offset
      pass.added.push(row)
    }
    return row
  }

  /** A row for a task found in the log at start; its bytes are not in memory. */
  enterFromReplay(
    homeHour: number,
    ordinal: number,
    queueNumber: number,
    fireAt: number,
    placeHour: number,
    lsn: number,
    walFile: number,
    walOffset: number,
    mayHaveCopies: boolean,
  ): void {
    const row = this.#newRow(homeHour, ordinal, queueNumber, fireAt, placeHour, lsn)
    this.table.walFile[row] = walFile
    this.table.walOffset[row] = walOffset
    this.table.flags[row] = mayHaveCopies ? 1 : 0
    this.#makeFar(row)
  }

  /** A near row for a task read from a segment. */
  enterFromSegment(
    homeHour: number,
    ordinal: number,
    queueNumber: number,
    fireAt: number,
    placeHour: number,
    lsn: number,
    block: number,
    offset: number,
    bytes: number,
  ): number {
    const row = this.#newRow(homeHour, ordinal, queueNumber, fireAt, placeHour, lsn)
    this.table.walFile[row] = 0
    this.table.flags[row] = 1
    this.#makeNear(row, this.queues[queueNumber]!, block, offset, bytes)
    return row
  }

  /** A far row whose bytes were read, or kept, becomes near. */
  promoteRow(row: number, block: number, offset: number, bytes: number): void {
    this.#bagOf(row).remove(row)
    this.farCount--
    this.#makeNear(row, this.queues[this.table.queue[row]!]!, block, offset, bytes)
  }

  /** Lets go of the bytes that a far row kept for a pass. */
  forgetBytes(row: number): void {
    const { table } = this
    if (table.block[row]! < 0) return
    this.blocks.release(table.block[row]!, this.bytesOf(row))
    table.block[row] = -1
  }

  #newRow(homeHour: number, ordinal: number, queue: number, fireAt: number, placeHour: number, lsn: number): number {
    const { table } = this
    const row = table.allocate()
    table.homeHour[row] = homeHour
    table.ordinal[row] = ordinal
    table.queue[row] = queue
    table.fireAt[row] = fireAt
    table.placeHour[row] = placeHour
    table.lsn[row] = lsn
    table.block[row] = -1
    this.index.set(homeHour, ordinal, row)
    return row
  }

  #makeFar(row: number): void {
    const hour = this.table.placeHour[row]!
    let bag = this.farHours.get(hour)
    if (bag === undefined) {
      bag = new RowBag(this.table)
      this.farHours.set(hour, bag)
    }
    this.table.tier[row] = tier.far
    bag.add(row)
    this.farCount++
  }

  #makeNear(row: number, queue: QueueRuntime, block: number, offset: number, bytes: number): void {
    const { table } = this
    if (table.block[row]! < 0) this.blocks.retain(block, bytes)
    table.block[row] = block
    table.offset[row] = offset
    queue.nearBytes += bytes + rowBytes
    queue.nearCount++
    this.nearBytes += bytes + rowBytes
    table.tier[row] = tier.wheel
    this.wheel.insert(row)
  }

  #bagOf(row: number): RowBag {
    return this.farHours.get(this.table.placeHour[row]!)!
  }

  /** What a row's record takes in its block: its length, which stands before it, and the record. */
  bytesOf(row: number): number {
    return this.blocks.bytes(this.table.block[row]!).readUInt32LE(this.table.offset[row]! - 4) + 4
  }

  /** Takes a row out of the list it is in; it is held by the caller then. */
  hold(row: number): void {
    const { table } = this
    const from = table.tier[row]
    if (from === tier.wheel) this.wheel.remove(row)
    else if (from === tier.due) this.queues[table.queue[row]!]!.due.remove(row)
    else if (from === tier.far) {
      this.#bagOf(row).remove(row)
      this.farCount--
      this.forgetBytes(row)
    }
    table.tier[row] = tier.held
  }

  /** Puts a held or leased near row back into the wheel. */
  rearm(row: number): void {
    this.table.tier[row] = tier.wheel
    this.wheel.insert(row)
  }

  /** Whether blocks hold much more than the tasks in them need. */
  get wastesBlocks(): boolean {
    return this.blocks.heldBytes > 2 * this.nearBytes + blocksWastedMax
  }

  /** The clock was set back: waiting tasks go into a wheel that starts from there. */
  restartWheel(now: number): void {
    const { table } = this
    const wheel = new TimingWheel(table, now)
    for (let row = 0; row < table.capacity; row++) {
      if (table.tier[row] !== tier.wheel) continue
      this.wheel.remove(row)
      wheel.insert(row)
    }
    this.wheel = wheel
  }

  /** The task ended, moved to a new row, or is left to its segment: its row and bytes go. */
  drop(row: number): void {
    const { table } = this
    const wasFar = table.tier[row] === tier.far
    this.hold(row)
    if (!wasFar && table.block[row]! >= 0) {
      const bytes = this.bytesOf(row)
      const queue = this.queues[table.queue[row]!]!
      queue.nearBytes -= bytes + rowBytes
      queue.nearCount--
      this.nearBytes -= bytes + rowBytes
      this.blocks.release(table.block[row]!, bytes)
    }
    table.block[row] = -1
    this.index.delete(table.homeHour[row]!, table.ordinal[row]!)
    table.free(row)
  }

  /** Whether a queue holds more than its share of memory. */
  isOverShare(queue: QueueRuntime): boolean {
    const max = this.limits.nearBytesMax
    return queue.nearBytes > max / 4 || (this.nearBytes > max && queue.nearBytes > max / 64)
  }

  /** Makes room in a queue over its share; answers whether a task with this key must stay on disk. */
  #spill(queue: QueueRuntime, orderAt: number, id: number): boolean {
    if (!this.isOverShare(queue)) return false
    this.#relieve(this, queue, this.#now())
    if (queue.covers(orderAt, id) && this.isOverShare(queue)) queue.pullBackBefore(orderAt, id)
    return !queue.covers(orderAt, id)
  }

  /** Hands a near task of the wheel back to the disk. */
  demote(row: number, queue: QueueRuntime): void {
    this.demotedCount++
    const { table } = this
    if (table.walFile[row] === 0) {
      this.drop(row)
      return
    }
    const bytes = this.bytesOf(row)
    this.wheel.remove(row)
    queue.nearBytes -= bytes + rowBytes
    queue.nearCount--
    this.nearBytes -= bytes + rowBytes
    this.blocks.release(table.block[row]!, bytes)
    table.block[row] = -1
    this.#makeFar(row)
  }
}

/**
 * The tasks in memory, one row each, as columns of typed arrays: 56 bytes a row, no object, nothing for the garbage
 * collector to walk. Whoever reads or writes a task's cells indexes the columns directly.
 *
 * Invariants
 * - The columns are replaced when the table grows: read them from the table again after any `allocate`.
 * - A row is in at most one list at a time (free list, wheel slot, due list), linked through `next` and `previous`; -1
 *   ends a list. `slot` is -1 unless the row is in a wheel.
 * - A row is free exactly when its tier is 0. Free rows are handed out again, the latest freed first.
 *
 * It does not know what the cells mean, nor where a task's bytes are kept: see block-store.ts.
 */

import { grown, type Column } from './column.ts'
import { refuse } from './refuse.ts'

/** Where a row is; the values of the `tier` column. */
export const tier = {
  free: 0,
  /** In memory only as an entry of the write-ahead log's index. */
  far: 1,
  wheel: 2,
  due: 3,
  leased: 4,
  /** Allocated, and out of every list. */
  held: 5,
} as const

const rowsAtStart = 16_384
/** Rows are kept in Int32 links. */
const rowsMax = 2 ** 30

export class TaskTable {
  homeHour!: Uint32Array
  ordinal!: Uint32Array
  placeHour!: Uint32Array
  fireAt!: Float64Array
  lsn!: Float64Array
  queue!: Uint16Array
  tier!: Uint8Array
  /** 1: copies of earlier versions of the task may lie in segments. */
  flags!: Uint8Array
  slot!: Int16Array
  next!: Int32Array
  previous!: Int32Array
  /** Block that holds the task's bytes, or -1; `offset` is where its record starts there. */
  block!: Int32Array
  offset!: Uint32Array
  walFile!: Uint16Array
  walOffset!: Uint32Array

  /** Rows in use. */
  count = 0
  /** Rows that fit before the table grows. */
  capacity = 0
  /** Bytes a row takes in all columns together. */
  bytesPerRow = 0

  private freeHead = -1
  /** Rows from here on were never used. */
  private untouched = 0

  constructor(capacity: number = rowsAtStart) {
    this.resize(capacity)
  }

  get bytesHeld(): number {
    return this.capacity * this.bytesPerRow
  }

  /** A row of tier `held`, out of every list, without block; its other cells hold whatever they held. */
  allocate(): number {
    let row = this.freeHead
    if (row !== -1) {
      this.freeHead = this.next[row]!
    } else {
      row = this.untouched
      if (row === this.capacity) this.resize(this.capacity * 2)
      this.untouched = row + 1
    }
    this.tier[row] = tier.held
    this.slot[row] = -1
    this.next[row] = -1
    this.previous[row] = -1
    this.block[row] = -1
    this.count++
    return row
  }

  /** Gives the row back. It must be out of every list. */
  free(row: number): void {
    if (!(this.tier[row]! > tier.free)) refuse('row not in use', row)
    if (this.slot[row] !== -1) refuse('row is freed while in a wheel', row)
    this.tier[row] = tier.free
    this.next[row] = this.freeHead
    this.freeHead = row
    this.count--
  }

  private resize(capacity: number): void {
    if (!(capacity > this.capacity && capacity <= rowsMax)) refuse('no table of that many rows', capacity)
    this.homeHour = grown(this.homeHour, Uint32Array, capacity)
    this.ordinal = grown(this.ordinal, Uint32Array, capacity)
    this.placeHour = grown(this.placeHour, Uint32Array, capacity)
    this.fireAt = grown(this.fireAt, Float64Array, capacity)
    this.lsn = grown(this.lsn, Float64Array, capacity)
    this.queue = grown(this.queue, Uint16Array, capacity)
    this.tier = grown(this.tier, Uint8Array, capacity)
    this.flags = grown(this.flags, Uint8Array, capacity)
    this.slot = grown(this.slot, Int16Array, capacity)
    this.next = grown(this.next, Int32Array, capacity)
    this.previous = grown(this.previous, Int32Array, capacity)
    this.block = grown(this.block, Int32Array, capacity)
    this.offset = grown(this.offset, Uint32Array, capacity)
    this.walFile = grown(this.walFile, Uint16Array, capacity)
    this.walOffset = grown(this.walOffset, Uint32Array, capacity)
    this.capacity = capacity
    const columns: Column[] = [this.homeHour, this.ordinal, this.placeHour, this.fireAt, this.lsn, this.queue]
    columns.push(this.tier, this.flags, this.slot, this.next, this.previous)
    columns.push(this.block, this.offset, this.walFile, this.walOffset)
    this.bytesPerRow = columns.reduce((bytes, column) => bytes + column.BYTES_PER_ELEMENT, 0)
  }
}

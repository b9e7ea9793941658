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
    if (!(this.tier[row]! > tier.free)) throw new Error(`row ${row} is not in use`)
    if (this.slot[row] !== -1) throw new Error(`row ${row} is freed while in a wheel`)
    this.tier[row] = tier.free
    this.next[row] = this.freeHead
    this.freeHead = row
    this.count--
  }

  private resize(capacity: number): void {
    if (!(capacity > this.capacity && capacity <= rowsMax)) throw new Error(`no table of ${capacity} rows`)
    this.homeHour = grown(this.homeHour, new Uint32Array(capacity))
    this.ordinal = grown(this.ordinal, new Uint32Array(capacity))
    this.placeHour = grown(this.placeHour, new Uint32Array(capacity))
    this.fireAt = grown(this.fireAt, new Float64Array(capacity))
    this.lsn = grown(this.lsn, new Float64Array(capacity))
    this.queue = grown(this.queue, new Uint16Array(capacity))
    this.tier = grown(this.tier, new Uint8Array(capacity))
    this.flags = grown(this.flags, new Uint8Array(capacity))
    this.slot = grown(this.slot, new Int16Array(capacity))
    this.next = grown(this.next, new Int32Array(capacity))
    this.previous = grown(this.previous, new Int32Array(capacity))
    this.block = grown(this.block, new Int32Array(capacity))
    this.offset = grown(this.offset, new Uint32Array(capacity))
    this.walFile = grown(this.walFile, new Uint16Array(capacity))
    this.walOffset = grown(this.walOffset, new Uint32Array(capacity))
    this.capacity = capacity
    const columns: Column[] = [this.homeHour, this.ordinal, this.placeHour, this.fireAt, this.lsn, this.queue]
    columns.push(this.tier, this.flags, this.slot, this.next, this.previous)
    columns.push(this.block, this.offset, this.walFile, this.walOffset)
    this.bytesPerRow = columns.reduce((bytes, column) => bytes + column.BYTES_PER_ELEMENT, 0)
  }
}

type Column = Float64Array | Uint32Array | Int32Array | Uint16Array | Int16Array | Uint8Array

function grown<T extends Column>(old: T | undefined, larger: T): T {
  if (old !== undefined) larger.set(old)
  return larger
}

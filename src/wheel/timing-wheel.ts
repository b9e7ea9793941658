/**
 * A hierarchical timing wheel over the rows of a task table.
 *
 * After G. Varghese and A. Lauck, "Hashed and Hierarchical Timing Wheels" (SOSP 1987), scheme 7, with what later wheels
 * added: Kafka's (jump to the next occupied bucket, no ticking while idle) and tokio's (occupancy bitmaps, now as a
 * parameter). Slots are lists linked through the table, so that inserting and removing allocate nothing and take the
 * same few steps with ten rows or ten million. See slots.ts for the levels.
 *
 * Example, at instant 1000, with level 0 of 512 slots of 1 ms and level 1 of slots of 512 ms:
 *   insert 1400: 400 slots of level 0 ahead, so level 0, slot 1400 mod 512 = 376, emitted from there at 1400.
 *   insert 1600: 600 slots of level 0 ahead are too many; one of level 1, so level 1, slot 3. At 1536 = 3 * 512, when that
 *   slot begins, its rows cascade: this one is now 64 ahead and moves to level 0, slot 64, emitted at 1600.
 *   If at 1200 another row is inserted for 1600, it goes to level 0 at once (400 ahead); at 1536 the older one is put
 *   before it.
 *
 * Invariants
 * - A row is never emitted before its instant, and is emitted by the first `advance` to that instant or later.
 * - Rows come out by millisecond, and within one in the order they went in. As levels only get finer with time, the
 *   rows of an instant on a coarser level went in before those on a finer one: a cascade puts them in front, finest
 *   level first, and all cascades of an instant come before anything is emitted.
 * - What is due already goes to the current slot of level 0, which is emitted first: those come out in the order they went in.
 * - On other levels the current slot is empty, or being cascaded. Nothing is ever put into it.
 * - Time does not go back: `advance` to an earlier instant does nothing, so a clock that is set back delays and never
 *   re-fires. Nothing is done tick by tick: a jump costs by occupied slots, whatever its length.
 *
 * It knows no clock, and does not touch `tier`: a row's tier is its owner's to set.
 */

import { markEmpty, markOccupied, nextOccupied } from './occupancy.ts'
import { refuse } from './refuse.ts'
import type { RowList } from './row-list.ts'
import * as slots from './slots.ts'
import type { TaskTable } from './task-table.ts'

const { firstByZeros, levels, levelFirst, levelMask, levelShift, levelWidthMs, maskByZeros } = slots
const { nearLevels, shiftByZeros, slotsTotal, tickSpanMs } = slots
const tickMask = levelMask[0]!

/**
 * Which instant a row waits for: 'fireAt' is that column of the table; 'given' is what `insertAt` is told, kept in a column
 * of the wheel's own (8 bytes a row), for deadlines that are not the task's fire time.
 */
export type Instants = 'fireAt' | 'given'

export class TimingWheel {
  /** Rows in the wheel. */
  count = 0

  private readonly table: TaskTable
  private given: Float64Array | undefined
  private readonly heads = new Int32Array(slotsTotal).fill(-1)
  private readonly tails = new Int32Array(slotsTotal).fill(-1)
  private readonly occupied = new Int32Array(slotsTotal >>> 5)
  /** The current instant is baseMs + tick; the base is a multiple of tickSpanMs, and the tick below it. */
  private baseMs = 0
  private tick = 0

  constructor(table: TaskTable, startMs: number, instants: Instants = 'fireAt') {
    this.table = table
    this.given = instants === 'given' ? new Float64Array(0) : undefined
    this.moveTo(reachedMs(startMs))
  }

  get currentMs(): number {
    return this.baseMs + this.tick
  }

  /** Bytes held besides the table's columns. */
  get bytesHeld(): number {
    return this.heads.byteLength + this.tails.byteLength + this.occupied.byteLength + (this.given?.byteLength ?? 0)
  }

  /** Puts in a row that is in no list, to come out at its `fireAt`. Fractions of a millisecond count as a whole one. */
  insert(row: number): void {
    if (this.given !== undefined) refuse('this wheel is told its instants: use insertAt for row', row)
    this.append(row, this.table.fireAt[row]!)
  }

  /** The same for an instant of the caller's, in a wheel made with 'given'. */
  insertAt(row: number, atMs: number): void {
    if (this.given === undefined) refuse('this wheel reads fireAt: use insert for row', row)
    if (row >= this.given.length) {
      const larger = new Float64Array(this.table.capacity)
      larger.set(this.given)
      this.given = larger
    }
    this.given[row] = atMs
    this.append(row, atMs)
  }

  private append(row: number, atMs: number): void {
    const { table, heads, tails } = this
    if (table.slot[row] !== -1) refuse('row is in a wheel already, or is no row', row)
    const slot = this.slotOf(atMs)
    const tail = tails[slot]!
    table.slot[row] = slot
    table.next[row] = -1
    table.previous[row] = tail
    tails[slot] = row
    if (tail === -1) {
      heads[slot] = row
      markOccupied(this.occupied, slot)
    } else table.next[tail] = row
    this.count++
  }

  /** Takes out a row that is in this wheel. */
  remove(row: number): void {
    const { table, heads, tails } = this
    const slot = table.slot[row]!
    if (!(slot >= 0)) refuse('row is not in a wheel', row)
    const { next, previous } = table
    const after = next[row]!
    const before = previous[row]!
    if (before === -1) heads[slot] = after
    else next[before] = after
    if (after === -1) tails[slot] = before
    else previous[after] = before
    if (before === -1 && after === -1) markEmpty(this.occupied, slot)
    next[row] = -1
    previous[row] = -1
    table.slot[row] = -1
    this.count--
  }

  /**
   * Moves every row whose instant is reached to the end of `due`, in fire order; answers how many. With a `limit`, stops
   * after that many rows were emitted or cascaded; then more is to be done at once as long as nextExpiryMs() <= nowMs.
   */
  advance(nowMs: number, due: RowList, limit: number = Infinity): number {
    const now = reachedMs(nowMs)
    if (now < this.currentMs) return 0
    let left = limit
    let emitted = 0
    for (;;) {
      left -= this.cascadeCurrent(left)
      if (!(left > 0)) break
      const count = this.emit(due, left)
      emitted += count
      left -= count
      if (!(left > 0)) break
      const startMs = this.nextStartMs()
      if (startMs > now) {
        this.moveTo(now)
        break
      }
      this.moveTo(startMs)
    }
    return emitted
  }

  /**
   * When `advance` next has something to do, emit or cascade; undefined when the wheel is empty. Nothing comes out before;
   * exact when the next row is on level 0. At or before `currentMs`: at once.
   */
  nextExpiryMs(): number | undefined {
    if (this.count === 0) return undefined
    for (let level = 0; level < levels; level++) {
      if (this.heads[levelFirst[level]! + (this.position(level) & levelMask[level]!)] !== -1) return this.currentMs
    }
    return this.nextStartMs()
  }

  private moveTo(ms: number): void {
    if (ms - this.baseMs >= tickSpanMs) this.baseMs = Math.floor(ms / tickSpanMs) * tickSpanMs
    const tick = ms - this.baseMs
    if (!(tick >= 0 && tick < tickSpanMs)) refuse('instant out of range', ms)
    this.tick = tick | 0
  }

  /** The slot for an instant: levelFor and slotFor by table; the current slot of level 0 if it is reached already. */
  private slotOf(atMs: number): number {
    const tick = this.tick
    // The one place that rounds, and always up: never early.
    const atTick = Math.ceil(atMs) - this.baseMs
    const ahead = atTick - tick
    if (ahead <= 0) return tick & tickMask
    if (ahead < tickSpanMs) {
      const zeros = Math.clz32(ahead)
      const shift = shiftByZeros[zeros]!
      const mask = maskByZeros[zeros]!
      if ((atTick >>> shift) - (tick >>> shift) <= mask) return firstByZeros[zeros]! + ((atTick >>> shift) & mask)
    }
    const at = Math.ceil(atMs)
    if (!(at < slots.instantEndMs)) refuse('instant out of range', atMs)
    return slots.slotFor(slots.levelFor(this.currentMs, at), at)
  }

  /** Number of the current slot on a level, before wrapping round. */
  private position(level: number): number {
    return level < nearLevels ? this.tick >>> levelShift[level]! : Math.floor(this.currentMs / levelWidthMs[level]!)
  }

  /** When the next occupied slot of any level begins; Infinity if there is none. The current slots must be empty. */
  private nextStartMs(): number {
    let bestMs = Infinity
    for (let level = 0; level < levels; level++) {
      const position = this.position(level)
      const first = levelFirst[level]!
      const mask = levelMask[level]!
      const current = first + (position & mask)
      const levelMs = level < nearLevels ? this.baseMs : 0
      let slot = nextOccupied(this.occupied, current + 1, first + mask + 1)
      // Up to where the level wraps round lies the coarser level's current slot: none of the coarser slots begins there.
      if (slot !== -1) return Math.min(bestMs, levelMs + (position + slot - current) * levelWidthMs[level]!)
      slot = nextOccupied(this.occupied, first, (current | 31) + 1)
      if (slot !== -1)
        bestMs = Math.min(bestMs, levelMs + (position + slot - current + mask + 1) * levelWidthMs[level]!)
    }
    return bestMs
  }

  /** Moves up to `limit` rows of the current slot of level 0 to `due`. They are linked already: only the ends change. */
  private emit(due: RowList, limit: number): number {
    const { heads, tails } = this
    const current = this.tick & tickMask
    const first = heads[current]!
    if (first === -1) return 0
    const { next, previous, slot } = this.table
    let last = first
    let count = 1
    slot[first] = -1
    let row = next[first]!
    for (; row !== -1 && count < limit; row = next[row]!) {
      slot[row] = -1
      last = row
      count++
    }
    heads[current] = row
    if (row === -1) {
      tails[current] = -1
      markEmpty(this.occupied, current)
    } else previous[row] = -1
    due.appendChain(first, last, count)
    this.count -= count
    return count
  }

  /** Cascades the slots that begin at the current tick, finest level first, up to `limit` rows; answers how many. */
  private cascadeCurrent(limit: number): number {
    let count = 0
    let level = 1
    while (count < limit && level < levels && this.currentMs % levelWidthMs[level]! === 0) {
      const slot = levelFirst[level]! + (this.position(level) & levelMask[level]!)
      if (this.heads[slot] !== -1) count += this.cascade(slot, limit - count)
      level++
    }
    return count
  }

  /** Moves up to `limit` rows of a slot to finer levels, from its end and each in front; answers how many. */
  private cascade(from: number, limit: number): number {
    const { heads, tails, occupied } = this
    const { next, previous, slot: slotColumn } = this.table
    const instants = this.given ?? this.table.fireAt
    let count = 0
    let row = tails[from]!
    while (row !== -1 && count < limit) {
      const before = previous[row]!
      const slot = this.slotOf(instants[row]!)
      const head = heads[slot]!
      slotColumn[row] = slot
      next[row] = head
      previous[row] = -1
      heads[slot] = row
      if (head === -1) {
        tails[slot] = row
        markOccupied(occupied, slot)
      } else previous[head] = row
      row = before
      count++
    }
    tails[from] = row
    if (row === -1) {
      heads[from] = -1
      markEmpty(occupied, from)
    } else next[row] = -1
    return count
  }
}

/** The last whole millisecond reached. */
function reachedMs(ms: number): number {
  const whole = Math.floor(ms)
  if (!(whole >= 0 && whole < slots.instantEndMs)) refuse('instant out of range', ms)
  return whole
}

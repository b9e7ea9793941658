/**
 * A first-in-first-out list of table rows, linked through the table's `next` and `previous` columns: it owns no memory
 * of its own, and every operation but iteration takes the same few steps whatever its length.
 *
 * A row is in at most one list (or wheel) at a time; callers keep to that, as nothing here could tell.
 * The fastest way through: for (let row = list.head; row !== -1; row = table.next[row]!).
 */

import type { TaskTable } from './task-table.ts'

export class RowList {
  readonly table: TaskTable
  /** First row, or -1. */
  head = -1
  tail = -1
  count = 0

  constructor(table: TaskTable) {
    this.table = table
  }

  push(row: number): void {
    const { next, previous } = this.table
    const tail = this.tail
    next[row] = -1
    previous[row] = tail
    if (tail === -1) this.head = row
    else next[tail] = row
    this.tail = row
    this.count++
  }

  pushFront(row: number): void {
    const { next, previous } = this.table
    const head = this.head
    previous[row] = -1
    next[row] = head
    if (head === -1) this.tail = row
    else previous[head] = row
    this.head = row
    this.count++
  }

  /** Takes a row of this list out of it. */
  remove(row: number): void {
    const { next, previous } = this.table
    const after = next[row]!
    const before = previous[row]!
    if (before === -1) this.head = after
    else next[before] = after
    if (after === -1) this.tail = before
    else previous[after] = before
    next[row] = -1
    previous[row] = -1
    this.count--
  }

  /** Takes the first row out, or answers -1. */
  shift(): number {
    const row = this.head
    if (row === -1) return -1
    const { next, previous } = this.table
    const after = next[row]!
    this.head = after
    if (after === -1) this.tail = -1
    else previous[after] = -1
    next[row] = -1
    this.count--
    return row
  }

  /** Moves all rows of `other` to the end of this list, in their order; `other` is then empty. */
  concat(other: RowList): void {
    if (other === this || other.count === 0) return
    this.appendChain(other.head, other.tail, other.count)
    other.head = -1
    other.tail = -1
    other.count = 0
  }

  /** Appends rows that are already linked to each other, and to nothing else. */
  appendChain(first: number, last: number, count: number): void {
    const { next, previous } = this.table
    const tail = this.tail
    previous[first] = tail
    next[last] = -1
    if (tail === -1) this.head = first
    else next[tail] = first
    this.tail = last
    this.count += count
  }

  /** Rows in order. The row just given may be taken out of the list before the next one is asked for. */
  *[Symbol.iterator](): Generator<number> {
    for (let row = this.head; row !== -1;) {
      const after: number = this.table.next[row]!
      yield row
      row = after
    }
  }
}

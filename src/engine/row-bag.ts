/**
 * An unordered bag of rows: the far tasks of one hour that are known only by their place in the log. A row's position
 * stands in table.next, so that add and remove are O(1). Walking it from the end to the start is safe while rows come
 * and go: none that stays is missed, some may be seen twice.
 */

import type { TaskTable } from '../wheel/task-table.ts'

export class RowBag {
  readonly #table: TaskTable
  #rows = new Int32Array(16)
  count = 0

  constructor(table: TaskTable) {
    this.#table = table
  }

  add(row: number): void {
    if (this.count === this.#rows.length) {
      const grown = new Int32Array(this.#rows.length * 2)
      grown.set(this.#rows)
      this.#rows = grown
    }
    this.#table.next[row] = this.count
    this.#rows[this.count++] = row
  }

  remove(row: number): void {
    const position = this.#table.next[row]!
    const last = this.#rows[--this.count]!
    this.#rows[position] = last
    this.#table.next[last] = position
  }

  at(position: number): number {
    return this.#rows[position]!
  }
}

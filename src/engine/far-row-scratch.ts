/**
 * Where a step of promotion notes the far rows of its hour. One serves all steps, since one runs at a time: at hundreds of
 * thousands of rows, each step would leave tens of MiB to the garbage collector.
 */

const rowsMin = 1024

export class FarRowScratch {
  count = 0
  orderAts: Float64Array = new Float64Array(0)
  ids: Float64Array = new Float64Array(0)
  rows: Int32Array = new Int32Array(0)

  /** Empties it. What is far too large for `rowsExpected` is let go. */
  start(rowsExpected: number): void {
    this.count = 0
    if (this.rows.length > rowsMin && this.rows.length > rowsExpected * 8) {
      this.orderAts = new Float64Array(0)
      this.ids = new Float64Array(0)
      this.rows = new Int32Array(0)
    }
    if (this.rows.length < rowsExpected) this.#grow(rowsExpected)
  }

  add(orderAt: number, id: number, row: number): void {
    if (this.count === this.rows.length) this.#grow(this.count + 1)
    this.orderAts[this.count] = orderAt
    this.ids[this.count] = id
    this.rows[this.count++] = row
  }

  #grow(rowsNeeded: number): void {
    const capacity = Math.max(rowsMin, 2 ** Math.ceil(Math.log2(rowsNeeded)))
    const { orderAts, ids, rows } = this
    this.orderAts = new Float64Array(capacity)
    this.ids = new Float64Array(capacity)
    this.rows = new Int32Array(capacity)
    this.orderAts.set(orderAts)
    this.ids.set(ids)
    this.rows.set(rows)
  }
}

/** Rows of 32-bit numbers that grow as they are written: the index of a segment while it is made. */

export class GrowingRows {
  length = 0
  readonly #columns: number
  #cells: Uint32Array = new Uint32Array(96)

  /** At most 6 columns. */
  constructor(columns: number) {
    this.#columns = columns
  }

  /** Numbers beyond the columns are ignored. */
  add(a: number, b: number, c: number, d: number, e: number, f: number): void {
    const cell = this.length++ * this.#columns
    if (cell + 6 > this.#cells.length) {
      const grown = new Uint32Array(this.#cells.length * 2)
      grown.set(this.#cells)
      this.#cells = grown
    }
    // The sixth of a row of five is overwritten by the next row.
    this.#cells[cell] = a
    this.#cells[cell + 1] = b
    this.#cells[cell + 2] = c
    this.#cells[cell + 3] = d
    this.#cells[cell + 4] = e
    this.#cells[cell + 5] = f
  }

  at(row: number, column: number): number {
    return this.#cells[row * this.#columns + column]!
  }

  set(row: number, column: number, value: number): void {
    this.#cells[row * this.#columns + column] = value
  }

  /** Writes all of it, little-endian, and answers where it ends. */
  write(into: Buffer, at: number): number {
    const count = this.length * this.#columns
    for (let cell = 0; cell < count; cell++) at = into.writeUInt32LE(this.#cells[cell]!, at)
    return at
  }
}

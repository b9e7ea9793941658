/**
 * Rows of up to 4,096 neighbouring ordinals, in one Int32Array of one of two shapes:
 * - sparse: a hash of (ordinal, row) pairs with linear probing, at most 3/4 full; 11 to 21 bytes an entry.
 * - dense: a cell an ordinal; 4 bytes an entry when full.
 * A page turns dense above 768 entries and sparse again below 384, so that an entry costs 43 bytes at worst and no
 * change of shape moves more than 768 entries.
 */

export const pageBits = 12
const pageOrdinals: number = 2 ** pageBits
const pageMask: number = pageOrdinals - 1

const sparseSlotsAtStart = 4
const sparseEntriesMax = 768
const sparseEntriesAgain = 384

/** Cells of dense pages that turned sparse, for the next that turns dense: 16 KiB each, which a queue that drains would leave behind by the hundred. */
const spareDense: Int32Array<ArrayBuffer>[] = []
const spareDenseMax = 64

export class RowPage {
  count = 0
  private cells = new Int32Array(sparseSlotsAtStart * 2).fill(-1)

  get bytesHeld(): number {
    return this.cells.byteLength
  }

  /** The row of an ordinal, or -1. Only the ordinal's low bits count, here and below. */
  get(ordinal: number): number {
    const cells = this.cells
    const low = ordinal & pageMask
    if (cells.length === pageOrdinals) return cells[low]!
    return cells[probe(cells, low) + 1]!
  }

  /** Answers whether the ordinal is new here. */
  set(ordinal: number, row: number): boolean {
    const low = ordinal & pageMask
    if (this.cells.length === pageOrdinals) {
      const isNew = this.cells[low] === -1
      this.cells[low] = row
      if (isNew) this.count++
      return isNew
    }
    const at = probe(this.cells, low)
    const isNew = this.cells[at] === -1
    this.cells[at] = low
    this.cells[at + 1] = row
    if (isNew) {
      this.count++
      if (this.count > sparseEntriesMax) this.makeDense()
      else if (this.count * 8 > this.cells.length * 3) this.makeSparse(this.cells.length)
    }
    return isNew
  }

  /** Answers whether the ordinal was here. */
  delete(ordinal: number): boolean {
    const low = ordinal & pageMask
    const cells = this.cells
    if (cells.length === pageOrdinals) {
      if (cells[low] === -1) return false
      cells[low] = -1
      this.count--
      if (this.count < sparseEntriesAgain) this.makeSparse(1024)
      return true
    }
    const at = probe(cells, low)
    if (cells[at] === -1) return false
    closeGap(cells, at)
    this.count--
    if (this.count * 16 < cells.length && cells.length > sparseSlotsAtStart * 2) this.makeSparse(cells.length / 4)
    return true
  }

  private makeDense(): void {
    const old = this.cells
    const cells = (spareDense.pop() ?? new Int32Array(pageOrdinals)).fill(-1)
    for (let at = 0; at < old.length; at += 2) if (old[at] !== -1) cells[old[at]!] = old[at + 1]!
    this.cells = cells
  }

  private makeSparse(slots: number): void {
    const old = this.cells
    const cells = new Int32Array(slots * 2).fill(-1)
    const wasDense = old.length === pageOrdinals
    for (let at = 0; at < old.length; at += wasDense ? 1 : 2) {
      if (old[at] === -1) continue
      const low = wasDense ? at : old[at]!
      const to = probe(cells, low)
      cells[to] = low
      cells[to + 1] = wasDense ? old[at]! : old[at + 1]!
    }
    this.cells = cells
    if (wasDense && spareDense.length < spareDenseMax) spareDense.push(old)
  }
}

/** Where an ordinal's pair would best stand; the multiplier spreads runs and strides alike (Fibonacci hashing). */
function home(low: number, cellsLength: number): number {
  return (Math.imul(low, 0x9e3779b1) >>> (Math.clz32(cellsLength) + 1)) & -2
}

/** Where an ordinal's pair stands, or the empty pair where it belongs. There always is one. */
function probe(cells: Int32Array, low: number): number {
  const mask = cells.length - 1
  let at = home(low, cells.length)
  while (cells[at] !== low && cells[at] !== -1) at = (at + 2) & mask
  return at
}

/** Empties a pair, and moves up those behind it that were pushed past it. */
function closeGap(cells: Int32Array, gap: number): void {
  const mask = cells.length - 1
  let at = gap
  for (;;) {
    at = (at + 2) & mask
    const low = cells[at]!
    if (low === -1) break
    if (((at - home(low, cells.length)) & mask) >= ((at - gap) & mask)) {
      cells[gap] = low
      cells[gap + 1] = cells[at + 1]!
      gap = at
    }
  }
  cells[gap] = -1
  cells[gap + 1] = -1
}

/**
 * The index of a segment in memory: hours and blocks in typed arrays, 52 bytes for an hour with one block. Answers where
 * things are; offsets within an hour are sums of sizes. Pure.
 */

import { hourLimit, hourMs } from '../../model/units.ts'
import { directoryBytes, foreignRowBytes, nativeRowBytes, runBytes, type PageRun } from './hour-directory.ts'
import type { SegmentKey } from './segment-entry.ts'
import {
  blockBytesMax,
  blockHeaderBytes,
  blockRowBytes,
  blocksAt,
  hourBlocksMax,
  hourRowBytes,
  type Footer,
} from './segment-format.ts'

const hourColumns = hourRowBytes / 4
const blockColumns = blockRowBytes / 4

/** Where a cursor stands: position of an hour, and of a block in the file. */
export interface BlockPlace {
  readonly position: number
  readonly block: number
}

export class SegmentIndex {
  readonly hours: number
  readonly blocks: number
  /** hour, count, first block, foreign count, least and greatest native ordinal */
  readonly #hours: Uint32Array
  /** entries' bytes, count, first orderAt - start of hour, first home hour, first ordinal */
  readonly #blocks: Uint32Array
  readonly #offsets: Float64Array

  private constructor(hours: Uint32Array, blocks: Uint32Array, offsets: Float64Array) {
    this.#hours = hours
    this.#blocks = blocks
    this.#offsets = offsets
    this.hours = hours.length / hourColumns
    this.blocks = blocks.length / blockColumns
  }

  /** The index, or in words what is wrong with it. Its checksum was compared before. */
  static decode(bytes: Buffer, footer: Footer): SegmentIndex | string {
    const hours = new Uint32Array(footer.hours * hourColumns)
    const blocks = new Uint32Array(footer.blocks * blockColumns)
    for (let cell = 0; cell < hours.length; cell++) hours[cell] = bytes.readUInt32LE(cell * 4)
    const blocksFrom = hours.length * 4
    for (let cell = 0; cell < blocks.length; cell++) blocks[cell] = bytes.readUInt32LE(blocksFrom + cell * 4)
    const offsets = new Float64Array(footer.hours)
    const index = new SegmentIndex(hours, blocks, offsets)
    return index.#check(footer) ?? index
  }

  /** Also turns numbers of blocks into first blocks, and fills in the offsets. */
  #check(footer: Footer): string | undefined {
    let offset = blocksAt
    let block = 0
    let total = 0
    for (let position = 0; position < this.hours; position++) {
      const cell = position * hourColumns
      const hour = this.hourAt(position)
      const blocks = this.#hours[cell + 2]!
      const foreign = this.foreignCountAt(position)
      if (hour >= hourLimit || (position > 0 && hour <= this.hourAt(position - 1))) return 'its hours do not ascend'
      if (blocks === 0 || blocks > hourBlocksMax || block + blocks > this.blocks)
        return `hour ${hour} has ${blocks} blocks`
      if (foreign > this.countAt(position)) return `hour ${hour} has more foreign tasks than tasks`
      this.#hours[cell + 2] = block
      this.#offsets[position] = offset
      let count = 0
      for (const end = block + blocks; block < end; block++) {
        const wrong = this.#checkBlock(block, block === end - blocks)
        if (wrong) return `block ${block}, in hour ${hour}, cannot be as it is described`
        count += this.blockCount(block)
        offset += this.blockBytes(block)
      }
      if (count !== this.countAt(position)) return `the blocks of hour ${hour} have ${count} tasks`
      offset += directoryBytes(count, foreign)
      total += count
    }
    if (block !== this.blocks || total !== footer.count || offset !== footer.indexOffset) {
      return 'its totals are not those of the footer'
    }
    if (this.hourAt(0) !== footer.hourFrom || this.hourAt(this.hours - 1) !== footer.hourTo) {
      return 'its hours are not those of the footer'
    }
    return undefined
  }

  #checkBlock(block: number, isFirst: boolean): boolean {
    const cell = block * blockColumns
    const bytes = this.#blocks[cell]!
    const count = this.#blocks[cell + 1]!
    if (count === 0 || count > bytes || (bytes > blockBytesMax && count > 1)) return true
    if (this.#blocks[cell + 2]! >= hourMs || this.#blocks[cell + 3]! >= hourLimit) return true
    if (isFirst) return false
    const before = cell - blockColumns
    for (let column = 2; column < blockColumns; column++) {
      const step = this.#blocks[cell + column]! - this.#blocks[before + column]!
      if (step !== 0) return step < 0
    }
    return true
  }

  hourAt(position: number): number {
    return this.#hours[position * hourColumns]!
  }

  countAt(position: number): number {
    return this.#hours[position * hourColumns + 1]!
  }

  firstBlockAt(position: number): number {
    return position === this.hours ? this.blocks : this.#hours[position * hourColumns + 2]!
  }

  foreignCountAt(position: number): number {
    return this.#hours[position * hourColumns + 3]!
  }

  ordinalMinAt(position: number): number {
    return this.#hours[position * hourColumns + 4]!
  }

  ordinalMaxAt(position: number): number {
    return this.#hours[position * hourColumns + 5]!
  }

  /** With its header. */
  blockBytes(block: number): number {
    return blockHeaderBytes + this.#blocks[block * blockColumns]!
  }

  blockCount(block: number): number {
    return this.#blocks[block * blockColumns + 1]!
  }

  /** Counted from the start of the hour. */
  blockFirstAt(block: number): number {
    return this.#blocks[block * blockColumns + 2]!
  }

  /** Whether this is the key of a block's first entry. */
  startsWith(block: number, position: number, entry: SegmentKey): boolean {
    const cell = block * blockColumns
    return (
      this.#blocks[cell + 2] === entry.orderAt - this.hourAt(position) * hourMs &&
      this.#blocks[cell + 3] === entry.homeHour &&
      this.#blocks[cell + 4] === entry.ordinal
    )
  }

  /** The first position whose hour is not before `hour`. */
  positionFrom(hour: number): number {
    let low = 0
    let high = this.hours
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.hourAt(middle) < hour) low = middle + 1
      else high = middle
    }
    return low
  }

  /** -1 when the segment has nothing of the hour. */
  positionOf(hour: number): number {
    const position = this.positionFrom(hour)
    return position < this.hours && this.hourAt(position) === hour ? position : -1
  }

  /** Takes as long as the hour has blocks. */
  blockOffset(position: number, block: number): number {
    let offset = this.#offsets[position]!
    for (let before = this.firstBlockAt(position); before < block; before++) offset += this.blockBytes(before)
    return offset
  }

  /** Where native and foreign rows of an hour's directory are. */
  runsOf(position: number): { native: PageRun; foreign: PageRun } {
    const offset = this.blockOffset(position, this.firstBlockAt(position + 1))
    const foreignCount = this.foreignCountAt(position)
    const count = this.countAt(position) - foreignCount
    return {
      native: { offset, count, rowBytes: nativeRowBytes },
      foreign: { offset: offset + runBytes(count, nativeRowBytes), count: foreignCount, rowBytes: foreignRowBytes },
    }
  }

  /** Of the directory after an hour's blocks. */
  directoryBytesAt(position: number): number {
    return directoryBytes(this.countAt(position), this.foreignCountAt(position))
  }

  /** The block in which the first entry behind a key is, or the one before it. */
  placeAfter(key: SegmentKey | undefined): BlockPlace {
    if (key === undefined) return { position: 0, block: 0 }
    const position = this.positionFrom(key.hour)
    const first = this.firstBlockAt(position)
    if (position === this.hours || this.hourAt(position) > key.hour) return { position, block: first }
    let low = first
    let high = this.firstBlockAt(position + 1)
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#startsAfter(middle, key)) high = middle
      else low = middle + 1
    }
    return { position, block: Math.max(first, low - 1) }
  }

  #startsAfter(block: number, key: SegmentKey): boolean {
    const cell = block * blockColumns
    const at = this.#blocks[cell + 2]! - (key.orderAt - key.hour * hourMs)
    if (at !== 0) return at > 0
    const home = this.#blocks[cell + 3]! - key.homeHour
    return home !== 0 ? home > 0 : this.#blocks[cell + 4]! > key.ordinal
  }
}

/**
 * Walks the entries of one segment in key order, from any key on, reading ahead in bounded steps.
 *
 *   needsFill --fill--> current is an entry --advance--> current, or needsFill, or at the end (current undefined, no fill)
 *
 * Invariants
 * - `current` is one object whose fields change with `advance`; payload and extras of it hold until the next `fill`.
 * - Every task of the range is either handed out, or counted in `damage` with the block it lies in: never neither.
 * - The file is held from the first fill to the end or `close`.
 */

import { packId } from '../../model/ids.ts'
import { MalformedBytes } from '../../model/msgpack.ts'
import { readFully } from '../../platform/full-io.ts'
import type { DiskFile } from '../../platform/ports.ts'
import type { EntryReader } from './entry-reader.ts'
import type { SegmentEntry, SegmentKey } from './segment-entry.ts'
import { blockHeaderBytes } from './segment-format.ts'
import { blockMatches, describeBlock, entryReaderOf, type DamagedBlock, type SegmentParts } from './segment-parts.ts'

export interface CursorOptions {
  /** How much one fill reads, unless a block is larger. Default 256 KiB. */
  readonly readAheadBytes?: number | undefined
  /** The last hour that is wanted. */
  readonly hourTo?: number | undefined
}

/** An entry under a cursor, which is a key as well: that of going on behind it. */
export type CursorEntry = SegmentEntry & SegmentKey

const readAheadBytesDefault = 262_144

export class SegmentCursor {
  current: CursorEntry | undefined
  needsFill = true
  /** What was found damaged so far. The reader of it may take items away. */
  damage: DamagedBlock[] = []
  readonly #parts: SegmentParts
  readonly #reader: EntryReader
  readonly #readAheadBytes: number
  /** The first block that is not wanted. */
  readonly #blocksEnd: number
  /** Entries up to here were handed out before. */
  #after: SegmentKey | undefined
  #file: DiskFile | undefined
  #filling = false
  #closed = false

  /** The block to be entered next, the position of its hour, and its offset in the file. */
  #block: number
  #position: number
  #offset: number
  /** What was read: file offset `#base` is at 0, and blocks before `#windowEnd` are in it. */
  #bytes: Buffer = Buffer.alloc(0)
  #buffer: Buffer = Buffer.alloc(0)
  #base = 0
  #windowEnd = 0
  readonly #bad: Set<number> = new Set()

  /** The block being read, -1 before the first, and how many of its entries were. */
  #open = -1
  #openPosition = 0
  #openOffset = 0
  #read = 0
  #lastAt = 0
  #lastHome = 0
  #lastOrdinal = 0
  #malformed = false

  /** `after` undefined: from the first entry on. Of an hour the segment does not have: from the next one it has. */
  constructor(parts: SegmentParts, after: SegmentKey | undefined, options: CursorOptions = {}) {
    const { index } = parts
    this.#parts = parts
    this.#reader = entryReaderOf(parts)
    this.#after = after
    this.#readAheadBytes = options.readAheadBytes ?? readAheadBytesDefault
    const { hourTo } = options
    this.#blocksEnd = hourTo === undefined ? index.blocks : index.firstBlockAt(index.positionFrom(hourTo + 1))
    const { position, block } = index.placeAfter(after)
    this.#position = position
    this.#block = block
    this.#windowEnd = block
    this.#offset = block < index.blocks ? index.blockOffset(position, block) : 0
    if (block >= this.#blocksEnd) this.needsFill = false
  }

  /** Of the block that the current entry lies in. */
  get blockOffset(): number {
    return this.#openOffset
  }

  /** Reads on until there is a current entry or the end. Nothing else may be called meanwhile but `close`. */
  async fill(): Promise<void> {
    if (!this.needsFill || this.#closed) return
    this.#filling = true
    try {
      this.#file ??= await this.#parts.file.take()
      while (this.needsFill && !this.#closed) {
        if (this.#malformed) await this.#passMalformed()
        else await this.#readWindow(this.#file)
        this.#step()
      }
    } finally {
      this.#filling = false
      if (this.#closed) {
        this.current = undefined
        this.needsFill = false
      }
      if (!this.needsFill) await this.#releaseIfDone()
    }
  }

  advance(): void {
    if (this.current !== undefined) this.#step()
  }

  /** Lets go of the file. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    this.current = undefined
    this.needsFill = false
    if (!this.#filling) await this.#releaseIfDone()
  }

  async #releaseIfDone(): Promise<void> {
    if (this.#file === undefined || this.current !== undefined) return
    this.#file = undefined
    await this.#parts.file.release()
  }

  /** Moves to the next entry in the window that was not handed out. */
  #step(): void {
    const reader = this.#reader
    this.current = undefined
    this.needsFill = false
    for (;;) {
      if (this.#open < 0 || reader.isAtEnd) {
        if (this.#open >= 0 && this.#read !== this.#parts.index.blockCount(this.#open)) return this.#stopMalformed()
        if (!this.#enterBlock()) {
          this.needsFill = this.#block < this.#blocksEnd
          if (!this.needsFill && !this.#filling) void this.#releaseIfDone().catch(() => undefined)
          return
        }
        continue
      }
      if (this.#read === this.#parts.index.blockCount(this.#open)) return this.#stopMalformed()
      try {
        reader.next()
      } catch (error) {
        if (error instanceof MalformedBytes) return this.#stopMalformed()
        throw error
      }
      if (!this.#isInPlace()) return this.#stopMalformed()
      this.#read++
      this.#lastAt = reader.orderAt
      this.#lastHome = reader.homeHour
      this.#lastOrdinal = reader.ordinal
      if (this.#after !== undefined) {
        if (compareKeys(reader, this.#after) <= 0) continue
        this.#after = undefined
      }
      this.current = reader
      return
    }
  }

  #isInPlace(): boolean {
    const { orderAt, homeHour, ordinal } = this.#reader
    if (this.#read === 0) return this.#parts.index.startsWith(this.#open, this.#openPosition, this.#reader)
    if (orderAt > this.#lastAt) return true
    if (orderAt < this.#lastAt) return false
    return homeHour === this.#lastHome ? ordinal > this.#lastOrdinal : homeHour > this.#lastHome
  }

  #stopMalformed(): void {
    this.#malformed = true
    this.needsFill = true
  }

  /** Enters the next good block of the window, if there is one. */
  #enterBlock(): boolean {
    const { index } = this.#parts
    this.#open = -1
    while (this.#block < this.#windowEnd) {
      const block = this.#block
      const at = this.#offset - this.#base
      if (!this.#bad.has(block)) {
        this.#open = block
        this.#openPosition = this.#position
        this.#openOffset = this.#offset
        this.#read = 0
        const end = at + index.blockBytes(block)
        this.#reader.start(this.#bytes, at + blockHeaderBytes, end, index.hourAt(this.#position))
      }
      this.#passBlock()
      if (this.#open >= 0) return true
    }
    return false
  }

  #passBlock(): void {
    const { index } = this.#parts
    this.#offset += index.blockBytes(this.#block++)
    if (this.#block !== index.firstBlockAt(this.#position + 1)) return
    this.#offset += index.directoryBytesAt(this.#position++)
  }

  async #readWindow(file: DiskFile): Promise<void> {
    const { index } = this.#parts
    this.#open = -1
    this.#base = this.#offset
    this.#windowEnd = this.#block
    const places: { block: number; position: number; at: number }[] = []
    let at = 0
    let position = this.#position
    let length = 0
    while (this.#windowEnd < this.#blocksEnd) {
      const end = at + index.blockBytes(this.#windowEnd)
      if (length > 0 && end > this.#readAheadBytes) break
      places.push({ block: this.#windowEnd, position, at })
      length = end
      at = end
      if (++this.#windowEnd === index.firstBlockAt(position + 1)) at += index.directoryBytesAt(position++)
    }
    if (this.#buffer.length < length) this.#buffer = Buffer.allocUnsafeSlow(length)
    this.#bytes = this.#buffer.subarray(0, await readFully(file, this.#buffer.subarray(0, length), this.#base))
    this.#bad.clear()
    for (const place of places) {
      if (blockMatches(this.#parts, this.#bytes, place.at, this.#base + place.at, place.position, place.block)) continue
      this.#bad.add(place.block)
      this.damage.push(await describeBlock(this.#parts, file, place.position, place.block))
    }
  }

  /** A block whose checksum is right and whose entries are not: what was read of it stands, the rest is damage. */
  async #passMalformed(): Promise<void> {
    const { index } = this.#parts
    const read = new Set<number>()
    const again = entryReaderOf(this.#parts)
    const offset = index.blockOffset(this.#openPosition, this.#open)
    const at = offset - this.#base
    const end = at + index.blockBytes(this.#open)
    again.start(this.#bytes, at + blockHeaderBytes, end, index.hourAt(this.#openPosition))
    for (let count = 0; count < this.#read; count++) {
      again.next()
      read.add(packId(again.homeHour, again.ordinal))
    }
    this.damage.push(await describeBlock(this.#parts, this.#file!, this.#openPosition, this.#open, read))
    this.#malformed = false
    this.#open = -1
  }
}

function compareKeys(one: SegmentKey, other: SegmentKey): number {
  return (
    one.hour - other.hour || one.orderAt - other.orderAt || one.homeHour - other.homeHour || one.ordinal - other.ordinal
  )
}

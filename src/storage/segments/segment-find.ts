/**
 * Finds one task of a segment: a page or few of the hour's directory, then one block. When the directory cannot be relied on,
 * all blocks of the hour are searched, so that a damaged page loses nobody.
 */

import { packId } from '../../model/ids.ts'
import { MalformedBytes } from '../../model/msgpack.ts'
import type { DiskFile } from '../../platform/ports.ts'
import { lowerBound, pageOffset, pagesOf, type PageRun } from './hour-directory.ts'
import type { SegmentEntry } from './segment-entry.ts'
import {
  describeBlock,
  describeDirectory,
  entryReaderOf,
  readEntries,
  readPage,
  type DamagedBlock,
  type SegmentParts,
} from './segment-parts.ts'

/** Probes by interpolation before bisection, which is slower for ids that are spread evenly but has a bound. */
const guessesMax = 3

/** What is looked for, and where. */
export interface Wanted {
  /** Of the hour in the index. */
  readonly position: number
  readonly homeHour: number
  readonly ordinal: number
}

export function findEntry(
  parts: SegmentParts,
  file: DiskFile,
  wanted: Wanted,
  damaged: (damage: DamagedBlock) => void,
): Promise<SegmentEntry | undefined | 'damaged'> {
  return new Search(parts, file, wanted, damaged).run()
}

/** A row says a block of the hour; without one, the page is damaged. */
type Row = { readonly pageAt: number; readonly block: number } | { readonly pageAt: number }

class Search {
  readonly #parts: SegmentParts
  readonly #file: DiskFile
  readonly #wanted: Wanted
  readonly #damaged: (damage: DamagedBlock) => void

  constructor(parts: SegmentParts, file: DiskFile, wanted: Wanted, damaged: (damage: DamagedBlock) => void) {
    this.#parts = parts
    this.#file = file
    this.#wanted = wanted
    this.#damaged = damaged
  }

  async run(): Promise<SegmentEntry | undefined | 'damaged'> {
    const { index } = this.#parts
    const { position, homeHour, ordinal } = this.#wanted
    const { native, foreign } = index.runsOf(position)
    const isNative = index.hourAt(position) === homeHour
    const run = isNative ? native : foreign
    if (run.count === 0) return undefined
    const ordinalMin = isNative ? index.ordinalMinAt(position) : 0
    const ordinalMax = isNative ? index.ordinalMaxAt(position) : 0
    if (isNative && (ordinal < ordinalMin || ordinal > ordinalMax)) return undefined
    const bounds = { least: packId(homeHour, ordinalMin), greatest: packId(homeHour, ordinalMax) }
    const row = await this.#row(run, isNative ? bounds : undefined)
    if (row === undefined) return undefined
    if ('block' in row) {
      const found = await this.#inBlock(index.firstBlockAt(position) + row.block)
      if (found !== undefined) return found
    }
    this.#damaged(describeDirectory(this.#parts, position, row.pageAt))
    return this.#inAllBlocks()
  }

  async #row(run: PageRun, bounds: { least: number; greatest: number } | undefined): Promise<Row | undefined> {
    const { position, homeHour, ordinal } = this.#wanted
    const id = packId(homeHour, ordinal)
    let low = 0
    let high = pagesOf(run) - 1
    let { least, greatest } = bounds ?? { least: 0, greatest: 0 }
    for (let probes = 0; low <= high; probes++) {
      const guesses = bounds !== undefined && probes < guessesMax && greatest > least
      const share = guesses ? (id - least) / (greatest - least) : 0.5
      const page = Math.min(high, low + Math.floor(share * (high - low + 1)))
      const rows = await readPage(this.#parts, this.#file, position, run, page)
      const pageAt = pageOffset(run, page)
      if (rows === undefined) return { pageAt }
      if (id < rows.ids[0]!) {
        high = page - 1
        greatest = rows.ids[0]!
      } else if (id > rows.ids[rows.count - 1]!) {
        low = page + 1
        least = rows.ids[rows.count - 1]!
      } else {
        const row = lowerBound(rows.ids, rows.count, id)
        return rows.ids[row] === id ? { pageAt, block: rows.blocks[row]! } : undefined
      }
    }
    return undefined
  }

  async #inAllBlocks(): Promise<SegmentEntry | undefined | 'damaged'> {
    const { index } = this.#parts
    const { position } = this.#wanted
    let isDamaged = false
    for (let block = index.firstBlockAt(position); block < index.firstBlockAt(position + 1); block++) {
      const found = await this.#inBlock(block)
      if (found === 'damaged') isDamaged = true
      else if (found !== undefined) return found
    }
    return isDamaged ? 'damaged' : undefined
  }

  /** Undefined when a good block does not have it; a bad one is reported. */
  async #inBlock(block: number): Promise<SegmentEntry | undefined | 'damaged'> {
    const { position, homeHour, ordinal } = this.#wanted
    const entries = await readEntries(this.#parts, this.#file, position, block)
    if (entries !== undefined) {
      const reader = entryReaderOf(this.#parts)
      reader.start(entries, 0, entries.length, this.#parts.index.hourAt(position))
      try {
        while (!reader.isAtEnd) {
          reader.next()
          if (reader.ordinal === ordinal && reader.homeHour === homeHour) return reader.copy()
        }
        return undefined
      } catch (error) {
        if (!(error instanceof MalformedBytes)) throw error
      }
    }
    this.#damaged(await describeBlock(this.#parts, this.#file, position, block))
    return 'damaged'
  }
}

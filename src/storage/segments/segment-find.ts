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

export async function findEntry(
  parts: SegmentParts,
  file: DiskFile,
  position: number,
  homeHour: number,
  ordinal: number,
  damaged: (damage: DamagedBlock) => void,
): Promise<SegmentEntry | undefined | 'damaged'> {
  const { index } = parts
  const { native, foreign } = index.runsOf(position)
  const isNative = index.hourAt(position) === homeHour
  const run = isNative ? native : foreign
  if (run.count === 0) return undefined
  const ordinalMin = isNative ? index.ordinalMinAt(position) : 0
  const ordinalMax = isNative ? index.ordinalMaxAt(position) : 0
  if (isNative && (ordinal < ordinalMin || ordinal > ordinalMax)) return undefined
  const bounds = { least: packId(homeHour, ordinalMin), greatest: packId(homeHour, ordinalMax) }
  const row = await findRow(parts, file, position, run, packId(homeHour, ordinal), isNative ? bounds : undefined)
  if (row === undefined) return undefined
  if ('block' in row) {
    const block = index.firstBlockAt(position) + row.block
    const found = await findInBlock(parts, file, position, block, homeHour, ordinal)
    if (found === 'damaged') damaged(await describeBlock(parts, file, position, block))
    if (found !== undefined) return found
  }
  damaged(describeDirectory(parts, position, row.pageAt))
  return searchBlocks(parts, file, position, homeHour, ordinal, damaged)
}

/** A row says a block of the hour; without one, the page is damaged. */
type Row = { readonly pageAt: number; readonly block: number } | { readonly pageAt: number }

async function findRow(
  parts: SegmentParts,
  file: DiskFile,
  position: number,
  run: PageRun,
  id: number,
  bounds: { least: number; greatest: number } | undefined,
): Promise<Row | undefined> {
  let low = 0
  let high = pagesOf(run) - 1
  let { least, greatest } = bounds ?? { least: 0, greatest: 0 }
  for (let probes = 0; low <= high; probes++) {
    const guesses = bounds !== undefined && probes < guessesMax && greatest > least
    const share = guesses ? (id - least) / (greatest - least) : 0.5
    const page = Math.min(high, low + Math.floor(share * (high - low + 1)))
    const rows = await readPage(parts, file, position, run, page)
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

/** Undefined when a good block does not have it. */
async function findInBlock(
  parts: SegmentParts,
  file: DiskFile,
  position: number,
  block: number,
  homeHour: number,
  ordinal: number,
): Promise<SegmentEntry | undefined | 'damaged'> {
  const entries = await readEntries(parts, file, position, block)
  if (entries === undefined) return 'damaged'
  const reader = entryReaderOf(parts)
  reader.start(entries, 0, entries.length, parts.index.hourAt(position))
  try {
    while (!reader.isAtEnd) {
      reader.next()
      if (reader.ordinal === ordinal && reader.homeHour === homeHour) return reader.copy()
    }
  } catch (error) {
    if (error instanceof MalformedBytes) return 'damaged'
    throw error
  }
  return undefined
}

async function searchBlocks(
  parts: SegmentParts,
  file: DiskFile,
  position: number,
  homeHour: number,
  ordinal: number,
  damaged: (damage: DamagedBlock) => void,
): Promise<SegmentEntry | undefined | 'damaged'> {
  const { index } = parts
  let isDamaged = false
  for (let block = index.firstBlockAt(position); block < index.firstBlockAt(position + 1); block++) {
    const found = await findInBlock(parts, file, position, block, homeHour, ordinal)
    if (found === 'damaged') {
      isDamaged = true
      damaged(await describeBlock(parts, file, position, block))
    } else if (found !== undefined) return found
  }
  return isDamaged ? 'damaged' : undefined
}

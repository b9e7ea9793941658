/**
 * What the readers of one open segment share, and how they read its blocks and directories. A read error rejects; bytes
 * that are not what they should be are an answer.
 */

import { homeHourOf, ordinalOf } from '../../model/ids.ts'
import { readFully } from '../../platform/full-io.ts'
import type { DiskFile } from '../../platform/ports.ts'
import type { SegmentMeta } from '../file-meta.ts'
import { decodePage, pageBytes, pageOffset, pagesOf, type HourDirectory, type PageRun } from './hour-directory.ts'
import { EntryReader } from './entry-reader.ts'
import { blockHeaderBytes, blockIsSound } from './segment-format.ts'
import type { SegmentIndex } from './segment-index.ts'
import type { SharedFile } from './shared-file.ts'

export interface SegmentParts {
  readonly meta: SegmentMeta
  /** Without its directory. */
  readonly fileName: string
  readonly file: SharedFile
  readonly seed: number
  readonly lsnBase: number
  readonly index: SegmentIndex
}

export interface DamagedTask {
  readonly homeHour: number
  readonly ordinal: number
  readonly queue: number
}

/** A part of a segment that cannot be read. A block costs its tasks; a page of a directory costs none. */
export interface DamagedBlock {
  readonly part: 'block' | 'directory'
  readonly file: string
  readonly offset: number
  readonly hour: number
  /** Tasks lost with it. */
  readonly count: number
  /** Those tasks, as far as the directory can be read. */
  readonly ids: readonly DamagedTask[]
}

export function entryReaderOf(parts: SegmentParts): EntryReader {
  return new EntryReader(parts.lsnBase, parts.meta.kind === 'dead')
}

/** The bytes there are: fewer when the file has become shorter. */
export async function readPart(file: DiskFile, offset: number, bytes: number): Promise<Buffer> {
  const into = Buffer.allocUnsafe(bytes)
  return into.subarray(0, await readFully(file, into, offset))
}

/** The entries of a block, or undefined when it is damaged. */
export async function readEntries(
  parts: SegmentParts,
  file: DiskFile,
  position: number,
  block: number,
): Promise<Buffer | undefined> {
  const { index } = parts
  const offset = index.blockOffset(position, block)
  const bytes = await readPart(file, offset, index.blockBytes(block))
  return blockMatches(parts, bytes, 0, offset, position, block) ? bytes.subarray(blockHeaderBytes) : undefined
}

export function blockMatches(
  parts: SegmentParts,
  bytes: Buffer,
  at: number,
  offset: number,
  position: number,
  block: number,
): boolean {
  const { index, seed } = parts
  const entriesBytes = index.blockBytes(block) - blockHeaderBytes
  const count = index.blockCount(block)
  const header = { entriesBytes, count, hour: index.hourAt(position), firstAt: index.blockFirstAt(block) }
  return blockIsSound(bytes, at, seed, offset, header)
}

export async function readPage(
  parts: SegmentParts,
  file: DiskFile,
  position: number,
  run: PageRun,
  page: number,
): Promise<HourDirectory | undefined> {
  const { index, seed } = parts
  const bytes = await readPart(file, pageOffset(run, page), pageBytes(run, page))
  const blocks = index.firstBlockAt(position + 1) - index.firstBlockAt(position)
  return decodePage(run, page, index.hourAt(position), blocks, bytes, seed)
}

/** All pages of an hour that can be read: native tasks by id, then foreign ones by id. */
export async function readDirectory(parts: SegmentParts, file: DiskFile, position: number): Promise<HourDirectory> {
  const { native, foreign } = parts.index.runsOf(position)
  const capacity = native.count + foreign.count
  const ids = new Float64Array(capacity)
  const blocks = new Uint16Array(capacity)
  const queues = new Uint16Array(capacity)
  const damagedAt: number[] = []
  let count = 0
  for (const run of [native, foreign]) {
    for (let page = 0; page < pagesOf(run); page++) {
      const rows = await readPage(parts, file, position, run, page)
      if (rows === undefined) {
        damagedAt.push(pageOffset(run, page))
        continue
      }
      ids.set(rows.ids, count)
      blocks.set(rows.blocks, count)
      queues.set(rows.queues, count)
      count += rows.count
    }
  }
  return { count, ids, blocks, queues, damagedAt }
}

/** What is lost with a block; `read` are packed ids that were read from it all the same. */
export async function describeBlock(
  parts: SegmentParts,
  file: DiskFile,
  position: number,
  block: number,
  read: ReadonlySet<number> = new Set(),
): Promise<DamagedBlock> {
  const { index, fileName } = parts
  const directory = await readDirectory(parts, file, position)
  const blockInHour = block - index.firstBlockAt(position)
  const ids: DamagedTask[] = []
  for (let row = 0; row < directory.count; row++) {
    const id = directory.ids[row]!
    if (directory.blocks[row] !== blockInHour || read.has(id)) continue
    ids.push({ homeHour: homeHourOf(id), ordinal: ordinalOf(id), queue: directory.queues[row]! })
  }
  return {
    part: 'block',
    file: fileName,
    offset: index.blockOffset(position, block),
    hour: index.hourAt(position),
    count: index.blockCount(block) - read.size,
    ids,
  }
}

export function describeDirectory(parts: SegmentParts, position: number, offset: number): DamagedBlock {
  return { part: 'directory', file: parts.fileName, offset, hour: parts.index.hourAt(position), count: 0, ids: [] }
}

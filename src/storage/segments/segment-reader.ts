/**
 * A segment that was accepted at open: its header, head, footer and index are as the manifest says (docs/format.md, "Segment").
 * Blocks and directories are checked when they are read.
 *
 * Invariants
 * - No descriptor is held while nobody reads.
 * - After `close` finds and new cursors are refused; cursors under way read on, and let go of the file at their end.
 */

import { HourwheelError, refuse } from '../../model/errors.ts'
import { crc32, fileSeed } from '../../platform/checksum.ts'
import type { Disk, DiskFile } from '../../platform/ports.ts'
import { verifyFileHeader } from '../file-header.ts'
import { fileIdOfHex, segmentFileName, type SegmentMeta } from '../file-meta.ts'
import type { HourDirectory } from './hour-directory.ts'
import { SegmentCursor, type CursorOptions } from './segment-cursor.ts'
import type { SegmentEntry, SegmentKey } from './segment-entry.ts'
import { findEntry } from './segment-find.ts'
import { blocksAt, corruptSegment, decodeFooter, decodeHead, footerBytes, headAt, placeSeed } from './segment-format.ts'
import { SegmentIndex } from './segment-index.ts'
import { describeDirectory, readDirectory, readPart, type DamagedBlock, type SegmentParts } from './segment-parts.ts'
import { SharedFile } from './shared-file.ts'

export type { SegmentMeta } from '../file-meta.ts'
export type { HourDirectory } from './hour-directory.ts'
export type { CursorOptions, SegmentCursor } from './segment-cursor.ts'
export type { SegmentEntry, SegmentKey } from './segment-entry.ts'
export type { DamagedBlock } from './segment-parts.ts'

/** Verifies all but the tasks. Rejects with HW_CORRUPT or HW_FORMAT_NEWER, or with the disk's own error. */
export async function openSegment(disk: Disk, directory: string, meta: SegmentMeta): Promise<Segment> {
  const fileName = segmentFileName(meta)
  const file = new SharedFile(disk, `${directory}/${fileName}`)
  let handle: DiskFile
  try {
    handle = await file.take()
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENOENT') throw error
    throw corruptSegment(fileName, 0, meta.count, 'the file is missing')
  }
  try {
    return new Segment(await readParts(file, handle, fileName, meta))
  } finally {
    await file.release()
  }
}

async function readParts(
  file: SharedFile,
  handle: DiskFile,
  fileName: string,
  meta: SegmentMeta,
): Promise<SegmentParts> {
  const corrupt = (offset: number, what: string): HourwheelError => corruptSegment(fileName, offset, meta.count, what)
  const fileId = fileIdOfHex(meta.fileId)
  const seed = fileSeed(fileId)
  const start = await readPart(handle, 0, blocksAt)
  verifyHeader(start, fileName, meta, fileId)
  const size = await handle.size()
  if (size !== meta.bytes) throw corrupt(Math.min(size, meta.bytes), `it has ${size} bytes instead of ${meta.bytes}`)
  const lsnBase = decodeHead(seed, start.subarray(headAt))
  if (lsnBase === undefined) throw corrupt(headAt, 'the head is damaged')
  const footerAt = size - footerBytes
  const footer = decodeFooter(seed, size, await readPart(handle, footerAt, footerBytes))
  if (typeof footer === 'string') throw corrupt(footerAt, footer)
  const { count, lsnMin, lsnMax, hourFrom, hourTo } = footer
  const says = [footer.footerCrc, count, lsnMin, lsnMax, hourFrom, hourTo].join(' ')
  if (says !== [meta.footerCrc, meta.count, meta.lsnMin, meta.lsnMax, meta.hourFrom, meta.hourTo].join(' ')) {
    throw corrupt(footerAt, 'the footer is not the one that the manifest names')
  }
  const indexBytes = await readPart(handle, footer.indexOffset, footerAt - footer.indexOffset)
  if (crc32(indexBytes, placeSeed(seed, footer.indexOffset)) !== footer.indexCrc) {
    throw corrupt(footer.indexOffset, 'the checksum of the index is wrong')
  }
  const index = SegmentIndex.decode(indexBytes, footer)
  if (typeof index === 'string') throw corrupt(footer.indexOffset, `the index contradicts itself: ${index}`)
  return { meta, fileName, file, seed, lsnBase, index }
}

/** Adds the number of tasks to what the header's own check says. */
function verifyHeader(bytes: Buffer, fileName: string, meta: SegmentMeta, fileId: Buffer): void {
  try {
    const { flags } = verifyFileHeader(bytes, fileName, {
      kind: meta.kind === 'dead' ? 'dead' : 'segment',
      number: meta.number,
      fileId,
    })
    if (flags !== 0) throw corruptSegment(fileName, 12, meta.count, 'its header has flags that do not exist')
    if (bytes.length < blocksAt) throw corruptSegment(fileName, bytes.length, meta.count, 'the file is cut short')
  } catch (error) {
    if (!(error instanceof HourwheelError) || 'tasks' in error.details) throw error
    throw refuse(error.code, `${error.message} (${meta.count} tasks)`, {
      details: { ...error.details, tasks: meta.count },
    })
  }
}

export class Segment {
  readonly #parts: SegmentParts
  readonly #damage: Map<number, DamagedBlock> = new Map()

  constructor(parts: SegmentParts) {
    this.#parts = parts
  }

  get meta(): SegmentMeta {
    return this.#parts.meta
  }

  /** Place hours, ascending, and how many tasks each has. */
  get hours(): { hour: number; count: number }[] {
    const { index } = this.#parts
    return Array.from({ length: index.hours }, (_, position) => ({
      hour: index.hourAt(position),
      count: index.countAt(position),
    }))
  }

  /** How many tasks a place hour has. */
  countOf(hour: number): number {
    const position = this.#parts.index.positionOf(hour)
    return position < 0 ? 0 : this.#parts.index.countAt(position)
  }

  /** A cursor in front of the first entry strictly behind a key. It is to be closed, unless it is read to its end. */
  cursor(after?: SegmentKey | undefined, options?: CursorOptions | undefined): SegmentCursor {
    return new SegmentCursor(this.#parts, after, options)
  }

  /** The entry of a task that may be filed under `placeHour`. What is damaged is also kept for `takeDamage`. */
  async find(placeHour: number, homeHour: number, ordinal: number): Promise<SegmentEntry | undefined | 'damaged'> {
    const position = this.#parts.index.positionOf(placeHour)
    if (position < 0) return undefined
    return this.#reading((file) =>
      findEntry(this.#parts, file, { position, homeHour, ordinal }, (damage) =>
        this.#damage.set(damage.offset, damage),
      ),
    )
  }

  /** The tasks of an hour without reading them. Damaged pages are also kept for `takeDamage`. */
  async directory(hour: number): Promise<HourDirectory> {
    const position = this.#parts.index.positionOf(hour)
    if (position < 0) {
      return { count: 0, ids: new Float64Array(), blocks: new Uint16Array(), queues: new Uint16Array(), damagedAt: [] }
    }
    const found = await this.#reading((file) => readDirectory(this.#parts, file, position))
    for (const offset of found.damagedAt) this.#damage.set(offset, describeDirectory(this.#parts, position, offset))
    return found
  }

  /** What `find` and `directory` met since the last time, each part once. */
  takeDamage(): DamagedBlock[] {
    const damage = [...this.#damage.values()]
    this.#damage.clear()
    return damage
  }

  async close(): Promise<void> {
    await this.#parts.file.close()
  }

  async #reading<T>(read: (file: DiskFile) => Promise<T>): Promise<T> {
    const file = await this.#parts.file.take()
    try {
      return await read(file)
    } finally {
      await this.#parts.file.release()
    }
  }
}

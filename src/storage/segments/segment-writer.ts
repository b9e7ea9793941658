/**
 * Writes a segment from front to back (docs/format.md, "Segment"). Entries come in key order; memory is bounded by two
 * write buffers, the index, and the directory of the largest hour.
 *
 *   adding --add--> adding (needsFlush: call flush before the next add) --finish--> synced and closed
 *      any failure --abandon--> closed and, if that is possible, removed
 *
 * The caller syncs the directory and publishes the manifest; until then the file is nobody's.
 */

import { refuse } from '../../model/errors.ts'
import { hourLimit, hourMs } from '../../model/units.ts'
import { crc32, fileSeed } from '../../platform/checksum.ts'
import { writeFully } from '../../platform/full-io.ts'
import type { Disk, DiskFile, Random } from '../../platform/ports.ts'
import { encodeFileHeader, fileHeaderBytes, fileIdBytes } from '../file-header.ts'
import { hexOfFileId, segmentFileName, type SegmentKind, type SegmentMeta } from '../file-meta.ts'
import { spareBuffers } from '../spare-buffers.ts'
import { DirectoryBuilder } from './hour-directory.ts'
import { GrowingRows } from './growing-rows.ts'
import { entryBytesMax, orderAtOf, writeEntry, type SegmentEntry } from './segment-entry.ts'
import {
  blockBytesMax,
  blockHeaderBytes,
  blockRowBytes,
  encodeFooter,
  encodeHead,
  footerBytes,
  headAt,
  hourBlocksMax,
  hourRowBytes,
  placeSeed,
  sealBlock,
  blocksAt,
} from './segment-format.ts'

export interface WriteSegmentOptions {
  readonly directory: string
  readonly number: number
  readonly openCount: number
  readonly kind: SegmentKind
}

const writeBytesMin = 1 << 20
const nothing = Buffer.alloc(0)
const bufferBytes = writeBytesMin + (writeBytesMin >> 2)

/** Creates, writes and syncs a segment. On failure what was written is removed, as far as the disk lets it. */
export async function writeSegment(
  disk: Disk,
  random: Random,
  options: WriteSegmentOptions,
  entries: Iterable<SegmentEntry>,
): Promise<SegmentMeta> {
  const writer = await SegmentWriter.create(disk, random, options)
  try {
    for (const entry of entries) {
      if (writer.needsFlush) await writer.flush()
      writer.add(entry)
    }
    return await writer.finish()
  } catch (error) {
    await writer.abandon()
    throw error
  }
}

export class SegmentWriter {
  readonly #disk: Disk
  readonly #file: DiskFile
  readonly #options: WriteSegmentOptions
  readonly #fileId: Uint8Array
  readonly #seed: number
  /** What is not handed to the disk: file offset `#base` is at 0. */
  #buffer = spareBuffers.take(bufferBytes)
  #spare = spareBuffers.take(bufferBytes)
  #base = 0
  #at = 0
  #writing: Promise<void> = Promise.resolve()
  #closed = false

  #lsnBase = 0
  #lsnMin = Infinity
  #lsnMax = 0
  #count = 0
  readonly #hourRows = new GrowingRows(hourRowBytes / 4)
  readonly #blockRows = new GrowingRows(blockRowBytes / 4)
  readonly #directory = new DirectoryBuilder()
  /** The hour being written, and where in the buffer its open block is; -1 when there is none. */
  #hour = -1
  #hourCount = 0
  #hourBlocks = 0
  #blockAt = -1
  #blockCount = 0
  #lastAt = 0
  #lastHome = 0
  #lastOrdinal = 0

  private constructor(disk: Disk, file: DiskFile, options: WriteSegmentOptions, fileId: Uint8Array) {
    this.#disk = disk
    this.#file = file
    this.#options = options
    this.#fileId = fileId
    this.#seed = fileSeed(fileId)
  }

  static async create(disk: Disk, random: Random, options: WriteSegmentOptions): Promise<SegmentWriter> {
    const fileId = random.bytes(fileIdBytes)
    const file = await disk.open(`${options.directory}/${segmentFileName(options)}`, 'create')
    return new SegmentWriter(disk, file, options, fileId)
  }

  get needsFlush(): boolean {
    return this.#at >= writeBytesMin
  }

  /** Takes what it needs of the entry; it may be used again for the next one. */
  add(entry: SegmentEntry): void {
    const orderAt = orderAtOf(entry)
    const { placeHour, homeHour, ordinal, lsn } = entry
    if (!(placeHour === this.#hour && this.#isAfterLast(orderAt, homeHour, ordinal))) {
      if (!(placeHour > this.#hour)) throw misplaced(entry, 'it is not behind the one before')
      this.#startHour(placeHour, lsn)
    }
    if (entry.fireAt >= (placeHour + 1) * hourMs) throw misplaced(entry, 'its place hour is over before it fires')
    if ((entry.dead !== undefined) !== (this.#options.kind === 'dead'))
      throw misplaced(entry, 'it is of the other kind')
    this.#makeRoom(blockHeaderBytes * 2 + entryBytesMax(entry))
    if (this.#blockAt < 0) this.#startBlock()
    const at = this.#at
    const end = writeEntry(this.#buffer, at, entry, this.#lsnBase)
    this.#at = end
    if (this.#blockCount > 0 && end - this.#blockAt - blockHeaderBytes > blockBytesMax) {
      this.#at = at
      this.#endBlock()
      this.#startBlock()
      this.#buffer.copyWithin(this.#at, at, end)
      this.#at += end - at
    }
    if (this.#blockCount === 0) this.#describeBlock(orderAt, homeHour, ordinal)
    this.#blockCount++
    this.#hourCount++
    this.#count++
    this.#directory.add(homeHour, ordinal, this.#hourBlocks, entry.queue)
    this.#lastAt = orderAt
    this.#lastHome = homeHour
    this.#lastOrdinal = ordinal
    if (lsn < this.#lsnMin) this.#lsnMin = lsn
    if (lsn > this.#lsnMax) this.#lsnMax = lsn
  }

  /** Hands everything complete to the disk, once the write before is done. */
  async flush(): Promise<void> {
    const complete = this.#blockAt < 0 ? this.#at : this.#blockAt
    await this.#writing
    const full = this.#buffer
    if (this.#spare.length < full.length) {
      spareBuffers.give(this.#spare)
      this.#spare = spareBuffers.take(full.length)
    }
    full.copy(this.#spare, 0, complete, this.#at)
    this.#buffer = this.#spare
    this.#spare = full
    this.#writing = writeFully(this.#file, full.subarray(0, complete), this.#base)
    // Whoever awaits it next learns of a failure; until then it is not unhandled.
    this.#writing.catch(() => undefined)
    this.#base += complete
    this.#at -= complete
    if (this.#blockAt >= 0) this.#blockAt -= complete
  }

  async finish(): Promise<SegmentMeta> {
    if (this.#count === 0) throw refuse('HW_INTERNAL', 'a segment must have a task')
    this.#endHour()
    const indexOffset = this.#base + this.#at
    const { length: hours } = this.#hourRows
    const { length: blocks } = this.#blockRows
    this.#makeRoom(hours * hourRowBytes + blocks * blockRowBytes + footerBytes)
    const indexAt = this.#at
    this.#at = this.#blockRows.write(this.#buffer, this.#hourRows.write(this.#buffer, indexAt))
    const indexCrc = crc32(this.#buffer.subarray(indexAt, this.#at), placeSeed(this.#seed, indexOffset))
    const bytes = this.#base + this.#at + footerBytes
    const hourFrom = this.#hourRows.at(0, 0)
    const hourTo = this.#hour
    const { number, kind } = this.#options
    const totals = { count: this.#count, lsnMin: this.#lsnMin, lsnMax: this.#lsnMax, hourFrom, hourTo }
    const footer = encodeFooter(this.#seed, { ...totals, indexOffset, fileBytes: bytes, hours, blocks, indexCrc })
    footer.copy(this.#buffer, this.#at)
    this.#at += footerBytes
    await this.flush()
    await this.#writing
    await this.#file.sync()
    this.#closed = true
    await this.#file.close()
    this.#giveBuffers()
    return { number, kind, fileId: hexOfFileId(this.#fileId), bytes, footerCrc: footer.readUInt32LE(68), ...totals }
  }

  /** After a failure. Does not fail itself: a file that is left is removed at the next start. */
  async abandon(): Promise<void> {
    await this.#writing.catch(() => undefined)
    if (!this.#closed) await this.#file.close().catch(() => undefined)
    this.#closed = true
    this.#giveBuffers()
    await this.#disk.remove(this.#file.path).catch(() => undefined)
  }

  /** Nothing is written from them any more. */
  #giveBuffers(): void {
    this.#directory.release()
    spareBuffers.give(this.#buffer)
    spareBuffers.give(this.#spare)
    this.#buffer = this.#spare = nothing
  }

  #isAfterLast(orderAt: number, homeHour: number, ordinal: number): boolean {
    if (orderAt !== this.#lastAt) return orderAt > this.#lastAt
    return homeHour === this.#lastHome ? ordinal > this.#lastOrdinal : homeHour > this.#lastHome
  }

  #startHour(hour: number, lsn: number): void {
    if (hour >= hourLimit) throw refuse('HW_INTERNAL', `hour ${hour} is beyond the last one`)
    if (this.#hour < 0) this.#begin(lsn)
    else this.#endHour()
    this.#hour = hour
    this.#hourCount = 0
    this.#hourBlocks = 0
    this.#directory.start(hour)
  }

  #begin(lsnBase: number): void {
    this.#lsnBase = lsnBase
    const { number, kind, openCount } = this.#options
    const header = encodeFileHeader({
      kind: kind === 'dead' ? 'dead' : 'segment',
      fileId: this.#fileId,
      number,
      openCount,
    })
    header.copy(this.#buffer, 0, 0, fileHeaderBytes)
    encodeHead(this.#seed, lsnBase).copy(this.#buffer, headAt)
    this.#at = blocksAt
  }

  #startBlock(): void {
    if (this.#hourBlocks === hourBlocksMax) {
      throw refuse('HW_INTERNAL', `hour ${this.#hour} has more blocks than a segment can hold`)
    }
    this.#blockAt = this.#at
    this.#at += blockHeaderBytes
    this.#blockCount = 0
  }

  /** The block's row, but for its size. */
  #describeBlock(orderAt: number, homeHour: number, ordinal: number): void {
    this.#blockRows.add(0, 0, orderAt - this.#hour * hourMs, homeHour, ordinal, 0)
  }

  #endBlock(): void {
    const entriesBytes = this.#at - this.#blockAt - blockHeaderBytes
    const row = this.#blockRows.length - 1
    const offset = this.#base + this.#blockAt
    const firstAt = this.#blockRows.at(row, 2)
    const header = { entriesBytes, count: this.#blockCount, hour: this.#hour, firstAt }
    sealBlock(this.#buffer, this.#blockAt, this.#seed, offset, header)
    this.#blockRows.set(row, 0, entriesBytes)
    this.#blockRows.set(row, 1, this.#blockCount)
    this.#hourBlocks++
    this.#blockAt = -1
  }

  #endHour(): void {
    this.#endBlock()
    const directory = this.#directory
    const { ordinalMin, ordinalMax } = directory.sort()
    const { bytes } = directory
    this.#makeRoom(bytes)
    directory.write(this.#buffer, this.#at, this.#seed, this.#base + this.#at)
    this.#at += bytes
    this.#hourRows.add(this.#hour, this.#hourCount, this.#hourBlocks, directory.foreignCount, ordinalMin, ordinalMax)
  }

  #makeRoom(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return
    const grown = spareBuffers.take(Math.max(this.#buffer.length * 2, this.#at + bytes))
    this.#buffer.copy(grown, 0, 0, this.#at)
    spareBuffers.give(this.#buffer)
    this.#buffer = grown
  }
}

function misplaced(entry: SegmentEntry, why: string): Error {
  const { placeHour, homeHour, ordinal } = entry
  return refuse(
    'HW_INTERNAL',
    `task ${homeHour}.${ordinal} cannot be filed under hour ${placeHour} of a segment: ${why}`,
  )
}

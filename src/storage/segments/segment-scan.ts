/**
 * Reads what can be read of one segment that may be damaged. For inspection and salvage; `segment-reader.ts` is the one that
 * decides what may be relied on.
 *
 * With its index a segment is read block by block. When header, footer or index cannot be relied on, blocks are searched for
 * byte by byte: each carries its own checksum, bound to its place, so that nothing else is taken for one.
 */

import { MalformedBytes } from '../../model/msgpack.ts'
import { hourLimit, hourMs } from '../../model/units.ts'
import { fileSeed } from '../../platform/checksum.ts'
import type { Disk, DiskFile } from '../../platform/ports.ts'
import { fileHeaderBytes, verifyFileHeader } from '../file-header.ts'
import { fileIdOfHex, hexOfFileId, segmentFileName, type SegmentKind, type SegmentMeta } from '../file-meta.ts'
import { EntryReader } from './entry-reader.ts'
import { directoryBytes } from './hour-directory.ts'
import type { CursorEntry } from './segment-cursor.ts'
import {
  blockBytesMax,
  blockHeaderBytes,
  blockIsSound,
  blocksAt,
  decodeFooter,
  decodeHead,
  footerBytes,
  headAt,
} from './segment-format.ts'
import { readPart } from './segment-parts.ts'
import { openSegment, type Segment } from './segment-reader.ts'

export interface SegmentName {
  readonly kind: SegmentKind
  readonly number: number
}

export interface SegmentLoss {
  readonly offset: number
  readonly what: string
  /** Entries lost with it, where that is known. */
  readonly tasks: number | undefined
}

export interface ScannedSegment {
  /** What header and footer say, or the manifest; undefined when neither can be read. */
  readonly meta: SegmentMeta | undefined
  readonly isSound: boolean
  readonly entries: number
  readonly losses: readonly SegmentLoss[]
}

export interface ScanOptions {
  /** False: their pages are not looked at. */
  readonly withDirectories?: boolean | undefined
}

/** Small, so that what was read of hundreds of files before this one does not add up before it is collected. */
const readAheadBytes = 1 << 16

/** Gets one object that changes from call to call, and the offset of its block. */
export type OnEntry = (entry: CursorEntry, blockOffset: number) => Promise<void> | undefined

const nameForm = /^(seg|dead)-(0|[1-9]\d{0,14})\.seg$/u

export function parseSegmentName(name: string): SegmentName | undefined {
  const match = nameForm.exec(name)
  return match === null ? undefined : { kind: match[1] === 'dead' ? 'dead' : 'tasks', number: Number(match[2]) }
}

/** What a segment says of itself, when no manifest does; undefined when it cannot be told. */
export async function describeSegment(
  disk: Disk,
  directory: string,
  name: SegmentName,
): Promise<SegmentMeta | undefined> {
  const fileName = segmentFileName(name)
  const file = await disk.open(`${directory}/${fileName}`, 'read')
  try {
    const bytes = await file.size()
    const kind = name.kind === 'dead' ? 'dead' : 'segment'
    const start = await readPart(file, 0, fileHeaderBytes)
    const { fileId } = verifyFileHeader(start, fileName, { kind, number: name.number })
    if (bytes < blocksAt + footerBytes) return undefined
    const footer = decodeFooter(fileSeed(fileId), bytes, await readPart(file, bytes - footerBytes, footerBytes))
    if (typeof footer === 'string') return undefined
    const { footerCrc, count, lsnMin, lsnMax, hourFrom, hourTo } = footer
    return { ...name, fileId: hexOfFileId(fileId), bytes, footerCrc, count, lsnMin, lsnMax, hourFrom, hourTo }
  } catch (error) {
    if ((error as { code?: unknown }).code === 'HW_CORRUPT') return undefined
    throw error
  } finally {
    await file.close()
  }
}

/** `meta` is what the manifest says, where there is one. Rejects only when the file cannot be opened. */
export async function scanSegment(
  disk: Disk,
  directory: string,
  name: SegmentName,
  meta: SegmentMeta | undefined,
  onEntry: OnEntry,
  options: ScanOptions = {},
): Promise<ScannedSegment> {
  const known = meta ?? (await describeSegment(disk, directory, name))
  if (known !== undefined) {
    let segment: Segment | undefined
    try {
      segment = await openSegment(disk, directory, known)
    } catch (error) {
      const { code, details, message } = error as { code?: unknown; details?: { offset?: number }; message: string }
      if (code !== 'HW_CORRUPT') throw error
      return await scanRaw(disk, directory, name, known, onEntry, { offset: details?.offset ?? 0, what: message })
    }
    return await scanByIndex(segment, known, onEntry, options)
  }
  const first = { offset: 0, what: 'neither its header nor its footer can be relied on' }
  return scanRaw(disk, directory, name, undefined, onEntry, first)
}

async function scanByIndex(
  segment: Segment,
  meta: SegmentMeta,
  onEntry: OnEntry,
  { withDirectories = true }: ScanOptions,
): Promise<ScannedSegment> {
  const cursor = segment.cursor(undefined, { readAheadBytes })
  let entries = 0
  try {
    for (const { hour } of segment.hours) {
      if (cursor.needsFill) await cursor.fill()
      // While the cursor holds the file: otherwise it would be opened anew for each.
      if (withDirectories) await segment.directory(hour)
      while (cursor.current?.hour === hour) {
        entries++
        const wait = onEntry(cursor.current, cursor.blockOffset)
        if (wait !== undefined) await wait
        cursor.advance()
        if (cursor.needsFill) await cursor.fill()
      }
    }
  } finally {
    await cursor.close()
    await segment.close()
  }
  const damage = [...cursor.damage, ...segment.takeDamage()]
  const losses = damage.map(({ offset, count, part }) => ({ offset, what: `a damaged ${part}`, tasks: count }))
  return { meta, isSound: losses.length === 0, entries, losses }
}

/** Blocks wherever they are. `first` says why that is needed. */
async function scanRaw(
  disk: Disk,
  directory: string,
  name: SegmentName,
  meta: SegmentMeta | undefined,
  onEntry: OnEntry,
  first: { readonly offset: number; readonly what: string },
): Promise<ScannedSegment> {
  const file = await disk.open(`${directory}/${segmentFileName(name)}`, 'read')
  try {
    const scan = new RawScan(file, await file.size(), name, meta)
    return await scan.run(onEntry, first)
  } finally {
    await file.close()
  }
}

class RawScan {
  readonly #file: DiskFile
  readonly #fileBytes: number
  readonly #name: SegmentName
  readonly #meta: SegmentMeta | undefined
  #seed = 0
  #window: Buffer = Buffer.alloc(0)
  #base = 0

  constructor(file: DiskFile, fileBytes: number, name: SegmentName, meta: SegmentMeta | undefined) {
    this.#file = file
    this.#fileBytes = fileBytes
    this.#name = name
    this.#meta = meta
  }

  async run(onEntry: OnEntry, first: { offset: number; what: string }): Promise<ScannedSegment> {
    const start = await readPart(this.#file, 0, blocksAt)
    const fileId = this.#meta === undefined ? Buffer.from(start.subarray(16, 32)) : fileIdOfHex(this.#meta.fileId)
    this.#seed = fileSeed(fileId)
    const losses: SegmentLoss[] = [{ ...first, tasks: undefined }]
    const head = start.length === blocksAt ? decodeHead(this.#seed, start.subarray(headAt)) : undefined
    const lsnBase = head ?? (await this.#lsnBaseFromEntries())
    let entries = 0
    if (lsnBase !== undefined) {
      entries = await this.#eachBlock(losses, async (bytes, offset, hour) => {
        const reader = new EntryReader(lsnBase, this.#name.kind === 'dead')
        reader.start(bytes, 0, bytes.length, hour)
        let read = 0
        try {
          for (; !reader.isAtEnd; read++) {
            reader.next()
            const wait = onEntry(reader, offset)
            if (wait !== undefined) await wait
          }
        } catch (error) {
          if (!(error instanceof MalformedBytes)) throw error
        }
        return read
      })
    } else losses.push({ offset: headAt, what: 'the LSNs of its entries cannot be told', tasks: this.#meta?.count })
    if (this.#meta !== undefined && lsnBase !== undefined) {
      losses[0] = { ...losses[0]!, tasks: this.#meta.count - entries }
    }
    return { meta: this.#meta, isSound: false, entries, losses }
  }

  /** The head is damaged: the entries are as far apart as the LSNs that the footer names, or their base is not known. */
  async #lsnBaseFromEntries(): Promise<number | undefined> {
    if (this.#meta === undefined) return undefined
    // Any base will do to see how far they are apart.
    const any = 2 ** 50
    let least = Infinity
    await this.#eachBlock([], (bytes, _offset, hour) => {
      const reader = new EntryReader(any, this.#name.kind === 'dead')
      reader.start(bytes, 0, bytes.length, hour)
      let read = 0
      try {
        for (; !reader.isAtEnd; read++) {
          reader.next()
          least = Math.min(least, reader.lsn)
        }
      } catch (error) {
        if (!(error instanceof MalformedBytes)) throw error
      }
      return Promise.resolve(read)
    })
    return least === Infinity ? undefined : this.#meta.lsnMin - (least - any)
  }

  /** Answers how many entries were read. */
  async #eachBlock(
    losses: SegmentLoss[],
    read: (entries: Buffer, offset: number, hour: number) => Promise<number>,
  ): Promise<number> {
    let total = 0
    let at = blocksAt
    /** Of the hour whose blocks were read last: where its directory would begin, and its counts. */
    let hour = -1
    let count = 0
    let gapAt = -1
    while (at + blockHeaderBytes <= this.#fileBytes) {
      const block = await this.#blockAt(at)
      if (block === undefined) {
        if (gapAt < 0) gapAt = at
        at++
        continue
      }
      if (gapAt >= 0 && !isDirectory(at - gapAt, count, hour === block.hour)) {
        losses.push({ offset: gapAt, what: 'damaged blocks', tasks: undefined })
      }
      if (gapAt >= 0 || block.hour !== hour) count = 0
      gapAt = -1
      hour = block.hour
      count += block.count
      const entries = Buffer.from(block.bytes)
      total += await read(entries, at, hour)
      at += blockHeaderBytes + entries.length
    }
    return total
  }

  async #blockAt(at: number): Promise<{ bytes: Buffer; hour: number; count: number } | undefined> {
    let here = await this.#need(at, blockHeaderBytes)
    const window = this.#window
    const bytes = window.readUInt32LE(here + 4)
    const count = window.readUInt32LE(here + 8)
    const hour = window.readUInt32LE(here + 12)
    const firstAt = window.readUInt32LE(here + 16)
    if (count === 0 || count > bytes || hour >= hourLimit || firstAt >= hourMs) return undefined
    if ((bytes > blockBytesMax && count > 1) || at + blockHeaderBytes + bytes > this.#fileBytes) return undefined
    here = await this.#need(at, blockHeaderBytes + bytes)
    if (!blockIsSound(this.#window, here, this.#seed, at, { entriesBytes: bytes, count, hour, firstAt }))
      return undefined
    const from = here + blockHeaderBytes
    return { bytes: this.#window.subarray(from, from + bytes), hour, count }
  }

  async #need(at: number, bytes: number): Promise<number> {
    if (at < this.#base || at + bytes > this.#base + this.#window.length) {
      this.#base = at
      this.#window = await readPart(this.#file, at, Math.min(this.#fileBytes - at, Math.max(bytes, 1 << 20)))
    }
    return at - this.#base
  }
}

/** Whether a stretch has the size of a directory of so many tasks, of which any number may be foreign. */
function isDirectory(bytes: number, count: number, isSameHour: boolean): boolean {
  if (isSameHour || count === 0) return false
  return bytes >= directoryBytes(count, 0) && bytes <= directoryBytes(count, count) + 4
}

/**
 * Reads one WAL file from its first frame to its end, verifying everything, and decides how it ended: the steps of
 * docs/format.md, "Where a file ends: torn or corrupt", in their order.
 *
 * Invariants
 * - A record is handed out only when its whole frame is valid. Memory is bounded by the largest frame.
 * - Nothing wrong is passed over: it is a torn tail, which is reported, or HW_CORRUPT. A read error is HW_DISK_FAILED.
 *
 * It changes nothing, and knows nothing of the other files: `wal-recovery.ts` does.
 */

import { refuse, type HourwheelError } from '../../model/errors.ts'
import { fileSeed } from '../../platform/checksum.ts'
import { readFully } from '../../platform/full-io.ts'
import type { Disk, DiskFile } from '../../platform/ports.ts'
import { fileHeaderBytes, verifyFileHeader, type FileHeader } from '../file-header.ts'
import { diskTrouble } from './disk-trouble.ts'
import { FileWindow } from './file-window.ts'
import {
  copyFlag,
  frameBytesOf,
  frameHeaderBytes,
  lastNonZero,
  lengthBytes,
  payloadIsSound,
  readFrameHeader,
  recordKind,
  recordKindAt,
  type FrameHeader,
} from './log-format.ts'

export interface ExpectedLogFile {
  readonly number: number
  readonly openCount: number
  /** Hexadecimal, where it is known. */
  readonly fileId?: string | undefined
}

export interface ReadLogOptions {
  /** LSN of the first record, where it is known. */
  readonly firstLsn?: number | undefined
  /** Header crc of the last frame of the file before, where it is known. */
  readonly link?: number | undefined
  /** Any end but a seal is corruption. */
  readonly mustBeSealed?: boolean | undefined
  readonly chunkBytes?: number | undefined
}

/** [at, end) of `bytes` is one record, to be used before the call returns. */
export type OnRecord = (bytes: Buffer, at: number, end: number, lsn: number, fileOffset: number) => void

export interface ReadLogResult {
  /** `open`: it ends in zeros without a mark. `torn`: an unfinished write is behind the last valid frame. */
  readonly ended: 'sealed' | 'clean' | 'torn' | 'open'
  readonly fileId: string
  /** LSN of the first record; with no frame the one expected, or 0. */
  readonly firstLsn: number
  readonly lastLsn: number
  readonly lastFrame: number
  /** Header crc of the last valid frame; with none that of the file header. */
  readonly lastCrc: number
  /** End of the last valid frame. */
  readonly validBytes: number
  /** Where a seal stands or would have to: the offset of the seal or clean mark, else `validBytes`. */
  readonly sealAt: number
  readonly fileBytes: number
  readonly wallMsMax: number
  readonly records: number
  /** From the end of the last valid frame to the last byte that is not zero. */
  readonly torn?: { readonly offset: number; readonly bytes: number; readonly why: string } | undefined
}

export async function readLogFile(
  disk: Disk,
  path: string,
  expected: ExpectedLogFile,
  onRecord: OnRecord,
  options: ReadLogOptions = {},
): Promise<ReadLogResult> {
  return reading(disk, path, async (file) => {
    const window = await FileWindow.over(file, options.chunkBytes ?? 1024 * 1024)
    try {
      return await new LogFileReading(window, path, expected, onRecord, options).run()
    } finally {
      window.release()
    }
  })
}

export interface LogFileStart {
  /** A sound frame header is where the first frame belongs. */
  readonly isBegun: boolean
  /** Recovery made it, as the copy of another file. */
  readonly isCopy: boolean
}

/** Looks at the first bytes only. */
export async function readLogFileStart(disk: Disk, path: string, expected: ExpectedLogFile): Promise<LogFileStart> {
  return reading(disk, path, async (file) => {
    const bytes = Buffer.alloc(fileHeaderBytes + frameHeaderBytes)
    const count = await readFully(file, bytes, 0)
    const header = verifyLogFileHeader(bytes.subarray(0, Math.min(count, fileHeaderBytes)), path, expected)
    const frame = count === bytes.length ? readFrameHeader(bytes, fileHeaderBytes, fileSeed(header.fileId)) : undefined
    return { isBegun: frame !== undefined, isCopy: (header.flags & copyFlag) !== 0 }
  })
}

/** A read error is refused as what it is. */
async function reading<T>(disk: Disk, path: string, read: (file: DiskFile) => Promise<T>): Promise<T> {
  try {
    const file = await disk.open(path, 'read')
    try {
      return await read(file)
    } finally {
      await file.close()
    }
  } catch (error) {
    throw diskTrouble(error, path)
  }
}

function verifyLogFileHeader(bytes: Buffer, path: string, { number, openCount, fileId }: ExpectedLogFile): FileHeader {
  const id = fileId === undefined ? undefined : Buffer.from(fileId, 'hex')
  return verifyFileHeader(bytes, path, { kind: 'wal', number, openCount, fileId: id })
}

class LogFileReading {
  readonly #window: FileWindow
  readonly #path: string
  readonly #expected: ExpectedLogFile
  readonly #onRecord: OnRecord
  readonly #options: ReadLogOptions
  #seed = 0
  #at = fileHeaderBytes
  #lastFrameAt = fileHeaderBytes
  #frame = 0
  #synced = 0
  #crc = 0
  #firstLsn: number
  #nextLsn: number
  #lastKind = 0
  #wallMsMax = 0
  #records = 0

  constructor(
    window: FileWindow,
    path: string,
    expected: ExpectedLogFile,
    onRecord: OnRecord,
    options: ReadLogOptions,
  ) {
    this.#window = window
    this.#path = path
    this.#expected = expected
    this.#onRecord = onRecord
    this.#options = options
    this.#firstLsn = options.firstLsn ?? 0
    this.#nextLsn = this.#firstLsn
  }

  async run(): Promise<ReadLogResult> {
    const window = this.#window
    await window.need(0, fileHeaderBytes)
    const headerBytes = window.bytes.subarray(0, Math.min(fileHeaderBytes, window.fileBytes))
    const header = verifyLogFileHeader(headerBytes, this.#path, this.#expected)
    if (window.fileBytes < header.extent) {
      throw this.#corrupt(window.fileBytes, `the file was cut from ${header.extent} bytes`)
    }
    this.#seed = fileSeed(header.fileId)
    this.#crc = header.headerCrc
    let bad: string
    for (;;) {
      const wrong = await this.#readFrame()
      if (wrong === undefined) continue
      bad = wrong
      break
    }
    const ending = await this.#end(bad)
    return {
      ...ending,
      fileId: Buffer.from(header.fileId).toString('hex'),
      firstLsn: this.#firstLsn,
      lastLsn: this.#nextLsn - 1,
      lastFrame: this.#frame,
      lastCrc: this.#crc,
      validBytes: this.#at,
      sealAt: this.#isOver ? this.#lastFrameAt : this.#at,
      fileBytes: window.fileBytes,
      wallMsMax: this.#wallMsMax,
      records: this.#records,
    }
  }

  /** Takes in the frame at `#at` if there is a valid one, or answers in words why there is none. */
  async #readFrame(): Promise<string | undefined> {
    const window = this.#window
    const at = this.#at
    if (at + frameHeaderBytes > window.fileBytes) return 'no room for a frame header'
    let here = await window.need(at, frameHeaderBytes)
    const header = readFrameHeader(window.bytes, here, this.#seed)
    if (header === undefined) return 'no sound frame header'
    const bytes = frameBytesOf(header.payloadBytes)
    if (at + bytes > window.fileBytes) return 'a frame that reaches beyond the file'
    here = await window.need(at, bytes)
    if (!payloadIsSound(window.bytes, here, header, this.#seed)) return 'a frame whose payload does not match'
    this.#follow(header)
    this.#takeRecords(window.bytes, here + frameHeaderBytes, header)
    this.#lastFrameAt = at
    this.#at = at + bytes
    return undefined
  }

  /** A sound frame must follow what is before it: anything else was put there by no crash. */
  #follow(header: FrameHeader): void {
    const first = this.#frame === 0
    const { firstLsn, link } = this.#options
    if (header.frameNumber !== this.#frame + 1) throw this.#notNext(`frame ${header.frameNumber} after ${this.#frame}`)
    if (header.previousCrc !== this.#crc) throw this.#notNext('it does not continue the frame before')
    if (first ? firstLsn !== undefined && header.firstLsn !== firstLsn : header.firstLsn !== this.#nextLsn) {
      throw this.#notNext(`its first LSN is ${header.firstLsn} instead of ${this.#nextLsn}`)
    }
    if (header.syncedFrame < this.#synced) throw this.#notNext('it knows less synced than the frame before')
    if (first ? header.link !== 0 && link !== undefined && header.link !== link : header.link !== 0) {
      throw this.#notNext('it does not continue the file before')
    }
    if (this.#isOver) throw this.#notNext('it is behind a seal or clean mark')
    if (first) {
      this.#firstLsn = header.firstLsn
      this.#nextLsn = header.firstLsn
    }
    this.#frame = header.frameNumber
    this.#synced = header.syncedFrame
    this.#crc = header.headerCrc
    if (header.wallMs > this.#wallMsMax) this.#wallMsMax = header.wallMs
  }

  #takeRecords(bytes: Buffer, from: number, header: FrameHeader): void {
    const to = from + header.payloadBytes
    let count = 0
    let kind = 0
    for (let at = from; at < to;) {
      const length = to - at < lengthBytes ? 0 : bytes.readUInt32LE(at)
      const start = at + lengthBytes
      if (length === 0 || length > to - start) throw this.#notNext('its payload is not a row of records')
      kind = recordKindAt(bytes, start, start + length)
      at = start + length
      count++
      if (kind === recordKind.seal || kind === recordKind.clean) {
        if (count !== 1 || at !== to) throw this.#notNext('a seal or clean mark is not alone in it')
        this.#lastKind = kind
      }
    }
    if (count !== header.recordCount) throw this.#notNext(`it has ${count} records instead of ${header.recordCount}`)
    const fileOffset = this.#at + frameHeaderBytes - from
    for (let at = from; at < to;) {
      const start = at + lengthBytes
      at = start + bytes.readUInt32LE(at)
      this.#onRecord(bytes, start, at, this.#nextLsn++, start + fileOffset)
    }
    this.#records += count
  }

  get #isOver(): boolean {
    return this.#lastKind === recordKind.seal || this.#lastKind === recordKind.clean
  }

  /** At the first offset without a valid frame: where and how the file ended, or why that is corruption. */
  async #end(bad: string): Promise<Pick<ReadLogResult, 'ended' | 'torn'>> {
    if (this.#options.mustBeSealed === true && this.#lastKind !== recordKind.seal) {
      throw this.#corrupt(this.#at, `${bad} where the file must go on to its seal`)
    }
    const offset = this.#at
    const bytes = (await this.#lastNonZero()) + 1 - offset
    if (this.#isOver) {
      if (bytes > 0) throw this.#corrupt(offset, 'bytes behind the seal or clean mark')
      return { ended: this.#lastKind === recordKind.seal ? 'sealed' : 'clean' }
    }
    return bytes > 0 ? { ended: 'torn', torn: { offset, bytes, why: bad } } : { ended: 'open' }
  }

  /**
   * Offset of the last byte that is not zero behind the valid frames, one less than their end if there is none. On the way it
   * looks for evidence that what is missing was synced. (A mark or seal may be zero too: nothing is written behind one.)
   */
  async #lastNonZero(): Promise<number> {
    const window = this.#window
    const missing = this.#frame + 1
    let last = this.#at - 1
    const step = 256 * 1024
    for (let at = this.#at; at < window.fileBytes; at += step) {
      const here = await window.need(at, step + frameHeaderBytes)
      const end = here + Math.min(step, window.fileBytes - at)
      const found = lastNonZero(window.bytes, here, end)
      if (found < 0) continue
      last = at + found - here
      if (this.#isOver) continue
      const lastHeader = Math.min(found + 1, here + window.fileBytes - at - frameHeaderBytes + 1)
      for (let candidate = here; candidate < lastHeader; candidate += 8) {
        if (window.bytes[candidate] === 0) continue
        const header = readFrameHeader(window.bytes, candidate, this.#seed)
        if (header === undefined || at + candidate - here === this.#at) continue
        if (header.frameNumber <= missing || header.syncedFrame >= missing) {
          throw this.#corrupt(
            this.#at,
            `frame ${missing} is missing or damaged, but frame ${header.frameNumber} behind it shows that it was there`,
          )
        }
      }
    }
    return last
  }

  #notNext(what: string): HourwheelError {
    return this.#corrupt(this.#at, `a sound frame does not belong there: ${what}`)
  }

  #corrupt(offset: number, what: string): HourwheelError {
    return refuse('HW_CORRUPT', `${this.#path} at ${offset}: ${what}`, { details: { file: this.#path, offset } })
  }
}

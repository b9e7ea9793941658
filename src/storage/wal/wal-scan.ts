/**
 * Reads what can be read of one WAL file that may be damaged: every sound frame, also behind damage. For inspection and
 * salvage; `wal-reader.ts` is the one that decides what may be relied on.
 *
 * Invariants
 * - A record is handed out only if its frame is sound, and frames come in ascending order of their numbers.
 * - What lies between sound frames, and is not zeros at the end, is told of: once for each stretch.
 */

import { fileSeed } from '../../platform/checksum.ts'
import type { Disk } from '../../platform/ports.ts'
import { fileHeaderBytes, verifyFileHeader } from '../file-header.ts'
import { parseLogFileName } from '../file-meta.ts'
import { FileWindow } from './file-window.ts'
import {
  frameBytesOf,
  frameHeaderBytes,
  lastNonZero,
  lengthBytes,
  payloadIsSound,
  readFrameHeader,
  type FrameHeader,
} from './log-format.ts'
import type { OnRecord } from './wal-reader.ts'

export interface LogGap {
  readonly offset: number
  readonly bytes: number
  readonly what: string
  /** Records lost with it, where frames behind it or its own header tell. */
  readonly records: number | undefined
  /** Nothing sound is behind it: it may be no more than an unfinished write. */
  readonly isTail: boolean
}

export interface LogScanListener {
  readonly frame?: ((header: FrameHeader, offset: number) => void) | undefined
  readonly record: OnRecord
  readonly gap: (gap: LogGap) => void
  /** After the records of a frame. */
  readonly frameDone?: (() => Promise<void> | undefined) | undefined
}

export interface ScannedLog {
  /** Of the first sound frame, 0 if there is none. */
  readonly firstLsn: number
  readonly lastLsn: number
  readonly frames: number
  readonly records: number
  readonly wallMsMax: number
}

const chunkBytes = 1024 * 1024
const stepBytes = 256 * 1024

/** `fileId` is the one that the manifest names, where it names one; else that of the header counts, right or wrong. */
export async function scanLogFile(
  disk: Disk,
  directory: string,
  name: string,
  fileId: string | undefined,
  listener: LogScanListener,
): Promise<ScannedLog> {
  const file = await disk.open(`${directory}/${name}`, 'read')
  try {
    const window = await FileWindow.over(file, chunkBytes)
    await window.need(0, fileHeaderBytes)
    const bytes = window.bytes.subarray(0, Math.min(fileHeaderBytes, window.fileBytes))
    const seed = fileSeed(fileId === undefined ? Buffer.from(bytes.subarray(16, 32)) : Buffer.from(fileId, 'hex'))
    const wrong = headerFault(bytes, name, fileId)
    if (wrong !== undefined) {
      listener.gap({ offset: 0, bytes: fileHeaderBytes, what: wrong, records: 0, isTail: false })
    }
    return await new LogScan(window, seed, listener).run()
  } finally {
    await file.close()
  }
}

function headerFault(bytes: Buffer, name: string, fileId: string | undefined): string | undefined {
  try {
    const id = fileId === undefined ? undefined : Buffer.from(fileId, 'hex')
    verifyFileHeader(bytes, name, { kind: 'wal', ...parseLogFileName(name), fileId: id })
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

class LogScan {
  readonly #window: FileWindow
  readonly #seed: number
  readonly #listener: LogScanListener
  #at = fileHeaderBytes
  #frame = 0
  #firstLsn = 0
  #nextLsn = 0
  #frames = 0
  #records = 0
  #wallMsMax = 0

  constructor(window: FileWindow, seed: number, listener: LogScanListener) {
    this.#window = window
    this.#seed = seed
    this.#listener = listener
  }

  async run(): Promise<ScannedLog> {
    const window = this.#window
    while (this.#at + frameHeaderBytes <= window.fileBytes) {
      const header = await this.#frameAt(this.#at)
      if (header !== undefined) {
        this.#take(header)
        await this.#listener.frameDone?.()
      } else if (!(await this.#resume())) break
    }
    return {
      firstLsn: this.#firstLsn,
      lastLsn: this.#nextLsn - 1,
      frames: this.#frames,
      records: this.#records,
      wallMsMax: this.#wallMsMax,
    }
  }

  /** The header of the sound frame at an offset; its bytes are in the window then. */
  async #frameAt(at: number): Promise<FrameHeader | undefined> {
    const window = this.#window
    let here = await window.need(at, frameHeaderBytes)
    const header = readFrameHeader(window.bytes, here, this.#seed)
    if (header === undefined || header.frameNumber <= this.#frame) return undefined
    const bytes = frameBytesOf(header.payloadBytes)
    if (at + bytes > window.fileBytes) return undefined
    here = await window.need(at, bytes)
    return payloadIsSound(window.bytes, here, header, this.#seed) ? header : undefined
  }

  #take(header: FrameHeader): void {
    const { bytes, base } = this.#window
    const from = this.#at - base + frameHeaderBytes
    const to = from + header.payloadBytes
    this.#listener.frame?.(header, this.#at)
    let lsn = header.firstLsn
    for (let at = from; at + lengthBytes <= to;) {
      const start = at + lengthBytes
      at = start + bytes.readUInt32LE(at)
      if (at > to) break
      this.#listener.record(bytes, start, at, lsn++, start + base)
      this.#records++
    }
    if (this.#frames++ === 0) this.#firstLsn = header.firstLsn
    this.#nextLsn = lsn
    this.#frame = header.frameNumber
    this.#wallMsMax = Math.max(this.#wallMsMax, header.wallMs)
    this.#at += frameBytesOf(header.payloadBytes)
  }

  /** Looks for the next sound frame behind what is not one; false when there is none. */
  async #resume(): Promise<boolean> {
    const window = this.#window
    const start = this.#at
    // What the header of the frame says may be right although its payload is not.
    const here = await window.need(start, frameHeaderBytes)
    const own = readFrameHeader(window.bytes, here, this.#seed)
    const from = this.#nextLsn === 0 ? (own?.firstLsn ?? 0) : this.#nextLsn
    let last = start - 1
    for (let at = start; at < window.fileBytes; at += stepBytes) {
      const base = await window.need(at, stepBytes + frameHeaderBytes)
      const count = Math.min(stepBytes, window.fileBytes - at)
      const found = lastNonZero(window.bytes, base, base + count)
      if (found < 0) continue
      last = at + found - base
      // Offsets that are left in the window before reading a frame may move it on.
      const candidates: number[] = []
      for (
        let step = at === start ? 8 : 0;
        step <= found - base && at + step + frameHeaderBytes <= window.fileBytes;
        step += 8
      ) {
        const header = readFrameHeader(window.bytes, base + step, this.#seed)
        if (header !== undefined && header.frameNumber > this.#frame) candidates.push(at + step)
      }
      for (const candidate of candidates) {
        const header = await this.#frameAt(candidate)
        if (header === undefined) continue
        const records = from === 0 ? undefined : header.firstLsn - from
        const bytes = candidate - start
        this.#listener.gap({ offset: start, bytes, what: 'damaged frames', records, isTail: false })
        this.#at = candidate
        return true
      }
    }
    if (last >= start) {
      const what = own === undefined ? 'no sound frame' : 'a frame whose payload does not match'
      const records = own === undefined ? undefined : own.recordCount
      this.#listener.gap({ offset: start, bytes: last + 1 - start, what, records, isTail: true })
    }
    return false
  }
}

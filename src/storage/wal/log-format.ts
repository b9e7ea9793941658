/**
 * The bytes of a WAL file (docs/format.md, "WAL"): names, frame headers, and when one is sound.
 *
 * Pure: it neither reads nor writes files, and knows nothing of its reader and writer.
 */

import { crc32 } from '../../platform/checksum.ts'

export const frameHeaderBytes = 64
/** The largest payload of a frame, without padding. */
export const framePayloadBytesMax: number = 16 * 1024 * 1024
/** Room that is always kept at the end of a file: one frame with a seal or a clean mark. */
export const markFrameBytes: number = frameHeaderBytes + 16
/** A record is preceded by its length. */
export const lengthBytes = 4

/** Flag in the file header: recovery made this file, as the sealed copy of the last one before it. */
export const copyFlag = 1

const frameMagic = 0x72_66_57_48

/** Kinds of the records that the log itself writes and understands; the rest is opaque to it. */
export const recordKind = { head: 11, clean: 12, seal: 13 } as const

export interface FrameHeader {
  readonly payloadBytes: number
  readonly frameNumber: number
  /** Number of the last frame of this file known synced when this one was built. */
  readonly syncedFrame: number
  readonly firstLsn: number
  readonly recordCount: number
  readonly previousCrc: number
  readonly wallMs: number
  readonly payloadCrc: number
  readonly link: number
  readonly headerCrc: number
}

export function alignUp(bytes: number): number {
  return Math.ceil(bytes / 8) * 8
}

export function alignDown(bytes: number): number {
  return Math.floor(bytes / 8) * 8
}

/** Bytes of a frame in the file. */
export function frameBytesOf(payloadBytes: number): number {
  return frameHeaderBytes + alignUp(payloadBytes)
}

export function logFileName(openCount: number, number: number): string {
  return `wal-${openCount}-${number}.log`
}

/**
 * Completes a frame in place: zeroes the padding behind the payload, then writes the header at `at`. The payload lies behind
 * the header already. Answers the header's crc, which the next frame carries on.
 */
export function sealFrame(
  bytes: Buffer,
  at: number,
  seed: number,
  header: Omit<FrameHeader, 'payloadCrc' | 'headerCrc'>,
): number {
  const payloadAt = at + frameHeaderBytes
  const payloadEnd = payloadAt + header.payloadBytes
  const end = payloadAt + alignUp(header.payloadBytes)
  if (end > payloadEnd) bytes.fill(0, payloadEnd, end)
  bytes.writeUInt32LE(frameMagic, at)
  bytes.writeUInt32LE(header.payloadBytes, at + 4)
  writeSafeInteger(bytes, header.frameNumber, at + 8)
  writeSafeInteger(bytes, header.syncedFrame, at + 16)
  writeSafeInteger(bytes, header.firstLsn, at + 24)
  bytes.writeUInt32LE(header.recordCount, at + 32)
  bytes.writeUInt32LE(header.previousCrc, at + 36)
  bytes.writeDoubleLE(header.wallMs, at + 40)
  bytes.writeUInt32LE(crc32(bytes.subarray(payloadAt, end), seed), at + 48)
  bytes.writeUInt32LE(header.link, at + 52)
  bytes.writeUInt32LE(0, at + 56)
  const headerCrc = crc32(bytes.subarray(at, at + 60), seed)
  bytes.writeUInt32LE(headerCrc, at + 60)
  return headerCrc
}

/** The frame header at `at`, where 64 bytes must be, or undefined when it is not sound. */
export function readFrameHeader(bytes: Buffer, at: number, seed: number): FrameHeader | undefined {
  if (bytes.readUInt32LE(at) !== frameMagic) return undefined
  const headerCrc = bytes.readUInt32LE(at + 60)
  if (crc32(bytes.subarray(at, at + 60), seed) !== headerCrc) return undefined
  const payloadBytes = bytes.readUInt32LE(at + 4)
  const frameNumber = readSafeInteger(bytes, at + 8)
  const syncedFrame = readSafeInteger(bytes, at + 16)
  const firstLsn = readSafeInteger(bytes, at + 24)
  if (payloadBytes > framePayloadBytesMax || bytes.readUInt32LE(at + 56) !== 0) return undefined
  if (frameNumber === undefined || syncedFrame === undefined || firstLsn === undefined) return undefined
  if (syncedFrame >= frameNumber) return undefined
  return {
    payloadBytes,
    frameNumber,
    syncedFrame,
    firstLsn,
    recordCount: bytes.readUInt32LE(at + 32),
    previousCrc: bytes.readUInt32LE(at + 36),
    wallMs: bytes.readDoubleLE(at + 40),
    payloadCrc: bytes.readUInt32LE(at + 48),
    link: bytes.readUInt32LE(at + 52),
    headerCrc,
  }
}

/** Whether payload and padding behind a sound header at `at` are sound too; they must lie within `bytes`. */
export function payloadIsSound(bytes: Buffer, at: number, header: FrameHeader, seed: number): boolean {
  const payloadAt = at + frameHeaderBytes
  const end = payloadAt + alignUp(header.payloadBytes)
  if (crc32(bytes.subarray(payloadAt, end), seed) !== header.payloadCrc) return false
  return isZero(bytes, payloadAt + header.payloadBytes, end)
}

/** Kind of the record at `at`: element 0 of its array, or 0 when that is not what stands there. */
export function recordKindAt(bytes: Buffer, at: number, end: number): number {
  if (end - at < 2 || (bytes[at]! & 0xf0) !== 0x90 || bytes[at]! === 0x90) return 0
  const kind = bytes[at + 1]!
  return kind < 0x80 ? kind : 0
}

function isZero(bytes: Buffer, from: number, to: number): boolean {
  return lastNonZero(bytes, from, to) < 0
}

const zeros = Buffer.alloc(4096)

/** Offset of the last byte in [from, to) that is not zero, or -1. */
export function lastNonZero(bytes: Buffer, from: number, to: number): number {
  let end = to
  while (end > from) {
    const start = Math.max(from, end - zeros.length)
    if (zeros.compare(bytes, start, end, 0, end - start) !== 0) {
      for (let at = end - 1; at >= start; at--) if (bytes[at] !== 0) return at
    }
    end = start
  }
  return -1
}

function writeSafeInteger(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value % 0x1_0000_0000, at)
  bytes.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4)
}

function readSafeInteger(bytes: Buffer, at: number): number | undefined {
  const high = bytes.readUInt32LE(at + 4)
  return high > 0x1f_ffff ? undefined : high * 0x1_0000_0000 + bytes.readUInt32LE(at)
}

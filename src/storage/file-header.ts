/**
 * The 64 bytes that every file of a data directory starts with (docs/format.md, "File header").
 *
 * Invariants
 * - The header keeps this shape and its checksum in every format, so that an older program can tell a newer file from a
 *   damaged one.
 * - Every checksum of a file starts from the seed of its file id: bytes of another file, or of this one's earlier life,
 *   never validate.
 *
 * It does not read or write files, and does not know what follows the header.
 */

import { crc32, fileSeed } from '../platform/checksum.ts'
import { type HourwheelError, refuse } from '../model/errors.ts'

export type FileKind = 'wal' | 'segment' | 'dead' | 'snapshot' | 'manifest'

export const fileHeaderBytes = 64
export const fileIdBytes = 16

/** The newest format of each kind that this program reads and the one it writes. */
const formatOf: Readonly<Record<FileKind, number>> = { wal: 1, segment: 1, dead: 1, snapshot: 1, manifest: 1 }

const magicOf: Readonly<Record<FileKind, string>> = {
  wal: 'HWwal\0\0\0',
  segment: 'HWseg\0\0\0',
  dead: 'HWdead\0\0',
  snapshot: 'HWsnap\0\0',
  manifest: 'HWmani\0\0',
}

export interface FileHeader {
  readonly kind: FileKind
  readonly format: number
  readonly flags: number
  /** 16 random bytes, new for every file and for every life of a recycled one. */
  readonly fileId: Uint8Array
  /** The number in the file's name. */
  readonly number: number
  /** How many times the directory had been opened when this file was begun. */
  readonly openCount: number
  /** A WAL file: how many bytes it had, synced, before its first use; a shorter one was truncated. Other kinds: 0. */
  readonly extent: number
  readonly headerCrc: number
}

/** What a header must say; a field left out is not compared. */
export interface ExpectedHeader {
  readonly kind: FileKind
  readonly fileId?: Uint8Array | undefined
  readonly number?: number | undefined
  readonly openCount?: number | undefined
}

export interface FileHeaderFields {
  readonly kind: FileKind
  readonly fileId: Uint8Array
  readonly number: number
  readonly openCount: number
  readonly extent?: number | undefined
  readonly flags?: number | undefined
}

export function encodeFileHeader(fields: FileHeaderFields): Buffer {
  if (fields.fileId.length !== fileIdBytes) throw new RangeError('a file id has 16 bytes')
  const bytes = Buffer.alloc(fileHeaderBytes)
  bytes.write(magicOf[fields.kind], 0, 'latin1')
  bytes.writeUInt32LE(formatOf[fields.kind], 8)
  bytes.writeUInt32LE(fields.flags ?? 0, 12)
  bytes.set(fields.fileId, 16)
  bytes.writeBigUInt64LE(BigInt(fields.number), 32)
  bytes.writeUInt32LE(fields.openCount, 40)
  bytes.writeBigUInt64LE(BigInt(fields.extent ?? 0), 48)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60), fileSeed(fields.fileId)), 60)
  return bytes
}

/** The header, or in words what is wrong with it. A format newer than this program's is not wrong here. */
function decodeFileHeader(bytes: Uint8Array): FileHeader | string {
  if (bytes.length < fileHeaderBytes) return `the file is shorter than its header of ${fileHeaderBytes} bytes`
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, fileHeaderBytes)
  const magic = view.toString('latin1', 0, 8)
  const kind = (Object.keys(magicOf) as FileKind[]).find((candidate) => magicOf[candidate] === magic)
  if (kind === undefined) return 'the file does not start with a magic of hourwheel'
  const fileId = Uint8Array.prototype.slice.call(view, 16, 32)
  const headerCrc = view.readUInt32LE(60)
  if (crc32(view.subarray(0, 60), fileSeed(fileId)) !== headerCrc) return 'the checksum of the file header is wrong'
  const number = Number(view.readBigUInt64LE(32))
  const extent = Number(view.readBigUInt64LE(48))
  if (!Number.isSafeInteger(number) || !Number.isSafeInteger(extent))
    return 'a number in the file header is out of range'
  const format = view.readUInt32LE(8)
  if (format === 0) return 'the file header names format 0'
  if (format === formatOf[kind] && (view.readUInt32LE(44) !== 0 || view.readUInt32LE(56) !== 0)) {
    return 'reserved bytes of the file header are not zero'
  }
  return {
    kind,
    format,
    flags: view.readUInt32LE(12),
    fileId,
    number,
    openCount: view.readUInt32LE(40),
    extent,
    headerCrc,
  }
}

/** Decodes and compares; throws HW_CORRUPT or HW_FORMAT_NEWER naming the file. */
export function verifyFileHeader(bytes: Uint8Array, file: string, expected: ExpectedHeader): FileHeader {
  const header = decodeFileHeader(bytes)
  if (typeof header === 'string') throw corruptHeader(file, header)
  if (header.kind !== expected.kind) {
    throw corruptHeader(file, `it is a ${header.kind} file where a ${expected.kind} file belongs`)
  }
  if (header.format > formatOf[header.kind]) {
    throw refuse(
      'HW_FORMAT_NEWER',
      `${file} has format ${header.format}; this version of hourwheel reads up to ${formatOf[header.kind]}`,
      { details: { file, format: header.format, formatMax: formatOf[header.kind] } },
    )
  }
  if (expected.fileId !== undefined && !sameFileId(header.fileId, expected.fileId)) {
    throw corruptHeader(file, 'it carries another file id than the manifest names: a foreign, old or swapped file')
  }
  if (expected.number !== undefined && header.number !== expected.number) {
    throw corruptHeader(file, `its header says number ${header.number} instead of ${expected.number}`)
  }
  if (expected.openCount !== undefined && header.openCount !== expected.openCount) {
    throw corruptHeader(file, `its header says open count ${header.openCount} instead of ${expected.openCount}`)
  }
  return header
}

export function sameFileId(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return false
  return true
}

function corruptHeader(file: string, what: string): HourwheelError {
  return refuse('HW_CORRUPT', `${file}: ${what}`, { details: { file, offset: 0 } })
}

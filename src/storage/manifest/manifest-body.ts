/**
 * The body of a manifest: one msgpack array (docs/format.md, "Manifest"). Pure. Strict: what is accepted is, encoded
 * again, the same bytes, and a manifest that an engine could have published; anything else is MalformedBytes.
 */

import { MalformedBytes, nilByte, writeArrayHeader, writeNil, writeText, writeUint } from '../../model/msgpack.ts'
import { MsgpackReader } from '../../model/msgpack-reader.ts'
import { incarnationLimit } from '../../model/ids.ts'
import { hourLimit } from '../../model/units.ts'
import type { SegmentKind, SegmentMeta, SnapshotMeta } from '../file-meta.ts'

export interface ManifestLogFile {
  readonly number: number
  readonly name: string
  /** 32 hexadecimal digits. */
  readonly fileId: string
  readonly firstLsn: number
  /** It was sealed, and synced so, when the manifest was published. */
  readonly sealed?: boolean | undefined
}

export interface Manifest {
  readonly format: number
  readonly incarnation: number
  /** How many times the directory was opened. */
  readonly openCount: number
  /** 1 for the first of a directory, then one more each. */
  readonly number: number
  /** Largest wall clock seen; 0 for none. */
  readonly clockMs: number
  readonly wal: readonly ManifestLogFile[]
  readonly segments: readonly SegmentMeta[]
  readonly snapshot: SnapshotMeta | undefined
  /** No segment or snapshot has this number or a larger one. */
  readonly nextFileNumber: number
  /** Published at an orderly close. */
  readonly clean: boolean
  /** Tasks whose records are not in the log any more may have keys. */
  readonly keyed?: boolean | undefined
}

const kinds: readonly SegmentKind[] = ['tasks', 'dead']
const wholeLimit = 2 ** 53
const uint32Limit = 2 ** 32
const fileIdForm = /^[0-9a-f]{32}$/u
const logNameForm = /^wal-([1-9]\d*)-([1-9]\d*)\.log$/u

const fieldCount = 9
const logFieldCount = 5
const segmentFieldCount = 10
const snapshotFieldCount = 5
/** A file id and its header. */
const fileIdBytes = 34
const numberBytesMax = 9

/** The number of bytes that `encodeBody` may need. */
function bodyBytesMax(manifest: Manifest): number {
  let bytes = 16 + fieldCount * numberBytesMax
  for (const { name } of manifest.wal) bytes += 3 + logFieldCount * numberBytesMax + name.length * 3 + fileIdBytes
  return bytes + (manifest.segments.length + 1) * (1 + segmentFieldCount * numberBytesMax + fileIdBytes)
}

export function encodeBody(manifest: Manifest): Buffer {
  const into = Buffer.allocUnsafe(bodyBytesMax(manifest))
  const { snapshot } = manifest
  let at = writeArrayHeader(into, 0, fieldCount)
  at = writeUint(into, at, manifest.number)
  at = writeUint(into, at, manifest.incarnation)
  at = writeUint(into, at, manifest.openCount)
  at = writeUint(into, at, manifest.clockMs)
  at = writeUint(into, at, manifest.clean ? 1 : 0)
  at = writeUint(into, at, manifest.nextFileNumber)
  at = writeArrayHeader(into, at, manifest.wal.length)
  for (const file of manifest.wal) {
    at = writeArrayHeader(into, at, logFieldCount)
    at = writeUint(into, at, file.number)
    at = writeText(into, at, file.name)
    at = writeText(into, at, file.fileId)
    at = writeUint(into, at, file.firstLsn)
    at = writeUint(into, at, file.sealed === true ? 1 : 0)
  }
  at = writeArrayHeader(into, at, manifest.segments.length)
  for (const segment of manifest.segments) {
    at = writeArrayHeader(into, at, segmentFieldCount)
    at = writeUint(into, at, kinds.indexOf(segment.kind))
    at = writeUint(into, at, segment.number)
    at = writeText(into, at, segment.fileId)
    at = writeUint(into, at, segment.bytes)
    at = writeUint(into, at, segment.footerCrc)
    at = writeUint(into, at, segment.hourFrom)
    at = writeUint(into, at, segment.hourTo)
    at = writeUint(into, at, segment.count)
    at = writeUint(into, at, segment.lsnMin)
    at = writeUint(into, at, segment.lsnMax)
  }
  if (snapshot === undefined) at = writeNil(into, at)
  else {
    at = writeArrayHeader(into, at, snapshotFieldCount)
    at = writeUint(into, at, snapshot.number)
    at = writeText(into, at, snapshot.fileId)
    at = writeUint(into, at, snapshot.bytes)
    at = writeUint(into, at, snapshot.footerCrc)
    at = writeUint(into, at, snapshot.sections)
  }
  return into.subarray(0, at)
}

export function decodeBody(bytes: Buffer, format: number): Manifest {
  const reader = new MsgpackReader(bytes, 0, bytes.length)
  fields(reader, fieldCount)
  const number = reader.uint(wholeLimit)
  const incarnation = reader.uint(incarnationLimit)
  const openCount = reader.uint(uint32Limit)
  const clockMs = reader.uint(wholeLimit)
  const clean = flag(reader)
  const nextFileNumber = reader.uint(wholeLimit)
  const wal = Array.from({ length: reader.arrayHeader(1) }, () => decodeLogFile(reader))
  const segments = Array.from({ length: reader.arrayHeader(1) }, () => decodeSegment(reader))
  const hasSnapshot = bytes[reader.at] !== nilByte
  const snapshot = hasSnapshot ? decodeSnapshot(reader) : undefined
  if (!hasSnapshot) reader.nil()
  reader.finish()
  const manifest: Manifest = {
    format,
    incarnation,
    openCount,
    number,
    clockMs,
    wal,
    segments,
    snapshot,
    nextFileNumber,
    clean,
  }
  if (contradictionIn(manifest) !== undefined) throw new MalformedBytes(0)
  return manifest
}

function decodeLogFile(reader: MsgpackReader): ManifestLogFile {
  fields(reader, logFieldCount)
  const number = reader.uint(wholeLimit)
  const name = reader.text()
  return { number, name, fileId: reader.text(), firstLsn: reader.uint(wholeLimit), sealed: flag(reader) }
}

function decodeSegment(reader: MsgpackReader): SegmentMeta {
  fields(reader, segmentFieldCount)
  const kind = kinds[reader.uint(kinds.length)]!
  const number = reader.uint(wholeLimit)
  const fileId = reader.text()
  const bytes = reader.uint(wholeLimit)
  const footerCrc = reader.uint(uint32Limit)
  const hourFrom = reader.uint(hourLimit)
  const hourTo = reader.uint(hourLimit)
  const count = reader.uint(wholeLimit)
  const lsnMin = reader.uint(wholeLimit)
  const lsnMax = reader.uint(wholeLimit)
  return { number, kind, fileId, bytes, footerCrc, hourFrom, hourTo, count, lsnMin, lsnMax }
}

function decodeSnapshot(reader: MsgpackReader): SnapshotMeta {
  fields(reader, snapshotFieldCount)
  const number = reader.uint(wholeLimit)
  const fileId = reader.text()
  const bytes = reader.uint(wholeLimit)
  return { number, fileId, bytes, footerCrc: reader.uint(uint32Limit), sections: reader.uint(uint32Limit) }
}

function fields(reader: MsgpackReader, count: number): void {
  const { at } = reader
  if (reader.arrayHeader(1) !== count) throw new MalformedBytes(at)
}

function flag(reader: MsgpackReader): boolean {
  return reader.uint(2) === 1
}

/** What cannot be in a manifest, in words; undefined when all is well. */
export function contradictionIn(manifest: Manifest): string | undefined {
  const { wal, segments, snapshot, nextFileNumber } = manifest
  for (let index = 0; index < wal.length; index++) {
    const { number, name, fileId, firstLsn } = wal[index]!
    const before = wal[index - 1]
    const match = logNameForm.exec(name)
    if (match === null || match[2] !== String(number) || Number(match[1]) > manifest.openCount)
      return `log file ${name}`
    if (!fileIdForm.test(fileId)) return `the file id of ${name}`
    if (firstLsn < 1 || (before !== undefined && (number <= before.number || firstLsn < before.firstLsn))) {
      return `the place of ${name} in the log`
    }
  }
  const numbers = new Set<number>()
  for (const file of snapshot === undefined ? segments : [...segments, snapshot]) {
    if (file.number < 1 || file.number >= nextFileNumber || numbers.has(file.number))
      return `file number ${file.number}`
    if (!fileIdForm.test(file.fileId)) return `the file id of file ${file.number}`
    numbers.add(file.number)
  }
  for (const { number, hourFrom, hourTo, count, lsnMin, lsnMax } of segments) {
    if (hourFrom > hourTo || count < 1 || lsnMin < 1 || lsnMin > lsnMax) return `the contents of segment ${number}`
  }
  if (manifest.number < 1) return `its number, ${manifest.number}`
  return undefined
}

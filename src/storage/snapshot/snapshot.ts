/**
 * Snapshots: a sequence of named sections in an immutable file (docs/format.md, "Snapshot"). What sections mean is the
 * business of who writes them; names may repeat, and come back in the order they were written.
 */

import { type HourwheelError, refuse } from '../../model/errors.ts'
import { crc32, fileSeed } from '../../platform/checksum.ts'
import { readWhole, writeFully } from '../../platform/full-io.ts'
import type { Disk, DiskFile, Random } from '../../platform/ports.ts'
import { encodeFileHeader, fileHeaderBytes, fileIdBytes, verifyFileHeader } from '../file-header.ts'
import { fileIdOfHex, hexOfFileId, snapshotFileName, type SnapshotMeta } from '../file-meta.ts'

export type { SnapshotMeta } from '../file-meta.ts'

export interface SnapshotSection {
  /** 1 to 64 ASCII letters, digits and `-`. */
  readonly name: string
  readonly bytes: Uint8Array
}

export interface WriteSnapshotOptions {
  readonly directory: string
  readonly number: number
  readonly openCount: number
}

export const sectionHeaderBytes = 16
const footerBytes = 32
const footerMagic = 'HWsnpend'
const nameBytesMax = 64
const nameForm = /^[A-Za-z0-9-]{1,64}$/u
const writeBytesMin = 1 << 20

/** Creates, writes and syncs a snapshot; the caller syncs the directory. On failure it is removed, as far as that is possible. */
export async function writeSnapshot(
  disk: Disk,
  random: Random,
  options: WriteSnapshotOptions,
  sections: AsyncIterable<SnapshotSection> | Iterable<SnapshotSection>,
): Promise<SnapshotMeta> {
  const fileId = random.bytes(fileIdBytes)
  const file = await disk.open(`${options.directory}/${snapshotFileName(options.number)}`, 'create')
  try {
    const meta = await writeSections(file, fileId, options, sections)
    await file.sync()
    await file.close()
    return meta
  } catch (error) {
    await file.close().catch(() => undefined)
    await disk.remove(file.path).catch(() => undefined)
    throw error
  }
}

async function writeSections(
  file: DiskFile,
  fileId: Uint8Array,
  options: WriteSnapshotOptions,
  sections: AsyncIterable<SnapshotSection> | Iterable<SnapshotSection>,
): Promise<SnapshotMeta> {
  const { number, openCount } = options
  const seed = fileSeed(fileId)
  const parts: Uint8Array[] = [encodeFileHeader({ kind: 'snapshot', fileId, number, openCount })]
  let written = 0
  let offset = fileHeaderBytes
  let count = 0
  let crcs = 0
  for await (const { name, bytes } of sections) {
    const start = encodeSectionStart(seed, offset, name, bytes)
    crcs = crc32(start.subarray(0, 4), crcs)
    count++
    parts.push(start, bytes)
    offset += start.length + bytes.length
    if (offset - written < writeBytesMin) continue
    await writeFully(file, Buffer.concat(parts), written)
    written = offset
    parts.length = 0
  }
  const bytes = offset + footerBytes
  const footer = encodeFooter(seed, bytes, count, crcs)
  parts.push(footer)
  await writeFully(file, Buffer.concat(parts), written)
  return { number, fileId: hexOfFileId(fileId), bytes, footerCrc: footer.readUInt32LE(28), sections: count }
}

function encodeSectionStart(seed: number, offset: number, name: string, body: Uint8Array): Buffer {
  if (!nameForm.test(name)) throw refuse('HW_INTERNAL', `a section of a snapshot cannot be called '${name}'`)
  const bytes = Buffer.alloc(sectionHeaderBytes + name.length)
  bytes.writeUInt32LE(name.length, 4)
  bytes.writeBigUInt64LE(BigInt(body.length), 8)
  bytes.write(name, sectionHeaderBytes, 'latin1')
  bytes.writeUInt32LE(crc32(body, crc32(bytes.subarray(4), placeSeed(seed, offset))), 0)
  return bytes
}

function encodeFooter(seed: number, fileBytes: number, sections: number, crcs: number): Buffer {
  const bytes = Buffer.alloc(footerBytes)
  bytes.write(footerMagic, 0, 'latin1')
  bytes.writeBigUInt64LE(BigInt(fileBytes), 8)
  bytes.writeUInt32LE(sections, 16)
  bytes.writeUInt32LE(crcs, 24)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 28), placeSeed(seed, fileBytes - footerBytes)), 28)
  return bytes
}

export function placeSeed(seed: number, offset: number): number {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(offset))
  return crc32(bytes, seed)
}

/** All sections, as views of one buffer; rejects with HW_CORRUPT or HW_FORMAT_NEWER when anything is wrong. */
export async function readSnapshot(disk: Disk, directory: string, meta: SnapshotMeta): Promise<SnapshotSection[]> {
  const name = snapshotFileName(meta.number)
  const path = `${directory}/${name}`
  const found = await disk.stat(path)
  if (found === undefined) throw corrupt(name, 0, 'it is missing')
  if (found.bytes !== meta.bytes) throw corrupt(name, 0, `it has ${found.bytes} bytes instead of ${meta.bytes}`)
  const file = await disk.open(path, 'read')
  try {
    return decodeSnapshot(await readWhole(file), name, meta)
  } finally {
    await file.close()
  }
}

function decodeSnapshot(whole: Uint8Array, file: string, meta: SnapshotMeta): SnapshotSection[] {
  const bytes = Buffer.from(whole.buffer, whole.byteOffset, whole.length)
  const fileId = fileIdOfHex(meta.fileId)
  const seed = fileSeed(fileId)
  const { flags } = verifyFileHeader(bytes, file, { kind: 'snapshot', number: meta.number, fileId })
  const end = bytes.length - footerBytes
  if (bytes.length !== meta.bytes || end < fileHeaderBytes) throw corrupt(file, bytes.length, 'it is cut short')
  if (flags !== 0) throw corrupt(file, 12, 'its header has flags that do not exist')
  const sections: SnapshotSection[] = []
  let crcs = 0
  for (let at = fileHeaderBytes; at < end;) {
    const nameAt = at + sectionHeaderBytes
    const nameBytes = nameAt > end ? 0 : bytes.readUInt32LE(at + 4)
    if (nameBytes < 1 || nameBytes > nameBytesMax) throw corrupt(file, at, 'a section is damaged')
    const bodyAt = nameAt + nameBytes
    const next = bodyAt + Number(bytes.readBigUInt64LE(at + 8))
    const name = bytes.toString('latin1', nameAt, bodyAt)
    if (next > end || bytes.readUInt32LE(at) !== crc32(bytes.subarray(at + 4, next), placeSeed(seed, at))) {
      throw corrupt(file, at, 'a section is damaged')
    }
    if (!nameForm.test(name)) throw corrupt(file, at, 'a section has no proper name')
    crcs = crc32(bytes.subarray(at, at + 4), crcs)
    sections.push({ name, bytes: bytes.subarray(bodyAt, next) })
    at = next
  }
  const footer = encodeFooter(seed, bytes.length, sections.length, crcs)
  if (!footer.equals(bytes.subarray(end))) throw corrupt(file, end, 'the footer is damaged')
  if (footer.readUInt32LE(28) !== meta.footerCrc || sections.length !== meta.sections) {
    throw corrupt(file, end, 'the footer is not the one that the manifest names')
  }
  return sections
}

function corrupt(file: string, offset: number, what: string): HourwheelError {
  return refuse('HW_CORRUPT', `${file}, offset ${offset}: ${what}`, { details: { file, offset } })
}

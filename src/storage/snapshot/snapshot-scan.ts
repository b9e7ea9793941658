/**
 * Reads what can be read of a snapshot that may be damaged: each section whose own checksum is right. For inspection and
 * salvage; `readSnapshot` is the one that decides what may be relied on.
 */

import { crc32, fileSeed } from '../../platform/checksum.ts'
import { readWhole } from '../../platform/full-io.ts'
import type { Disk } from '../../platform/ports.ts'
import { fileHeaderBytes } from '../file-header.ts'
import { placeSeed, sectionHeaderBytes, type SnapshotSection } from './snapshot.ts'

export interface ScannedSection extends SnapshotSection {
  readonly offset: number
}

export interface ScannedSnapshot {
  readonly sections: readonly ScannedSection[]
  /** Offsets at which a section should be and is not; reading ends with the first whose length is not known. */
  readonly damagedAt: readonly number[]
}

const footerMagic = 'HWsnpend'

export async function scanSnapshot(disk: Disk, path: string, fileId: string | undefined): Promise<ScannedSnapshot> {
  const file = await disk.open(path, 'read')
  let whole: Uint8Array
  try {
    whole = await readWhole(file)
  } finally {
    await file.close()
  }
  const bytes = Buffer.from(whole.buffer, whole.byteOffset, whole.length)
  const id = fileId === undefined ? Buffer.from(bytes.subarray(16, 32)) : Buffer.from(fileId, 'hex')
  const seed = fileSeed(id)
  const sections: ScannedSection[] = []
  const damagedAt: number[] = []
  for (let at = fileHeaderBytes; at + sectionHeaderBytes < bytes.length;) {
    if (bytes.toString('latin1', at, at + 8) === footerMagic) return { sections, damagedAt }
    const nameBytes = bytes.readUInt32LE(at + 4)
    const next = at + sectionHeaderBytes + nameBytes + Number(bytes.readBigUInt64LE(at + 8))
    if (nameBytes < 1 || nameBytes > 64 || next > bytes.length) break
    if (bytes.readUInt32LE(at) === crc32(bytes.subarray(at + 4, next), placeSeed(seed, at))) {
      const bodyAt = at + sectionHeaderBytes + nameBytes
      const name = bytes.toString('latin1', at + sectionHeaderBytes, bodyAt)
      sections.push({ name, offset: at, bytes: bytes.subarray(bodyAt, next) })
    } else damagedAt.push(at)
    at = next
  }
  damagedAt.push(sections.length === 0 ? fileHeaderBytes : bytes.length)
  return { sections, damagedAt }
}

/**
 * The fixed parts of a segment: head, block header, footer, and the checksum that binds a part to its place
 * (docs/format.md, "Segment"). Pure: knows bytes and offsets, no files.
 */

import { refuse, type HourwheelError } from '../../model/errors.ts'
import { hourLimit } from '../../model/units.ts'
import { crc32 } from '../../platform/checksum.ts'
import { fileHeaderBytes } from '../file-header.ts'

const headBytes = 16
export const headAt: number = fileHeaderBytes
/** Where the first block is. */
export const blocksAt: number = fileHeaderBytes + headBytes

export const blockHeaderBytes = 20
/** A block has at most so many bytes of entries, or one entry. */
export const blockBytesMax = 32_768
export const hourBlocksMax = 65_536

export const hourRowBytes = 24
export const blockRowBytes = 20
export const footerBytes = 72

const footerMagic = 'HWsegend'
const offsetBytes = Buffer.alloc(8)

/** The start value of the checksum of what lies at an offset of the file with this seed. */
export function placeSeed(seed: number, offset: number): number {
  offsetBytes.writeUInt32LE(offset % 2 ** 32, 0)
  offsetBytes.writeUInt32LE(Math.floor(offset / 2 ** 32), 4)
  return crc32(offsetBytes, seed)
}

export function encodeHead(seed: number, lsnBase: number): Buffer {
  const bytes = Buffer.alloc(headBytes)
  bytes.writeBigUInt64LE(BigInt(lsnBase), 0)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 12), placeSeed(seed, headAt)), 12)
  return bytes
}

/** The LSN base, or undefined when the head is damaged. */
export function decodeHead(seed: number, bytes: Buffer): number | undefined {
  if (crc32(bytes.subarray(0, 12), placeSeed(seed, headAt)) !== bytes.readUInt32LE(12)) return undefined
  const lsnBase = Number(bytes.readBigUInt64LE(0))
  return bytes.readUInt32LE(8) === 0 && Number.isSafeInteger(lsnBase) ? lsnBase : undefined
}

/** What a block says of itself, and the index of it. */
export interface BlockHeader {
  /** Of all its entries. */
  readonly entriesBytes: number
  readonly count: number
  readonly hour: number
  /** `orderAt` of the first one, milliseconds into the hour. */
  readonly firstAt: number
}

/** Puts the header in front of entries that are in place, for a block that will lie at `offset` of the file. */
export function sealBlock(into: Buffer, at: number, seed: number, offset: number, header: BlockHeader): void {
  const { entriesBytes, count, hour, firstAt } = header
  into.writeUInt32LE(entriesBytes, at + 4)
  into.writeUInt32LE(count, at + 8)
  into.writeUInt32LE(hour, at + 12)
  into.writeUInt32LE(firstAt, at + 16)
  const end = at + blockHeaderBytes + entriesBytes
  into.writeUInt32LE(crc32(into.subarray(at + 4, end), placeSeed(seed, offset)), at)
}

/** Whether the block at `at`, read from `offset`, is whole and what the index says of it. */
export function blockIsSound(bytes: Buffer, at: number, seed: number, offset: number, header: BlockHeader): boolean {
  const { entriesBytes, count, hour, firstAt } = header
  const end = at + blockHeaderBytes + entriesBytes
  return (
    end <= bytes.length &&
    bytes.readUInt32LE(at + 4) === entriesBytes &&
    bytes.readUInt32LE(at + 8) === count &&
    bytes.readUInt32LE(at + 12) === hour &&
    bytes.readUInt32LE(at + 16) === firstAt &&
    bytes.readUInt32LE(at) === crc32(bytes.subarray(at + 4, end), placeSeed(seed, offset))
  )
}

export interface Footer {
  readonly indexOffset: number
  readonly count: number
  readonly lsnMin: number
  readonly lsnMax: number
  readonly fileBytes: number
  readonly hours: number
  readonly blocks: number
  readonly hourFrom: number
  readonly hourTo: number
  readonly indexCrc: number
}

/** A footer as it was read. */
export interface FoundFooter extends Footer {
  readonly footerCrc: number
}

export function encodeFooter(seed: number, footer: Footer): Buffer {
  const bytes = Buffer.alloc(footerBytes)
  bytes.write(footerMagic, 0, 'latin1')
  bytes.writeBigUInt64LE(BigInt(footer.indexOffset), 8)
  bytes.writeBigUInt64LE(BigInt(footer.count), 16)
  bytes.writeBigUInt64LE(BigInt(footer.lsnMin), 24)
  bytes.writeBigUInt64LE(BigInt(footer.lsnMax), 32)
  bytes.writeBigUInt64LE(BigInt(footer.fileBytes), 40)
  bytes.writeUInt32LE(footer.hours, 48)
  bytes.writeUInt32LE(footer.blocks, 52)
  bytes.writeUInt32LE(footer.hourFrom, 56)
  bytes.writeUInt32LE(footer.hourTo, 60)
  bytes.writeUInt32LE(footer.indexCrc, 64)
  bytes.writeUInt32LE(crcOfFooter(seed, footer.fileBytes, bytes), 68)
  return bytes
}

function crcOfFooter(seed: number, fileBytes: number, bytes: Buffer): number {
  return crc32(bytes.subarray(0, 68), placeSeed(seed, fileBytes - footerBytes))
}

/** The footer of a file of `fileBytes`, or in words what is wrong with it. */
export function decodeFooter(seed: number, fileBytes: number, bytes: Buffer): FoundFooter | string {
  if (bytes.length !== footerBytes) return 'the file is cut short'
  if (bytes.toString('latin1', 0, 8) !== footerMagic) return 'it does not end in a footer'
  const footerCrc = bytes.readUInt32LE(68)
  if (footerCrc !== crcOfFooter(seed, fileBytes, bytes)) return 'the checksum of the footer is wrong'
  const whole = [8, 16, 24, 32, 40].map((at) => Number(bytes.readBigUInt64LE(at)))
  if (!whole.every(Number.isSafeInteger)) return 'a number in the footer is out of range'
  const [indexOffset, count, lsnMin, lsnMax, bytesSaid] = whole as [number, number, number, number, number]
  const hours = bytes.readUInt32LE(48)
  const blocks = bytes.readUInt32LE(52)
  const hourFrom = bytes.readUInt32LE(56)
  const hourTo = bytes.readUInt32LE(60)
  if (bytesSaid !== fileBytes) return `its footer says ${bytesSaid} bytes, it has ${fileBytes}`
  if (hours === 0 || blocks < hours || count < blocks || hourFrom > hourTo || hourTo >= hourLimit || lsnMin > lsnMax) {
    return 'the footer contradicts itself'
  }
  if (
    indexOffset < blocksAt ||
    indexOffset + hours * hourRowBytes + blocks * blockRowBytes + footerBytes !== fileBytes
  ) {
    return 'the index does not fill the place that the footer names'
  }
  const indexCrc = bytes.readUInt32LE(64)
  return { indexOffset, count, lsnMin, lsnMax, fileBytes, hours, blocks, hourFrom, hourTo, indexCrc, footerCrc }
}

/** `tasks` is how many tasks cannot be read because of it. */
export function corruptSegment(file: string, offset: number, tasks: number, what: string): HourwheelError {
  return refuse('HW_CORRUPT', `${file}, offset ${offset}: ${what} (${tasks} tasks)`, {
    details: { file, offset, tasks },
  })
}

/**
 * The little of msgpack that is written to disk (docs/format.md, "Records"): writers that put a value at an offset of a
 * buffer, and a strict reader.
 *
 * Invariants
 * - Every value has one form only: whole numbers, texts and headers the shortest there is. Whole numbers are 0 to 2^53 - 1;
 *   from 2^32 on they are float64, as JavaScript's msgpack libraries write them and read them without BigInt.
 * - The reader compares every length with what is left before it uses it, so that no claim of the bytes makes it allocate,
 *   loop or recurse beyond their own size. Whatever it does not like is `MalformedBytes`.
 *
 * It does not know negative numbers (but skips them), nor extensions, which it refuses.
 */

/** Bytes that are not what they should be. Says where, not why: who reads a file names it and counts the damage. */
export class MalformedBytes extends Error {
  override readonly name = 'MalformedBytes'
  /** Position in the bytes that were read, at or behind the first wrong one. */
  readonly offset: number

  constructor(offset: number) {
    super('malformed bytes')
    this.offset = offset
  }
}

export const nilByte = 0xc0

/** Arrays and maps within each other that `skip` goes into. */
const depthMax = 32
const uint32Limit = 2 ** 32
/** Texts are shorter than this many bytes. */
const textBytesLimit = 2 ** 16

/** For turning a double into bytes: whatever the order of bytes of the machine. */
const scratch = new DataView(new ArrayBuffer(8))
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function writeUint16(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 8
  into[at + 1] = value
}

export function writeUint32(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 24
  into[at + 1] = value >>> 16
  into[at + 2] = value >>> 8
  into[at + 3] = value
}

/** With its first byte: 9 bytes. */
export function writeFloat64(into: Uint8Array, at: number, value: number): number {
  scratch.setFloat64(0, value)
  into[at] = 0xcb
  writeUint32(into, at + 1, scratch.getUint32(0))
  writeUint32(into, at + 5, scratch.getUint32(4))
  return at + 9
}

/** A whole number in its shortest form: 1 to 9 bytes. */
export function writeUint(into: Uint8Array, at: number, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not a whole number`)
  if (value < 128) {
    into[at] = value
    return at + 1
  }
  if (value < 256) {
    into[at] = 0xcc
    into[at + 1] = value
    return at + 2
  }
  if (value < 65_536) {
    into[at] = 0xcd
    writeUint16(into, at + 1, value)
    return at + 3
  }
  if (value < uint32Limit) {
    into[at] = 0xce
    writeUint32(into, at + 1, value)
    return at + 5
  }
  return writeFloat64(into, at, value)
}

export function writeNil(into: Uint8Array, at: number): number {
  into[at] = nilByte
  return at + 1
}

/** The most bytes that `writeText` takes for a text. */
export function textBytesMax(text: string): number {
  return text.length * 3 + 3
}

/** There must be room for `textBytesMax`. */
export function writeText(into: Buffer, at: number, text: string): number {
  const bytes = Buffer.byteLength(text)
  if (bytes < 32) into[at++] = 0xa0 | bytes
  else if (bytes < 256) {
    into[at] = 0xd9
    into[at + 1] = bytes
    at += 2
  } else {
    checkTextBytes(bytes)
    into[at] = 0xda
    writeUint16(into, at + 1, bytes)
    at += 3
  }
  return at + into.write(text, at, 'utf8')
}

export function checkTextBytes(bytes: number): void {
  if (bytes >= textBytesLimit) throw new RangeError(`a text of ${bytes} bytes does not fit`)
}

/** 1 to 5 bytes. */
export function writeArrayHeader(into: Uint8Array, at: number, count: number): number {
  return writeHeader(into, at, count, 0x90, 0xdc)
}

/** 1 to 5 bytes. */
export function writeMapHeader(into: Uint8Array, at: number, count: number): number {
  return writeHeader(into, at, count, 0x80, 0xde)
}

function writeHeader(into: Uint8Array, at: number, count: number, short: number, long: number): number {
  if (count < 16) {
    into[at] = short | count
    return at + 1
  }
  if (count < 65_536) {
    into[at] = long
    writeUint16(into, at + 1, count)
    return at + 3
  }
  into[at] = long + 1
  writeUint32(into, at + 1, count)
  return at + 5
}

/** Without bounds: the caller has compared. */
export function uint16At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

/** Without bounds: the caller has compared. */
export function uint32At(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

/** The double behind its first byte, without bounds: the caller has compared. */
export function float64At(bytes: Uint8Array, at: number): number {
  scratch.setUint32(0, uint32At(bytes, at))
  scratch.setUint32(4, uint32At(bytes, at + 4))
  return scratch.getFloat64(0)
}

/** UTF-8 as text; anything else is malformed. */
export function textAt(bytes: Buffer, at: number, end: number): string {
  for (let i = at; i < end; i++) {
    if (bytes[i]! < 128) continue
    try {
      return utf8.decode(bytes.subarray(at, end))
    } catch {
      throw new MalformedBytes(i)
    }
  }
  return bytes.toString('latin1', at, end)
}

/** The end of the value at `at`, of whatever form but an extension. */
export function skip(bytes: Uint8Array, at: number, end: number): number {
  return skipWithin(bytes, at, end, depthMax)
}

function skipWithin(bytes: Uint8Array, at: number, end: number, depth: number): number {
  if (at >= end) throw new MalformedBytes(at)
  const first = bytes[at]!
  if (first < 0x80 || first >= 0xe0) return at + 1
  if (first < 0x90) return skipItems(bytes, at + 1, end, (first & 15) * 2, depth)
  if (first < 0xa0) return skipItems(bytes, at + 1, end, first & 15, depth)
  if (first < 0xc0) return within(at + 1 + (first & 31), end)
  switch (first) {
    case nilByte:
    case 0xc2:
    case 0xc3:
      return at + 1
    case 0xcc:
    case 0xd0:
      return within(at + 2, end)
    case 0xcd:
    case 0xd1:
      return within(at + 3, end)
    case 0xca:
    case 0xce:
    case 0xd2:
      return within(at + 5, end)
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return within(at + 9, end)
    case 0xc4:
    case 0xd9:
      return within(within(at + 2, end) + bytes[at + 1]!, end)
    case 0xc5:
    case 0xda:
      return within(within(at + 3, end) + uint16At(bytes, at + 1), end)
    case 0xc6:
    case 0xdb:
      return within(within(at + 5, end) + uint32At(bytes, at + 1), end)
    case 0xdc:
      return skipItems(bytes, within(at + 3, end), end, uint16At(bytes, at + 1), depth)
    case 0xdd:
      return skipItems(bytes, within(at + 5, end), end, uint32At(bytes, at + 1), depth)
    case 0xde:
      return skipItems(bytes, within(at + 3, end), end, uint16At(bytes, at + 1) * 2, depth)
    case 0xdf:
      return skipItems(bytes, within(at + 5, end), end, uint32At(bytes, at + 1) * 2, depth)
    default:
      // Extensions, and 0xc1, which nothing uses.
      throw new MalformedBytes(at)
  }
}

function skipItems(bytes: Uint8Array, at: number, end: number, count: number, depth: number): number {
  // Every item takes a byte at least.
  if (depth === 0 || count > end - at) throw new MalformedBytes(at)
  for (let i = 0; i < count; i++) at = skipWithin(bytes, at, end, depth - 1)
  return at
}

function within(at: number, end: number): number {
  if (at > end) throw new MalformedBytes(at)
  return at
}

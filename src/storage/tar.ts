/**
 * Archives of a few flat files in the ustar format (POSIX.1-1988), which every `tar` reads and writes: a header of 512 bytes
 * before each file, its bytes filled up to a multiple of 512, two empty blocks at the end. Sizes of 8 GiB and more are written in
 * the binary form of GNU tar. Pure.
 */

const blockBytes = 512
const octalLimit = 8 ** 11
/** Times of the whole: what matters is inside the files. */
const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0')

export interface TarEntry {
  readonly name: string
  readonly bytes: number
  /** '0' for a file; directories and the like are told apart by who reads. */
  readonly type: string
}

/** The end of an archive. */
export const tarEnd: Uint8Array = new Uint8Array(2 * blockBytes)

/** Bytes to add behind a file of so many. */
export function tarPadding(bytes: number): number {
  return (blockBytes - (bytes % blockBytes)) % blockBytes
}

export function encodeTarHeader(name: string, bytes: number, modifiedMs: number): Buffer {
  const header = Buffer.alloc(blockBytes)
  if (Buffer.byteLength(name) > 100) throw new RangeError(`a name of more than 100 bytes: ${name}`)
  header.write(name, 0)
  header.write(`${octal(0o600, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0`, 100, 'latin1')
  if (bytes < octalLimit) header.write(`${octal(bytes, 11)}\0`, 124, 'latin1')
  else {
    header[124] = 0x80
    header.writeBigUInt64BE(BigInt(bytes), 128)
  }
  header.write(`${octal(Math.max(0, Math.floor(modifiedMs / 1_000)), 11)}\0`, 136, 'latin1')
  header.write('0', 156, 'latin1')
  header.write('ustar\x0000', 257, 'latin1')
  header.write(`${octal(sumOf(header), 6)}\0 `, 148, 'latin1')
  return header
}

/** Undefined for an empty block; a text says what is wrong. */
export function decodeTarHeader(header: Buffer): TarEntry | undefined | string {
  if (header.length < blockBytes) return 'it is cut short'
  if (header.every((byte) => byte === 0)) return undefined
  if (Number.parseInt(header.toString('latin1', 148, 156), 8) !== sumOf(header))
    return 'the checksum of a header is wrong'
  const prefix = header.toString('latin1', 257, 262) === 'ustar' ? textAt(header, 345, 155) : ''
  const name = textAt(header, 0, 100)
  const bytes =
    (header[124]! & 0x80) === 0
      ? Number.parseInt(textAt(header, 124, 12) || '0', 8)
      : Number(header.readBigUInt64BE(128))
  if (!Number.isSafeInteger(bytes) || bytes < 0) return 'a size is out of range'
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    bytes,
    type: header[156] === 0 ? '0' : String.fromCharCode(header[156]!),
  }
}

export const tarHeaderBytes: number = blockBytes

/** With its own eight bytes taken for spaces. */
function sumOf(header: Buffer): number {
  let sum = 8 * 0x20
  for (let at = 0; at < blockBytes; at++) if (at < 148 || at >= 156) sum += header[at]!
  return sum
}

function textAt(header: Buffer, at: number, bytes: number): string {
  const end = header.indexOf(0, at)
  return header.toString('utf8', at, end < 0 || end > at + bytes ? at + bytes : end).trim()
}

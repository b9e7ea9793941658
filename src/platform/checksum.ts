/**
 * The checksum of everything on disk: CRC-32 as zlib computes it, a u32.
 *
 * A checksum finds accidents, not attacks. Every file seeds its checksums with its own random id (`fileSeed`), so that
 * bytes of another file, or of this file's earlier life, never validate.
 */

import { crc32 as zlibCrc32 } from 'node:zlib'

/** CRC-32 of `bytes`, continued from `seed`: `crc32(b, crc32(a))` is the checksum of a followed by b. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed)
}

/** The start value of all checksums of the file with this id. */
export function fileSeed(fileId: Uint8Array): number {
  return zlibCrc32(fileId, 0)
}

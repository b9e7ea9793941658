/**
 * The file of an LMDB environment, before LMDB opens it: made empty with the rights that our files have, or looked at, since LMDB
 * maps a file into memory and believes what it finds there.
 */

import * as fs from 'node:fs/promises'
import { dirname } from 'node:path'

/** Of LMDB's format, on little-endian machines: pages, and what is looked at in the first two. */
export const pageBytes = 4_096
const metaBytes = 160
const metaMagicAt = 24
const metaMagic = 0xbeefc0de
const metaPageBytesAt = 48
const metaRootAt = 136
const noRoot = 2n ** 64n - 1n

/** LMDB's own files: the data, and the lock file beside it. */
const filesOf = (path: string): string[] => [path, `${path}-lock`]

/** Empty files with the rights that ours have, their names durable. */
export async function makeAnew(path: string): Promise<void> {
  for (const file of filesOf(path)) {
    await fs.rm(file, { force: true })
    await (await fs.open(file, 'wx', 0o600)).close()
  }
  const directory = await fs.open(dirname(path), 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/**
 * LMDB maps the file into memory and believes what it finds: what is not one of its files would kill the process. So its two meta
 * pages are looked at first: by their magic, and whether the root they name is within the file.
 */
export async function looksSound(path: string): Promise<boolean> {
  let file: fs.FileHandle
  try {
    file = await fs.open(path, 'r')
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return false
    throw error
  }
  try {
    const { size } = await file.stat()
    const page = Buffer.alloc(metaBytes)
    for (const at of [0, pageBytes]) {
      const { bytesRead } = await file.read(page, 0, metaBytes, at)
      if (bytesRead < metaBytes || page.readUInt32LE(metaMagicAt) !== metaMagic) return false
      if (page.readUInt32LE(metaPageBytesAt) !== pageBytes) return false
      const root = page.readBigUInt64LE(metaRootAt)
      if (root !== noRoot && root >= BigInt(Math.floor(size / pageBytes))) return false
    }
    return true
  } finally {
    await file.close()
  }
}

/**
 * A disk for looking at what is damaged: bytes that cannot be read are zeros, and are told of, instead of ending the reading.
 * For inspection and salvage only. It changes nothing, and answers everything else as the disk behind it does.
 */

import { diskBut } from '../platform/disk-but.ts'
import type { Disk, DiskFile } from '../platform/ports.ts'

/** What is given up at once when it cannot be read. */
const pieceBytes = 4_096

export type OnUnreadable = (path: string, offset: number, bytes: number) => void

export function forgivingDisk(disk: Disk, unreadable: OnUnreadable): Disk {
  return diskBut(disk, {
    open: async (path, access, options) => forgivingFile(await disk.open(path, access, options), unreadable),
  })
}

function forgivingFile(file: DiskFile, unreadable: OnUnreadable): DiskFile {
  return {
    path: file.path,
    read: (into, at) => readAround(file, into, at, unreadable),
    write: (from, at) => file.write(from, at),
    sync: () => file.sync(),
    truncate: (bytes) => file.truncate(bytes),
    size: () => file.size(),
    close: () => file.close(),
  }
}

/** A read may be short, so a piece at a time will do. */
async function readAround(file: DiskFile, into: Uint8Array, at: number, unreadable: OnUnreadable): Promise<number> {
  try {
    return await file.read(into, at)
  } catch {
    const piece = into.subarray(0, Math.min(into.length, pieceBytes - (at % pieceBytes), (await file.size()) - at))
    if (piece.length <= 0) return 0
    try {
      return await file.read(piece, at)
    } catch {
      piece.fill(0)
      unreadable(file.path, at, piece.length)
      return piece.length
    }
  }
}

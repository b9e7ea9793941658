/** Copies files piece by piece through the disk port, synced; the caller syncs the directory. */

import { writeFully } from '../platform/full-io.ts'
import type { Disk } from '../platform/ports.ts'

const pieceBytes = 1 << 20

/** `from` may lie on another disk. Nothing may be there under the new name. */
export async function copyFile(
  source: Disk,
  from: string,
  target: Disk,
  to: string,
  copied: (bytes: number) => void = () => undefined,
): Promise<number> {
  const input = await source.open(from, 'read')
  try {
    const output = await target.open(to, 'create')
    try {
      const piece = new Uint8Array(Math.min(pieceBytes, Math.max(1, await input.size())))
      let at = 0
      for (;;) {
        const count = await input.read(piece, at)
        if (count === 0) break
        await writeFully(output, piece.subarray(0, count), at)
        at += count
        copied(count)
      }
      await output.sync()
      return at
    } finally {
      await output.close()
    }
  } finally {
    await input.close()
  }
}

/** Removes what is in a directory, and the directory; those inside it as well. Does nothing when it is not there. */
export async function removeTree(disk: Disk, directory: string): Promise<void> {
  if ((await disk.stat(directory)) === undefined) return
  for (const name of await disk.list(directory)) {
    const path = `${directory}/${name}`
    if ((await disk.stat(path))?.kind === 'directory') await removeTree(disk, path)
    else await disk.remove(path)
  }
  await disk.removeDirectory(directory)
}

/** Makes the names of a file or directory and of those above it durable. One above that may not be read was there before. */
export async function syncNamesOf(disk: Disk, path: string): Promise<void> {
  for (let at = path.lastIndexOf('/'); at >= 0; at = path.lastIndexOf('/', at - 1)) {
    try {
      await disk.syncDirectory(path.slice(0, at) || '/')
    } catch (error) {
      const { code } = error as { code?: unknown }
      if (code !== 'EACCES' && code !== 'EPERM') throw error
    }
    if (at === 0) return
  }
}

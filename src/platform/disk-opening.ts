/** A disk that is another one but for how it opens files: for what stands between a reader and the disk. */

import type { Disk } from './ports.ts'

export function diskOpening(disk: Disk, open: Disk['open']): Disk {
  return {
    open,
    list: (directory) => disk.list(directory),
    makeDirectory: (directory) => disk.makeDirectory(directory),
    stat: (path) => disk.stat(path),
    remove: (path) => disk.remove(path),
    removeDirectory: (path) => disk.removeDirectory(path),
    rename: (from, to) => disk.rename(from, to),
    syncDirectory: (directory) => disk.syncDirectory(directory),
  }
}

/** A disk that is another one but for some of its calls: for what stands between whoever reads or writes and the disk. */

import type { Disk } from './ports.ts'

export function diskBut(disk: Disk, other: Partial<Disk>): Disk {
  return {
    open: disk.open.bind(disk),
    list: (directory) => disk.list(directory),
    makeDirectory: (directory) => disk.makeDirectory(directory),
    stat: (path) => disk.stat(path),
    remove: (path) => disk.remove(path),
    removeDirectory: (path) => disk.removeDirectory(path),
    rename: (from, to) => disk.rename(from, to),
    syncDirectory: (directory) => disk.syncDirectory(directory),
    ...other,
  }
}

import * as fs from 'node:fs'

/** Fills a disk to the last byte: smaller and smaller writes. */
export function fillUp(file) {
  const fd = fs.openSync(file, 'w')
  for (let bytes = 1 << 20; bytes >= 1; bytes = Math.floor(bytes / 2)) {
    try {
      for (;;) if (fs.writeSync(fd, Buffer.alloc(bytes, 1)) < bytes) break
    } catch (error) {
      if (error.code !== 'ENOSPC') throw error
    }
  }
  fs.closeSync(fd)
}

/**
 * A disk for reading large files once from front to back in very many small pieces: each open file keeps what lies around its last
 * small read, so that most of them need no call. For looking at files that nobody changes.
 */

import { diskBut } from '../platform/disk-but.ts'
import type { Disk, DiskFile } from '../platform/ports.ts'

const windowBytes = 1 << 16
/** Larger reads go straight through. */
const smallBytes = 1 << 13

export function readAheadDisk(disk: Disk): Disk {
  return diskBut(disk, {
    open: async (path, access, options) => {
      const file = await disk.open(path, access, options)
      return access === 'read' ? new ReadAheadFile(file) : file
    },
  })
}

class ReadAheadFile implements DiskFile {
  readonly path: string
  readonly #file: DiskFile
  /** Of the file from `#base` on; replaced as a whole, since reads may be under way. */
  #window: Uint8Array = new Uint8Array()
  #base = 0

  constructor(file: DiskFile) {
    this.path = file.path
    this.#file = file
  }

  async read(into: Uint8Array, at: number): Promise<number> {
    if (into.length > smallBytes) return this.#file.read(into, at)
    let window = this.#window
    let base = this.#base
    if (at < base || at + into.length > base + window.length) {
      const bytes = new Uint8Array(windowBytes)
      window = bytes.subarray(0, await this.#file.read(bytes, at))
      base = at
      this.#window = window
      this.#base = base
    }
    const found = window.subarray(at - base, at - base + into.length)
    into.set(found)
    return found.length
  }

  size(): Promise<number> {
    return this.#file.size()
  }

  close(): Promise<void> {
    this.#window = new Uint8Array()
    return this.#file.close()
  }

  write(from: Uint8Array, at: number): Promise<number> {
    return this.#file.write(from, at)
  }

  sync(): Promise<void> {
    return this.#file.sync()
  }

  truncate(bytes: number): Promise<void> {
    return this.#file.truncate(bytes)
  }
}

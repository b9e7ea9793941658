/**
 * A window that slides over a file: any range up to the size of the largest frame is there at once, in bounded memory.
 *
 * It only moves forward. A read error is the caller's, as it comes: it is never taken for the end of the file.
 */

import { readFully } from '../../platform/full-io.ts'
import type { DiskFile } from '../../platform/ports.ts'
import { spareBuffers } from '../spare-buffers.ts'

export class FileWindow {
  /** The window's bytes: those of file offset `base` are at 0. Changes with `need`. */
  bytes: Buffer
  base = 0
  readonly fileBytes: number
  readonly #file: DiskFile
  readonly #chunkBytes: number
  #filled = 0

  private constructor(file: DiskFile, fileBytes: number, chunkBytes: number) {
    this.#file = file
    this.fileBytes = fileBytes
    this.#chunkBytes = chunkBytes
    this.bytes = spareBuffers.take(chunkBytes)
  }

  /** Nothing of the window is used any more. */
  release(): void {
    spareBuffers.give(this.bytes)
    this.bytes = Buffer.alloc(0)
  }

  static async over(file: DiskFile, chunkBytes: number): Promise<FileWindow> {
    return new FileWindow(file, await file.size(), chunkBytes)
  }

  /** Makes sure that [at, at + count) is in the window, as far as the file goes, and answers where `at` is in it. */
  async need(at: number, count: number): Promise<number> {
    const end = Math.min(at + count, this.fileBytes)
    if (end > this.base + this.#filled) await this.#slide(at, end)
    return at - this.base
  }

  async #slide(at: number, end: number): Promise<void> {
    const kept = Math.max(0, this.base + this.#filled - at)
    const size = Math.max(this.#chunkBytes, end - at)
    const target = size > this.bytes.length ? Buffer.allocUnsafeSlow(size) : this.bytes
    this.bytes.copy(target, 0, this.#filled - kept, this.#filled)
    this.bytes = target
    this.base = at
    this.#filled = kept
    const wanted = Math.min(size, this.fileBytes - at) - kept
    const count = await readFully(this.#file, this.bytes.subarray(kept, kept + wanted), at + kept)
    if (count < wanted)
      throw Object.assign(new Error(`${this.#file.path} became shorter while it was read`), { code: 'EIO' })
    this.#filled += count
  }
}

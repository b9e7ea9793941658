/**
 * Large buffers that are used again. Memory outside of the heap comes back only with a garbage collection, and a thread that
 * writes segments rarely has one: without this it would hold some eighty MiB that nobody uses.
 *
 * Each thread has its own. What is in a buffer that was taken is whatever was in it.
 */

/** More than this is not kept: a checkpoint needs its log file's size and two write buffers. */
const keptBytesMax = 24 << 20

class SpareBuffers {
  readonly #spare: Buffer[] = []
  #keptBytes = 0

  /** A buffer of at least so many bytes. Whoever takes it gives it back, or lets the garbage collector have it. */
  take(bytesMin: number): Buffer {
    const at = this.#spare.findIndex(({ length }) => length >= bytesMin)
    if (at < 0) return Buffer.allocUnsafeSlow(bytesMin)
    const [found] = this.#spare.splice(at, 1)
    this.#keptBytes -= found!.length
    return found!
  }

  /** Nothing may read or write the buffer any more, the disk neither. */
  give(buffer: Buffer): void {
    if (this.#keptBytes + buffer.length > keptBytesMax) return
    this.#spare.push(buffer)
    this.#keptBytes += buffer.length
  }
}

export const spareBuffers: SpareBuffers = new SpareBuffers()

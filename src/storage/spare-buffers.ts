/**
 * Large buffers that are used again. Memory outside of the heap comes back only with a garbage collection, and a thread that
 * writes segments rarely has one: without this it would hold some eighty MiB that nobody uses.
 *
 * Each thread has its own. What is in a buffer that was taken is whatever was in it.
 */

import { growableMemory } from '../wheel/growable-memory.ts'

/** More than this is not kept: a checkpoint of one hour needs two and a half times what its log file has. */
const keptBytesMax = 48 << 20

const roundBytes = 1 << 20

/** Mapped by itself: what the heap of C would keep goes back to the system. */
function mapped(bytesMin: number): Buffer {
  const bytes = Math.ceil(bytesMin / roundBytes) * roundBytes
  return Buffer.from(growableMemory(bytes, bytes))
}

class SpareBuffers {
  readonly #spare: Buffer[] = []
  #keptBytes = 0

  /** The smallest buffer of at least so many bytes. Whoever takes it gives it back, or lets the garbage collector have it. */
  take(bytesMin: number): Buffer {
    let best = -1
    for (let at = 0; at < this.#spare.length; at++) {
      const { length } = this.#spare[at]!
      if (length >= bytesMin && (best < 0 || length < this.#spare[best]!.length)) best = at
    }
    // Rounded, so that what is needed next time, a little more perhaps, has room in it as well.
    if (best < 0) return bytesMin < roundBytes ? Buffer.allocUnsafeSlow(bytesMin) : mapped(bytesMin)
    const [found] = this.#spare.splice(best, 1)
    this.#keptBytes -= found!.length
    return found!
  }

  /** Nothing may read or write the buffer any more, the disk neither. */
  give(buffer: Buffer): void {
    if (buffer.length === 0 || this.#keptBytes + buffer.length > keptBytesMax) return
    this.#spare.push(buffer)
    this.#keptBytes += buffer.length
  }
}

export const spareBuffers: SpareBuffers = new SpareBuffers()

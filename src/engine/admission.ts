/**
 * Calls that found no room in the log wait here, in order, for a bounded number of bytes; beyond that they are refused as
 * overload. A full disk is refused at once. Nothing has changed for a call that waits or is refused.
 */

import { refuse, type HourwheelError } from '../model/errors.ts'

interface Waiting {
  readonly bytes: number
  /** Tries again; false when there is still no room. */
  readonly attempt: () => boolean
  readonly reject: (error: Error) => void
}

export class Admission {
  readonly #bytesMax: number
  #waiting: Waiting[] = []
  #bytes = 0
  /** Why nobody waits here any more. */
  #over: Error | undefined

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get count(): number {
    return this.#waiting.length
  }

  /** Runs `attempt` now, or when there is room. */
  admit(bytes: number, diskFull: boolean, attempt: () => boolean, reject: (error: Error) => void): void {
    if (this.#over !== undefined) {
      reject(this.#over)
      return
    }
    if (this.#waiting.length === 0 && attempt()) return
    if (diskFull) {
      reject(diskFullError())
      return
    }
    if (this.#bytes + bytes > this.#bytesMax) {
      reject(
        refuse('HW_OVERLOADED', 'more is being scheduled than the disk takes; nothing was scheduled', {
          retryAfterMs: 250,
        }),
      )
      return
    }
    this.#bytes += bytes
    this.#waiting.push({ bytes, attempt, reject })
  }

  /** There may be room again. On a full disk nobody goes on waiting: that may last. */
  retry(diskFull = false): void {
    let count = 0
    for (const waiting of this.#waiting) {
      if (!waiting.attempt()) break
      this.#bytes -= waiting.bytes
      count++
    }
    if (count > 0) this.#waiting.splice(0, count)
    if (!diskFull) return
    for (const { bytes, reject } of this.#waiting.splice(0)) {
      this.#bytes -= bytes
      reject(diskFullError())
    }
  }

  /** The engine stops: all that wait, and all that come later, are given the error. */
  rejectAll(error: Error): void {
    this.#over = error
    const waiting = this.#waiting
    this.#waiting = []
    this.#bytes = 0
    for (const { reject } of waiting) reject(error)
  }
}

function diskFullError(): HourwheelError {
  return refuse('HW_DISK_FULL', 'the disk has no room for new tasks; nothing was scheduled', { retryAfterMs: 1_000 })
}

/**
 * How much may still be appended, in the file in use and in the files ready behind it.
 *
 * Invariant: behind the frames of a file there is always room for its seal or clean mark, and in a file not begun also for
 * its header and a head of the size of the last one.
 */

import { fileHeaderBytes } from '../file-header.ts'
import type { LogFile } from './log-files.ts'
import { alignUp, frameBytesOf, lengthBytes, markFrameBytes } from './log-format.ts'

export class LogSpace {
  readonly reserveBytes: number
  readonly #ready: readonly LogFile[]
  #headFrameBytes = 0

  constructor(ready: readonly LogFile[], reserveBytes: number) {
    this.#ready = ready
    this.reserveBytes = reserveBytes
  }

  headIs(bytes: number): void {
    this.#headFrameBytes = frameBytesOf(lengthBytes + bytes)
  }

  /** How long a file must be to hold frames of `bytes` besides header, head and seal. */
  fileBytesFor(bytes: number): number {
    return fileHeaderBytes + this.#headFrameBytes + alignUp(bytes) + markFrameBytes
  }

  /** What the ready files from `from` on will hold. */
  readyBytes(from: number): number {
    let bytes = 0
    for (let index = from; index < this.#ready.length; index++) {
      bytes += Math.max(0, this.#ready[index]!.bytes - this.fileBytesFor(0))
    }
    return bytes
  }

  /** What the file in use must keep free of 'new'. */
  get leftHereBytes(): number {
    return Math.max(0, this.reserveBytes - this.readyBytes(0))
  }
}

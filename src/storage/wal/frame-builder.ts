/**
 * Builds the one open frame in place: records with their lengths behind 64 bytes kept free for the frame header.
 *
 * A frame lies in its block as it lies in its file, so that it is written without a copy. A block is let go when the log
 * has moved on to another one and the last frame in it is written. The limits say how far records may reach: they are set
 * by the log writer, who knows the files, and are below everything while no frame is open.
 */

import type { Frame } from './log-flight.ts'
import type { LogFile } from './log-files.ts'
import { alignDown, frameBytesOf, frameHeaderBytes, lengthBytes } from './log-format.ts'

/** Where frames are built: blocks of memory shared with the thread that writes (wheel/block-store.ts). */
export interface LogBlocks {
  take(bytesMin: number): number
  bytes(block: number): Buffer
  /** The log neither reads nor writes the block any more. */
  letGo(block: number): void
}

/** A frame is not grown further than this, unless one record or group is larger. */
const frameSoftBytesMax = 4 * 1024 * 1024

export class FrameBuilder {
  buffer: Buffer = Buffer.alloc(0)
  block = -1
  isOpen = false
  /** Block offset of the open frame, and where its next record's length goes. */
  start = 0
  at = 0
  count = 0
  /** Records of this purpose may reach up to here. */
  newEnd = -1
  settleEnd = -1
  readonly #blocks: LogBlocks
  #firstLsn = 0
  #next = 0
  #frameEnd = 0
  #last: Frame | undefined

  constructor(blocks: LogBlocks) {
    this.#blocks = blocks
  }

  /** Bytes that the open frame takes in the file so far; none while it is empty. */
  get openBytes(): number {
    return this.isOpen && this.count > 0 ? frameBytesOf(this.at - this.start - frameHeaderBytes) : 0
  }

  open(payloadBytes: number, firstLsn: number): void {
    const bytes = frameBytesOf(payloadBytes)
    if (this.block < 0 || this.#next + bytes > alignDown(this.buffer.length)) this.#takeBlock(bytes)
    this.isOpen = true
    this.start = this.#next
    this.at = this.start + frameHeaderBytes
    this.count = 0
    this.#firstLsn = firstLsn
    const softEnd = this.start + Math.max(bytes, frameHeaderBytes + frameSoftBytesMax)
    this.#frameEnd = Math.min(alignDown(this.buffer.length), softEnd)
  }

  /** Sets how far records may reach, given how far the file does, and how much of that 'new' must leave. */
  limit(fileEnd: number, leave: number): void {
    this.settleEnd = Math.min(this.#frameEnd, fileEnd)
    this.newEnd = Math.min(this.settleEnd, fileEnd - leave)
  }

  /** Puts a record into the open frame: `write` writes it where it is told, and answers its end. */
  append(write: (buffer: Buffer, at: number) => number): void {
    const at = this.at + lengthBytes
    const end = write(this.buffer, at)
    this.buffer.writeUInt32LE(end - at, this.at)
    this.at = end
    this.count++
  }

  /** The frame, or undefined when there is nothing in it; an empty one leaves no trace. */
  close(kind: Frame['kind'], file: LogFile, fileAt: number): Frame | undefined {
    const wasOpen = this.isOpen
    this.isOpen = false
    this.newEnd = -1
    this.settleEnd = -1
    if (!wasOpen || (this.count === 0 && kind !== 'mark')) return undefined
    const payloadBytes = this.at - this.start - frameHeaderBytes
    const frame: Frame = {
      file,
      fileAt,
      block: this.block,
      buffer: this.buffer,
      start: this.start,
      payloadBytes,
      bytes: frameBytesOf(payloadBytes),
      firstLsn: this.#firstLsn,
      recordCount: this.count,
      kind,
      lastInBlock: false,
      number: 0,
      call: 0,
      written: false,
      outstanding: false,
    }
    this.#next += frame.bytes
    this.#last = frame
    this.count = 0
    return frame
  }

  /** Lets the block go as soon as that is possible. */
  endBlock(): void {
    if (this.block < 0) return
    if (this.#last === undefined || this.#last.written) this.#blocks.letGo(this.block)
    else this.#last.lastInBlock = true
    this.#last = undefined
    this.block = -1
  }

  #takeBlock(bytes: number): void {
    this.endBlock()
    this.block = this.#blocks.take(bytes)
    this.buffer = this.#blocks.bytes(this.block)
    this.#next = 0
  }
}

/**
 * Reads the forms that msgpack.ts writes, one value after the other, and no other: what it accepts is, written again, the
 * same bytes. Rules and failure are those of msgpack.ts.
 */

import { float64At, MalformedBytes, nilByte, skip, textAt, uint16At, uint32At } from './msgpack.ts'

export class MsgpackReader {
  readonly bytes: Buffer
  readonly end: number
  at: number

  /** `end` is at most the length of `bytes`. */
  constructor(bytes: Buffer, at: number, end: number) {
    if (!(at >= 0 && at <= end && end <= bytes.length)) throw new MalformedBytes(at)
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  /** Whether the next value is nil; then it is read. */
  nil(): boolean {
    if (this.at >= this.end || this.bytes[this.at] !== nilByte) return false
    this.at++
    return true
  }

  /** A whole number in its shortest form, below `limit`. */
  uint(limit: number): number {
    const at = this.at
    const first = this.#take(1)
    let value = first
    let least = 0
    if (first === 0xcc) {
      value = this.bytes[this.#advance(1)]!
      least = 128
    } else if (first === 0xcd) {
      value = uint16At(this.bytes, this.#advance(2))
      least = 256
    } else if (first === 0xce) {
      value = uint32At(this.bytes, this.#advance(4))
      least = 65_536
    } else if (first === 0xcb) {
      value = float64At(this.bytes, this.#advance(8))
      least = 2 ** 32
      if (!Number.isSafeInteger(value)) throw new MalformedBytes(at)
    } else if (first > 127) throw new MalformedBytes(at)
    if (value < least || value >= limit) throw new MalformedBytes(at)
    return value
  }

  uint16(): number {
    this.#expect(0xcd)
    return uint16At(this.bytes, this.#advance(2))
  }

  uint32(): number {
    this.#expect(0xce)
    return uint32At(this.bytes, this.#advance(4))
  }

  float64(): number {
    this.#expect(0xcb)
    return float64At(this.bytes, this.#advance(8))
  }

  /** Texts of up to 65,535 bytes. */
  text(): string {
    const at = this.at
    const first = this.#take(1)
    let length = first & 31
    let least = 0
    if (first === 0xd9) {
      length = this.bytes[this.#advance(1)]!
      least = 32
    } else if (first === 0xda) {
      length = uint16At(this.bytes, this.#advance(2))
      least = 256
    } else if (first < 0xa0 || first >= 0xc0) throw new MalformedBytes(at)
    if (length < least) throw new MalformedBytes(at)
    const start = this.#advance(length)
    return textAt(this.bytes, start, this.at)
  }

  /** Items of an array; each takes at least `itemBytesMin` bytes, and so many are left. */
  arrayHeader(itemBytesMin: number): number {
    return this.#header(0x90, 0xdc, itemBytesMin)
  }

  /** Pairs of a map. */
  mapHeader(): number {
    return this.#header(0x80, 0xde, 2)
  }

  /** Passes over a value. */
  skip(): void {
    this.at = skip(this.bytes, this.at, this.end)
  }

  /** Nothing may be left. */
  finish(): void {
    if (this.at !== this.end) throw new MalformedBytes(this.at)
  }

  #header(short: number, long: number, itemBytesMin: number): number {
    const at = this.at
    const first = this.#take(1)
    let count = first & 15
    if (first === long) {
      count = uint16At(this.bytes, this.#advance(2))
      if (count < 16) throw new MalformedBytes(at)
    } else if (first === long + 1) {
      count = uint32At(this.bytes, this.#advance(4))
      if (count < 65_536) throw new MalformedBytes(at)
    } else if ((first & 0xf0) !== short) throw new MalformedBytes(at)
    if (count * itemBytesMin > this.end - this.at) throw new MalformedBytes(at)
    return count
  }

  #take(bytes: number): number {
    return this.bytes[this.#advance(bytes)]!
  }

  #expect(first: number): void {
    if (this.#take(1) !== first) throw new MalformedBytes(this.at - 1)
  }

  /** Moves over that many bytes and answers where they begin. */
  #advance(bytes: number): number {
    const at = this.at
    if (bytes > this.end - at) throw new MalformedBytes(at)
    this.at = at + bytes
    return at
  }
}

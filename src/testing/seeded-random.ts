/**
 * Random numbers that a seed determines (sfc32), for simulations: the same seed gives the same run on every machine.
 *
 * Give every consumer a `fork` of its own, so that one more draw in one place does not change what happens in another.
 */

import type { Random } from '../platform/ports.ts'

export class SeededRandom implements Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number | string) {
    // FNV-1a over the text, so that neighbouring and fractional seeds differ in all bits.
    let hash = 0x811c9dc5
    for (const character of String(seed)) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193)
    this.#a = hash
    this.#b = Math.imul(hash, 0x9e3779b1) ^ 0x85ebca6b
    this.#c = ~hash
    for (let round = 0; round < 12; round++) this.u32()
  }

  /** Uniform in 0..2^32-1. */
  u32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    this.#c |= 0
    return sum >>> 0
  }

  unit(): number {
    return this.u32() / 0x1_0000_0000
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count)
    for (let at = 0; at < count; at++) bytes[at] = this.u32() >>> 24
    return bytes
  }

  /** A whole number in 0..count-1. */
  below(count: number): number {
    return Math.floor(this.unit() * count)
  }

  /** A whole number in first..last. */
  between(first: number, last: number): number {
    return first + this.below(last - first + 1)
  }

  chance(probability: number): boolean {
    return this.unit() < probability
  }

  pick<T>(choices: readonly T[]): T {
    if (choices.length === 0) throw new RangeError('nothing to pick from')
    return choices[this.below(choices.length)] as T
  }

  /** Shuffles in place and returns the same array. */
  shuffle<T>(items: T[]): T[] {
    for (let last = items.length - 1; last > 0; last--) {
      const other = this.below(last + 1)
      const item = items[last] as T
      items[last] = items[other] as T
      items[other] = item
    }
    return items
  }

  /** An independent stream, determined by this one's state and `label`; takes one draw. */
  fork(label: string): SeededRandom {
    return new SeededRandom(`${this.u32()}/${label}`)
  }
}

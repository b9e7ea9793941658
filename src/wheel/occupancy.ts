/**
 * Which slots hold something: one bit a slot, so that an empty stretch is skipped 32 slots at a time. Ranges start at
 * multiples of 32 bits.
 */

export function markOccupied(words: Int32Array, slot: number): void {
  words[slot >>> 5]! |= 1 << (slot & 31)
}

export function markEmpty(words: Int32Array, slot: number): void {
  words[slot >>> 5]! &= ~(1 << (slot & 31))
}

/** The first occupied slot in [from, end), or -1. `end` is a multiple of 32. */
export function nextOccupied(words: Int32Array, from: number, end: number): number {
  if (from >= end) return -1
  let index = from >>> 5
  let word = words[index]! & (-1 << (from & 31))
  const last = (end >>> 5) - 1
  while (word === 0) {
    if (index === last) return -1
    word = words[++index]!
  }
  return (index << 5) + 31 - Math.clz32(word & -word)
}

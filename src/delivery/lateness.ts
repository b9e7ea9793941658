/** A histogram of lateness with at most 3 % error: 32 buckets for every doubling of milliseconds, from 0 to years. */

const bucketsPerDoubling = 32
const doublings = 42

export class LatenessHistogram {
  readonly #counts = new Uint32Array(bucketsPerDoubling * (doublings + 1))
  count = 0
  maxMs = 0

  add(lateMs: number): void {
    const late = lateMs > 0 ? lateMs : 0
    this.#counts[bucketOf(late)]!++
    this.count++
    if (late > this.maxMs) this.maxMs = late
  }

  /** The smallest bucket's upper bound below which `share` (0..1) of the values lie. */
  quantileMs(share: number): number {
    if (this.count === 0) return 0
    const wanted = Math.max(1, Math.ceil(share * this.count))
    let seen = 0
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket]!
      if (seen >= wanted) return Math.min(this.maxMs, upperBoundOf(bucket))
    }
    return this.maxMs
  }
}

function bucketOf(lateMs: number): number {
  if (lateMs < bucketsPerDoubling) return Math.floor(lateMs)
  if (lateMs < 2 ** 31) {
    // The same without logarithm and division, as it is done for every attempt.
    const doubling = 27 - Math.clz32(lateMs)
    return doubling * bucketsPerDoubling + (lateMs >> (doubling - 1)) - bucketsPerDoubling
  }
  const doubling = Math.min(doublings, Math.floor(Math.log2(lateMs / bucketsPerDoubling)) + 1)
  const within = Math.floor((lateMs / (bucketsPerDoubling * 2 ** (doubling - 1)) - 1) * bucketsPerDoubling)
  return doubling * bucketsPerDoubling + Math.min(bucketsPerDoubling - 1, Math.max(0, within))
}

function upperBoundOf(bucket: number): number {
  const doubling = Math.floor(bucket / bucketsPerDoubling)
  const within = bucket % bucketsPerDoubling
  if (doubling === 0) return within
  const base = bucketsPerDoubling * 2 ** (doubling - 1)
  return base + ((within + 1) * base) / bucketsPerDoubling
}

/**
 * A map from packed ids to numbers in typed arrays: 24 bytes an entry where a Map takes 70, and nothing for the garbage
 * collector to look at. Open addressing; a removed entry leaves its place marked until the next growth.
 */

const free = -1
const removed = -2
const firstCapacity = 1_024

export class IdMap {
  #keys: Float64Array = new Float64Array(firstCapacity).fill(free)
  #values: Float64Array = new Float64Array(firstCapacity)
  /** Places that are not free. */
  #used = 0
  size = 0

  get(id: number): number | undefined {
    const at = this.#find(id)
    return at < 0 ? undefined : this.#values[at]
  }

  has(id: number): boolean {
    return this.#find(id) >= 0
  }

  set(id: number, value: number): void {
    const at = this.#find(id)
    if (at >= 0) {
      this.#values[at] = value
      return
    }
    if ((this.#used + 1) * 4 > this.#keys.length * 3) this.#grow()
    const mask = this.#keys.length - 1
    let place = hash(id) & mask
    while (this.#keys[place] !== free) place = (place + 1) & mask
    this.#keys[place] = id
    this.#values[place] = value
    this.#used++
    this.size++
  }

  delete(id: number): void {
    const at = this.#find(id)
    if (at < 0) return
    this.#keys[at] = removed
    this.size--
  }

  *keys(): Generator<number> {
    for (const key of this.#keys) if (key >= 0) yield key
  }

  #find(id: number): number {
    const keys = this.#keys
    const mask = keys.length - 1
    for (let at = hash(id) & mask; ; at = (at + 1) & mask) {
      const key = keys[at]!
      if (key === id) return at
      if (key === free) return -1
    }
  }

  #grow(): void {
    const keys = this.#keys
    const values = this.#values
    const capacity = this.size * 2 > keys.length ? keys.length * 2 : keys.length
    this.#keys = new Float64Array(capacity).fill(free)
    this.#values = new Float64Array(capacity)
    const mask = capacity - 1
    for (let from = 0; from < keys.length; from++) {
      if (keys[from]! < 0) continue
      let at = hash(keys[from]!) & mask
      while (this.#keys[at] !== free) at = (at + 1) & mask
      this.#keys[at] = keys[from]!
      this.#values[at] = values[from]!
    }
    this.#used = this.size
  }
}

/** Of the hour and the ordinal, mixed so that neighbours are far apart. */
function hash(id: number): number {
  const low = id >>> 0
  const high = (id / 4_294_967_296) >>> 0
  let mixed = Math.imul(low ^ Math.imul(high, 0x85eb_ca6b), 0x9e37_79b1)
  mixed ^= mixed >>> 15
  mixed = Math.imul(mixed, 0xc2b2_ae35)
  return (mixed ^ (mixed >>> 13)) >>> 0
}

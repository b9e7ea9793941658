/**
 * From an hour to what is kept of it: a map, with the entries used lately at hand. Whoever schedules into a month ahead touches
 * another of its 720 hours with every task; a map's buckets and entries have left the processor's caches by then, the few cells
 * here have not.
 *
 * Invariant: a cell says what the map says, or nothing.
 */

/** Six weeks of hours fall into cells of their own. A power of two. */
const cells = 1_024

export class HourMap<T extends object> {
  readonly #map: Map<number, T> = new Map()
  /** By the low bits of the hour. No hour is negative. */
  readonly #hours: Int32Array = new Int32Array(cells).fill(-1)
  readonly #values: (T | undefined)[] = new Array<T | undefined>(cells).fill(undefined)

  get size(): number {
    return this.#map.size
  }

  get(hour: number): T | undefined {
    const cell = hour & (cells - 1)
    if (this.#hours[cell] === hour) return this.#values[cell]
    const found = this.#map.get(hour)
    if (found !== undefined) this.#remember(hour, found)
    return found
  }

  set(hour: number, value: T): void {
    this.#map.set(hour, value)
    this.#remember(hour, value)
  }

  delete(hour: number): void {
    this.#map.delete(hour)
    const cell = hour & (cells - 1)
    if (this.#hours[cell] !== hour) return
    this.#hours[cell] = -1
    this.#values[cell] = undefined
  }

  /** In the order in which hours were first set. */
  values(): MapIterator<T> {
    return this.#map.values()
  }

  [Symbol.iterator](): MapIterator<[number, T]> {
    return this.#map[Symbol.iterator]()
  }

  #remember(hour: number, value: T): void {
    const cell = hour & (cells - 1)
    this.#hours[cell] = hour
    this.#values[cell] = value
  }
}

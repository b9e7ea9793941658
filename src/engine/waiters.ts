/**
 * Answers that wait for their records to be on disk, in LSN order. There are many, and nearly all live for less than a
 * garbage collection: a ring of parallel arrays, in which a place is cleared as soon as its answer is given.
 */

type Resolve = (value: never) => void
type Reject = (error: Error) => void

const placesAtStart = 1024

export class Waiters {
  /** All have the same length, a power of two. */
  #lsns = new Float64Array(placesAtStart)
  #resolves: (Resolve | undefined)[] = emptyPlaces(placesAtStart)
  #rejects: (Reject | undefined)[] = emptyPlaces(placesAtStart)
  #values: unknown[] = emptyPlaces(placesAtStart)
  #first = 0
  #count = 0

  get count(): number {
    return this.#count
  }

  /** LSNs must not decrease from call to call. */
  push<T>(lsn: number, resolve: (value: T) => void, reject: Reject, value: T): void {
    if (this.#count === this.#lsns.length) this.#grow()
    const at = (this.#first + this.#count++) & (this.#lsns.length - 1)
    this.#lsns[at] = lsn
    this.#resolves[at] = resolve
    this.#rejects[at] = reject
    this.#values[at] = value
  }

  /** Resolves all that waited for records up to `lsn`. */
  release(lsn: number): void {
    while (this.#count > 0 && this.#lsns[this.#first]! <= lsn) {
      const at = this.#first
      const resolve = this.#resolves[at]!
      const value = this.#values[at]
      this.#clearFirst()
      resolve(value as never)
    }
  }

  rejectAll(error: Error): void {
    while (this.#count > 0) {
      const reject = this.#rejects[this.#first]!
      this.#clearFirst()
      reject(error)
    }
  }

  #clearFirst(): void {
    const at = this.#first
    this.#resolves[at] = undefined
    this.#rejects[at] = undefined
    this.#values[at] = undefined
    this.#first = (at + 1) & (this.#lsns.length - 1)
    this.#count--
  }

  #grow(): void {
    const places = this.#lsns.length
    const lsns = new Float64Array(places * 2)
    lsns.set(this.#lsns.subarray(this.#first))
    lsns.set(this.#lsns.subarray(0, this.#first), places - this.#first)
    this.#lsns = lsns
    this.#resolves = unrolled(this.#resolves, this.#first)
    this.#rejects = unrolled(this.#rejects, this.#first)
    this.#values = unrolled(this.#values, this.#first)
    this.#first = 0
  }
}

function emptyPlaces<T>(count: number): (T | undefined)[] {
  return new Array<T | undefined>(count).fill(undefined)
}

/** The places from `first` on, then those before it, then as many empty ones. */
function unrolled<T>(places: (T | undefined)[], first: number): (T | undefined)[] {
  return [...places.slice(first), ...places.slice(0, first), ...emptyPlaces<T>(places.length)]
}

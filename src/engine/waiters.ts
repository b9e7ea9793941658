/** Answers that wait for their records to be on disk, in LSN order; a ring of parallel arrays, since there are many. */

export class Waiters {
  #lsns: number[] = []
  #resolves: ((value: never) => void)[] = []
  #rejects: ((error: Error) => void)[] = []
  #values: unknown[] = []
  #from = 0

  get count(): number {
    return this.#lsns.length - this.#from
  }

  /** LSNs must not decrease from call to call. */
  push<T>(lsn: number, resolve: (value: T) => void, reject: (error: Error) => void, value: T): void {
    this.#lsns.push(lsn)
    this.#resolves.push(resolve)
    this.#rejects.push(reject)
    this.#values.push(value)
  }

  /** Resolves all that waited for records up to `lsn`. */
  release(lsn: number): void {
    let from = this.#from
    const end = this.#lsns.length
    while (from < end && this.#lsns[from]! <= lsn) {
      this.#resolves[from]!(this.#values[from] as never)
      this.#values[from] = undefined
      from++
    }
    if (from === this.#lsns.length) {
      this.#lsns = []
      this.#resolves = []
      this.#rejects = []
      this.#values = []
      from = 0
    } else if (from > 65_536) {
      this.#lsns.splice(0, from)
      this.#resolves.splice(0, from)
      this.#rejects.splice(0, from)
      this.#values.splice(0, from)
      from = 0
    }
    this.#from = from
  }

  rejectAll(error: Error): void {
    const rejects = this.#rejects.slice(this.#from)
    this.#lsns = []
    this.#resolves = []
    this.#rejects = []
    this.#values = []
    this.#from = 0
    for (const reject of rejects) reject(error)
  }
}

/** Promises that wait for a watermark to reach an LSN. Mostly asked for in order; kept in order. */

interface Waiting {
  readonly lsn: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class LsnWaiters {
  #waiting: Waiting[] = []

  wait(lsn: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let at = this.#waiting.length
      while (at > 0 && this.#waiting[at - 1]!.lsn > lsn) at--
      const entry = { lsn, resolve, reject }
      if (at === this.#waiting.length) this.#waiting.push(entry)
      else this.#waiting.splice(at, 0, entry)
    })
  }

  reached(lsn: number): void {
    let count = 0
    while (count < this.#waiting.length && this.#waiting[count]!.lsn <= lsn) this.#waiting[count++]!.resolve()
    if (count > 0) this.#waiting.splice(0, count)
  }

  rejectAll(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}

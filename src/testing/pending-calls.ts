/** Calls that wait for their answer, so that a simulated crash, after which there is none, can say so. */

export class PendingCalls {
  readonly #rejects: Set<(error: Error) => void> = new Set()

  /** Settles as `answer` does, or as `rejectAll` says before that. */
  add<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#rejects.add(reject)
      answer.then(resolve, reject).finally(() => this.#rejects.delete(reject))
    })
  }

  rejectAll(error: Error): void {
    for (const reject of this.#rejects) reject(error)
    this.#rejects.clear()
  }
}

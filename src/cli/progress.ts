/** Progress of long commands: one line on stderr that overwrites itself, on a terminal only, so that pipes and logs stay clean. */

const pauseMs = 100

export class Progress {
  readonly #isShown: boolean
  #shownAt = -Infinity

  /** `wanted` false: nothing is shown, as with `--json`. */
  constructor(wanted = true) {
    this.#isShown = wanted && process.stderr.isTTY
  }

  /** Ten times a second at most. */
  show(text: string): void {
    const now = performance.now()
    if (!this.#isShown || now - this.#shownAt < pauseMs) return
    this.#shownAt = now
    const width = process.stderr.columns ?? 80
    process.stderr.write(`\r\u001B[K${text.slice(0, width - 1)}`)
  }

  /** Takes the line away. */
  end(): void {
    if (this.#isShown && this.#shownAt > -Infinity) process.stderr.write('\r\u001B[K')
    this.#shownAt = -Infinity
  }
}

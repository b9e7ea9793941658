/** Shares the thread: work goes on for a few milliseconds, then others get a turn. */

import type { Clock } from '../platform/ports.ts'

const turnMs = 2

export class Turn {
  readonly #clock: Clock
  #startedAt: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startedAt = clock.monotonicMs()
  }

  isOver(): boolean {
    return this.#clock.monotonicMs() - this.#startedAt >= turnMs
  }

  async next(): Promise<void> {
    await new Promise<void>((resolve) => this.#clock.soon(resolve))
    this.#startedAt = this.#clock.monotonicMs()
  }
}

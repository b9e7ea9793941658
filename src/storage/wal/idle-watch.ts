/** Looks at intervals whether anything happened since the last look; tells once when not, until there is something new. */

import type { Clock, TimerHandle } from '../../platform/ports.ts'

export class IdleWatch {
  readonly #clock: Clock
  readonly #afterMs: number
  /** Grows with whatever happens. */
  readonly #activity: () => number
  readonly #idle: () => void
  #seen = 0
  #timer: TimerHandle | undefined

  /** `afterMs` 0: never. */
  constructor(clock: Clock, afterMs: number, activity: () => number, idle: () => void) {
    this.#clock = clock
    this.#afterMs = afterMs
    this.#activity = activity
    this.#idle = idle
  }

  /** Something happened. Cheap while a look is due anyway. */
  stir(): void {
    if (this.#timer !== undefined || this.#afterMs <= 0) return
    this.#seen = this.#activity()
    this.#timer = this.#clock.setTimer(this.#afterMs, () => {
      this.#timer = undefined
      if (this.#activity() === this.#seen) this.#idle()
      else this.stir()
    })
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer)
    this.#timer = undefined
  }
}

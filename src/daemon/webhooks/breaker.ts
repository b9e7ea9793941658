/**
 * Whether a target is worth a request: pure, `now` (monotonic milliseconds) is a parameter.
 *
 *   closed   --`failuresMax` failures in a row, or told to wait-->  open: nothing is sent until a pause is over
 *   open     --the pause is over-->  probing: one request at a time
 *   probing  --it came through-->    closed, and the pause is short again
 *   probing  --it failed-->          open, with twice the pause, up to `pauseMsMax`
 *
 * What requests that were under way when it opened come back with says nothing new; only one that came through does.
 */

export interface BreakerOptions {
  readonly failuresMax: number
  readonly pauseMs: number
  readonly pauseMsMax: number
}

export const breakerDefaults: BreakerOptions = { failuresMax: 5, pauseMs: 1_000, pauseMsMax: 60_000 }

export type BreakerState = 'closed' | 'open' | 'probing'

export class Breaker {
  state: BreakerState = 'closed'
  /** When the pause is over; only while open. */
  openUntilMs = 0
  /** How often it opened. */
  openings = 0
  readonly #options: BreakerOptions
  #failures = 0
  #pauseMs: number

  constructor(options: BreakerOptions) {
    this.#options = options
    this.#pauseMs = options.pauseMs
  }

  /** A request came through, or at least the target answered it with sense. True when that changed the state. */
  cameThrough(): boolean {
    this.#failures = 0
    this.#pauseMs = this.#options.pauseMs
    const before = this.state
    this.state = 'closed'
    return before !== 'closed'
  }

  /** `waitMs`: the target said how long to leave it alone. `spread`, 0 to 1, keeps many breakers from probing at once. */
  failed(nowMs: number, waitMs: number | undefined, spread: number): boolean {
    this.#failures++
    if (this.state === 'open') {
      const later = waitMs !== undefined && nowMs + waitMs > this.openUntilMs
      if (later) this.openUntilMs = nowMs + waitMs
      return later
    }
    if (this.state === 'closed' && this.#failures < this.#options.failuresMax && waitMs === undefined) return false
    this.state = 'open'
    this.openings++
    this.openUntilMs = nowMs + Math.max(this.#pauseMs * (1 + spread / 4), waitMs ?? 0)
    this.#pauseMs = Math.min(this.#pauseMs * 2, this.#options.pauseMsMax)
    return true
  }

  /** The pause may be over: true when the next request is a probe. */
  look(nowMs: number): boolean {
    if (this.state !== 'open' || nowMs < this.openUntilMs) return false
    this.state = 'probing'
    return true
  }
}

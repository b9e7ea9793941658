/**
 * One task as far as it can be known from outside: what was asked for, and everything that may be true of it. What is
 * attempted adds to that, what is durably known takes away.
 */

import type { Asked } from './lines.ts'

export const is = { absent: 1, live: 2, dead: 4, succeeded: 8, cancelled: 16, expired: 32, purged: 64 } as const
export type StateName = keyof typeof is

/** A fire time that it may have. */
interface FireTime {
  readonly from: number
  readonly to: number
  /** Number of the line that brought it up. */
  readonly line: number
  /** It holds for the attempt after so many answered ones; undefined: for any. */
  readonly answered: number | undefined
}

/** What brings tasks in, all or none: a call, or the success of a task that scheduled one successor. */
export interface Submission {
  readonly parent: ExpectedTask | undefined
  readonly tasks: ExpectedTask[]
}

export class ExpectedTask {
  readonly asked: Asked
  readonly submission: Submission
  id: string | undefined
  /** The id was given durably, not only seen at a start. */
  isIdDurable = false
  states: number = is.absent | is.live
  /** All that `states` has allowed since the call about it began that is open now. */
  window = 0
  times: FireTime[]
  /** Attempts answered, as many as may be. */
  attempts: number[] = [0]
  generationMin = 0
  generationMax = 0
  starts = 0
  /** A cancel was answered 'leased': no further start. */
  stopped = false
  running = false
  /** Its handler has ended it in this life, whether that is durable or not. */
  endedInLife = false
  /** A handler has asked for its death. */
  deathAsked = false
  /** Lives in which the process died, since it was submitted. */
  kills = 0

  constructor(asked: Asked, submission: Submission, line: number) {
    this.asked = asked
    this.submission = submission
    this.times = [{ from: asked.fireFrom, to: asked.fireTo, line, answered: 0 }]
  }

  allows(states: number): boolean {
    return (this.states & states) !== 0
  }

  may(states: number): void {
    this.states |= states
    this.window |= states
  }

  mayFireAt(from: number, to: number, line: number, answered: number | undefined): void {
    this.times.push({ from, to, line, answered })
  }

  get isCertain(): boolean {
    return (this.states & (this.states - 1)) === 0
  }

  /** `answered`: how many attempts had been, where that is known. */
  allowsFireAt(fireAt: number, answered: number | undefined): boolean {
    return this.times.some((time) => {
      const holds = time.answered === undefined || answered === undefined || time.answered === answered
      return holds && fireAt >= time.from && fireAt <= time.to
    })
  }

  /** A listing has shown it with exactly these values. */
  seen(states: number, fireAt: number, attempt: number, generation: number, line: number): void {
    this.states = states
    this.times = [{ from: fireAt, to: fireAt, line, answered: attempt }]
    this.attempts = [attempt]
    this.generationMin = generation
    this.generationMax = generation
  }

  /** The engine is gone. `died`: without having closed in order. */
  outlived(died: boolean): void {
    this.running = false
    this.endedInLife = false
    this.window = 0
    if (died) this.kills++
    if (this.stopped && this.allows(is.live)) this.states = (this.states & ~is.live) | is.cancelled
  }

  describe(): string {
    const states = Object.entries(is).flatMap(([name, bit]) => (this.allows(bit) ? [name] : []))
    const times = this.times.map(({ from, to }) => (from === to ? `${from}` : `${from}..${to}`))
    return (
      `task ${this.asked.tag} ${this.id ?? ''} in ${this.asked.queue}: ${states.join('|')}, at ${times.join(' or ')}, ` +
      `answered ${this.attempts.join('|')}, generation ${this.generationMin}..${this.generationMax}` +
      (this.stopped ? ', stopped' : '')
    )
  }
}

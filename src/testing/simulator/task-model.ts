/**
 * One task as the checker sees it: what was asked for, and what may be true of it now.
 *
 * - `now`: what this life of the engine may have made of it, durable or not.
 * - `since`: what a crash may leave: everything that `now` has allowed since the last durable word.
 * - `windows`: the same, for each open call about it, since that call was made.
 */

import type { OnConflict } from '../../model/hourwheel.ts'
import { Belief, state, type Candidate } from './belief.ts'

/** Of a task that may have taken the place of another: less it, how many generations may have come since. */
export const generationsUnknown = 1e9

/** What a caller asked for, in the checker's own terms. */
export interface TaskSpec {
  readonly tag: string
  readonly queue: string
  readonly fireFromAt: number
  readonly fireToAt: number
  /** The payload as canonical text. */
  readonly payload: string
  readonly headers: string
  /** No tag in payload or headers: known by its id alone. */
  readonly untagged: boolean
  readonly expiresAt: number | undefined
  readonly timeoutMs: number
  readonly attemptsMax: number
  readonly maxAge: boolean
  readonly retryDelayMsMax: number
  readonly key: string | undefined
  /** Of a call with a key. */
  readonly onConflict: OnConflict | undefined
  readonly keyWindowMs: number
}

/** A call that brings tasks in: all of them or none. */
export interface Submission {
  readonly kind: 'schedule' | 'scheduleMany' | 'successor'
  readonly tasks: TaskModel[]
  status: 'open' | 'accepted' | 'refused' | 'unknown'
  readonly life: number
}

/** One run of a handler, or one lease of a puller. */
export interface AttemptModel {
  readonly task: TaskModel
  readonly number: number
  readonly fence: number
  readonly life: number
  readonly startedMs: number
  readonly seq: number
  readonly timeoutMs: number
  /** Virtual time from which on the engine may have failed it. */
  deadlineMs: number
  outcome: 'running' | 'ok' | 'failed' | 'deadLetter' | 'retry'
  /** Its time-out had passed when it answered, or has passed now. */
  overdue: boolean
  successor: Submission | undefined
}

export class TaskModel {
  readonly spec: TaskSpec
  submission: Submission
  /** Replaced by this one, whose id it had. */
  predecessor: TaskModel | undefined
  /** The generation with which it began; not known of one that may have taken another's place. */
  generationFirst: number | undefined
  /** Calls under way that may take its key away, and that may replace it. */
  readonly unnamers: Set<object> = new Set()
  readonly replacers: Set<object> = new Set()
  /** Such a call was never answered. */
  maybeUnnamed = false
  maybeReplaced = false
  /** The least wall clock since it came, as far as it was believed. */
  wallMin: number = -Infinity
  /** It had ended by this wall clock. */
  endedBy: number | undefined
  id: string | undefined
  now: Belief
  since: Belief
  readonly windows: Set<Belief> = new Set()
  /** A cancel was durably answered 'leased': no further start. */
  stopped = false
  /** The newest attempt seen, of any life. */
  attempt: AttemptModel | undefined
  starts = 0
  /** The largest number of any attempt: one that was redriven begins anew, and events of before come late. */
  attemptMax = 0
  /** Successors of attempts whose success may have become durable. */
  readonly successors: Submission[] = []
  /** The largest fence of any attempt. */
  fence = 0
  /** Attempts of which an event has said that they failed; begins anew when it may have been redriven. */
  readonly failuresHeard: Set<number> = new Set()
  /** How often it may have been redriven. */
  redrives = 0
  /** Redrives of it that are under way. */
  readonly openRedrives: Set<object> = new Set()

  constructor(spec: TaskSpec, submission: Submission, seq: number) {
    this.spec = spec
    this.submission = submission
    const first: Candidate = {
      fromAt: spec.fireFromAt,
      toAt: spec.fireToAt,
      seq,
      open: false,
      failedAttempt: undefined,
    }
    const states = submission.kind === 'successor' ? state.absent : state.absent | state.live
    const isReplacement = submission.kind !== 'successor' && spec.onConflict === 'replace'
    const generationMax = isReplacement ? generationsUnknown : 0
    this.generationFirst = isReplacement ? undefined : 0
    this.now = new Belief(states, [first], [0], 0, generationMax, spec.key === undefined ? 0 : 1)
    this.since = this.now.clone()
  }

  /** Something may have happened: what `now` allows becomes what `change` makes of it, and nothing before is ruled out. */
  may(change: (belief: Belief) => void): void {
    change(this.now)
    this.since.union(this.now)
    for (const window of this.windows) window.union(this.now)
  }

  /** Something is durably so: every belief is narrowed in the same way. */
  known(narrow: (belief: Belief) => void): void {
    narrow(this.now)
    narrow(this.since)
    for (const window of this.windows) window.union(this.now)
  }

  /** A window for a call that is made now, of which so much may be true already. */
  openWindow(first: Belief = this.now): Belief {
    const window = first.clone()
    this.windows.add(window)
    return window
  }

  /** The task when no more than `belief` may be true of it. Submissions and the task it replaced are still those of this one. */
  asOf(belief: Belief, stopped: boolean): TaskModel {
    const copy = new TaskModel(this.spec, this.submission, 0)
    const { id, predecessor, generationFirst, wallMin, endedBy, starts, attemptMax, attempt, fence } = this
    Object.assign(copy, { id, predecessor, generationFirst, wallMin, endedBy, starts, attemptMax, attempt, fence })
    copy.stopped = stopped
    copy.successors.push(...this.successors)
    copy.since = belief.clone()
    // They are changed in place.
    copy.since.candidates = belief.candidates.map((candidate) => ({ ...candidate }))
    copy.crashed()
    return copy
  }

  /** The process died: all that may have been durable may be true. */
  crashed(): void {
    this.openRedrives.clear()
    this.maybeUnnamed ||= this.unnamers.size > 0
    this.maybeReplaced ||= this.replacers.size > 0
    this.unnamers.clear()
    this.replacers.clear()
    this.now = this.since.clone()
    if (this.stopped && this.now.allows(state.live)) {
      this.now.states = (this.now.states & ~state.live) | state.cancelled
    }
    for (const candidate of this.now.candidates) candidate.open = false
    this.since = this.now.clone()
    this.windows.clear()
  }

  /** The engine has closed in order: what it made of the task is so. */
  closed(): void {
    this.since = this.now.clone()
    this.crashed()
  }

  /** A full scan after a start has shown it with exactly these values, durably. */
  observed(
    states: number,
    seen: { fireAt: number; attempt: number; generation: number },
    seq: number,
    named: number,
  ): void {
    const { fireAt, attempt, generation } = seen
    const candidate = { fromAt: fireAt, toAt: fireAt, seq, open: false, failedAttempt: undefined }
    this.now = new Belief(states, [candidate], [attempt], generation, generation, named)
    this.since = this.now.clone()
    this.maybeUnnamed = false
    this.maybeReplaced = false
    this.generationFirst ??= generation
  }
}

/** What the checker's parts share: the tasks, what is settled for good, and what was found wrong. */

import { ExpectedTask, is, type StateName, type Submission } from './expected-task.ts'
import { IdRegister } from './id-register.ts'
import type { Asked } from './lines.ts'

export interface Rules {
  /** A handler that started proves its task to be there: what dies is the process, not the machine. */
  readonly startsSurvive: boolean
  /** The wall clock is set while workers run, so that only handlers' own times are looked at. */
  readonly clockSteps: boolean
}

/** How much later than its line something may be dated by the engine. */
export const datedLaterMsMax = 10_000

export class Book {
  readonly rules: Rules
  readonly violations: string[] = []
  /** Tasks that are not settled for good, by tag. */
  readonly tasks = new Map<number, ExpectedTask>()
  readonly byId = new Map<string, ExpectedTask>()
  /** How many tasks are settled for good. `unclear` ones have expired or never were. */
  readonly settled: Record<StateName | 'unclear', number> = {
    absent: 0,
    live: 0,
    dead: 0,
    succeeded: 0,
    cancelled: 0,
    expired: 0,
    purged: 0,
    unclear: 0,
  }
  /** Submissions that the next scan has to settle. */
  readonly doubtful = new Set<Submission>()
  readonly paused = new Map<string, boolean>()
  /** False from a power cut on: what is said after it is no proof, but may still have happened. */
  isProof = true
  line = 0
  nextTag = 1
  lastWallMs = 0
  /** What is due only later than this must not start: the clock that says so is not to be believed. */
  believedUntilMs = Infinity
  readonly #ids = new IdRegister()

  constructor(rules: Rules) {
    this.rules = rules
  }

  violate(what: string, task?: ExpectedTask): void {
    this.violations.push(`line ${this.line}: ${what}${task === undefined ? '' : ` [${task.describe()}]`}`)
  }

  submit(asked: readonly Asked[], parent: ExpectedTask | undefined): Submission {
    const submission: Submission = { parent, tasks: [] }
    for (const each of asked) {
      const task = new ExpectedTask(each, submission, this.line)
      if (parent !== undefined) task.states = is.absent | is.live
      submission.tasks.push(task)
      this.tasks.set(each.tag, task)
      this.nextTag = Math.max(this.nextTag, each.tag + 1)
    }
    return submission
  }

  /** The task is durably one of these states. */
  know(task: ExpectedTask, states: number): void {
    if (this.isProof) task.states = states
  }

  /** The engine may have found its time over, when the clock showed `wallMs` at last. */
  mayHaveExpired({ asked: { expiresAt } }: ExpectedTask, wallMs: number): boolean {
    return expiresAt !== undefined && (this.rules.clockSteps || expiresAt <= wallMs)
  }

  /** `durable`: the id can no more be given to another task. */
  learnId(task: ExpectedTask, id: string, durable: boolean): void {
    if (task.id !== undefined && task.id !== id) this.violate(`ids once: its id is now ${id}`, task)
    const other = this.byId.get(id)
    if (other !== undefined && other !== task) {
      if (other.isIdDurable) this.violate(`ids once: ${id} belongs to ${other.describe()}`, task)
      other.id = undefined
    }
    task.id = id
    this.byId.set(id, task)
    if (!durable || task.isIdDurable || !this.isProof) return
    task.isIdDurable = true
    if (!this.#ids.add(id)) this.violate(`ids once: ${id} was given before, or is no id`, task)
  }

  forgetId(task: ExpectedTask): void {
    if (task.id !== undefined && this.byId.get(task.id) === task) this.byId.delete(task.id)
    task.id = undefined
  }

  /** Nothing more can happen to it. */
  settle(task: ExpectedTask, as: StateName | 'unclear'): void {
    this.settled[as]++
    this.tasks.delete(task.asked.tag)
    if (task.id !== undefined && this.byId.get(task.id) === task) this.byId.delete(task.id)
  }
}

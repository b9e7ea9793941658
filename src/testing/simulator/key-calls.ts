/**
 * Calls that name a task by its key, as the checker follows them: which tasks may have had the key while a call was open, and
 * what the call may do to each of them until it is answered.
 *
 * A call that replaces or moves whatever has the key adds that possibility to every task that may have it, also to those that
 * come while it is open; its answer takes the possibility back from all but the one it names.
 */

import type { OnConflict } from '../../model/hourwheel.ts'
import { state, type Belief, type Candidate } from './belief.ts'
import type { TaskModel } from './task-model.ts'

/** Has the key; goes on without it. */
export const named = { yes: 1, no: 2 } as const

export class KeyCall {
  /** The task that the call brings in; undefined when it only refers to the key. */
  readonly own: TaskModel | undefined
  readonly mode: OnConflict | 'get' | 'cancel'
  readonly seq: number
  readonly wallMs: number
  /** All that has been possible of each task since the call. */
  readonly windows: Map<TaskModel, Belief> = new Map()
  /** The fire time that each may have been moved to. */
  readonly #moves: Map<TaskModel, Candidate> = new Map()

  constructor(own: TaskModel | undefined, mode: OnConflict | 'get' | 'cancel', seq: number, wallMs: number) {
    this.own = own
    this.mode = mode
    this.seq = seq
    this.wallMs = wallMs
  }

  /** Whether the call leaves a task that lives as it is. */
  get isPassive(): boolean {
    return this.mode === 'keep' || this.mode === 'reject' || this.own === undefined
  }

  /** This task may have the key while the call is open. */
  meets(task: TaskModel): void {
    const window = task.openWindow()
    this.windows.set(task, window)
    if (this.mode === 'cancel') {
      task.may((belief) => {
        belief.states |= state.cancelled
      })
    }
    if (this.isPassive || task === this.own) return
    task.unnamers.add(this)
    task.may((belief) => {
      belief.named |= named.no
    })
    if (this.mode === 'replace') {
      task.replacers.add(this)
      task.may((belief) => {
        belief.states |= state.replaced
      })
      return
    }
    const { fireFromAt, fireToAt } = this.own!.spec
    const move = { fromAt: fireFromAt, toAt: fireToAt, seq: this.seq, open: true, failedAttempt: undefined }
    this.#moves.set(task, move)
    task.may((belief) => {
      belief.candidates.push(move)
      belief.generationMax++
    })
  }

  /** It was answered, at this line of the journal; only to one of `done` it did something. */
  answered(done: readonly TaskModel[], closedSeq: number): void {
    for (const [task, window] of this.windows) {
      task.windows.delete(window)
      if (done.length > 1 && done.includes(task)) {
        task.maybeUnnamed ||= task.unnamers.has(this)
        task.maybeReplaced ||= task.replacers.has(this)
        const move = this.#moves.get(task)
        if (move !== undefined) {
          move.open = false
          move.closedSeq = closedSeq
        }
      }
      task.unnamers.delete(this)
      task.replacers.delete(this)
      if (!done.includes(task)) this.#didNothingTo(task)
    }
  }

  /** It moved this task to `fireAt`. */
  moved(task: TaskModel, fireAt: number, generation: number, closedSeq: number): void {
    const move = this.#moves.get(task)
    const exact = { fromAt: fireAt, toAt: fireAt, seq: this.seq, closedSeq, open: false, failedAttempt: undefined }
    if (move !== undefined) move.open = false
    task.known((belief) => {
      belief.states &= ~state.absent
      const had = move !== undefined && belief.candidates.includes(move)
      belief.dropCandidatesBefore(this.seq)
      belief.candidates = belief.candidates.filter((candidate) => candidate !== move)
      if (had) belief.candidates.push(exact)
      belief.generationMin = Math.max(belief.generationMin, generation)
      if (task.unnamers.size === 0 && !task.maybeUnnamed) belief.named &= ~named.no
    })
  }

  #didNothingTo(task: TaskModel): void {
    const move = this.#moves.get(task)
    const isNamed = task.unnamers.size === 0 && !task.maybeUnnamed
    const isWhole = task.replacers.size === 0 && !task.maybeReplaced
    task.known((belief) => {
      if (isNamed && belief.named !== named.no) belief.named &= ~named.no
      if (isWhole && belief.states !== state.replaced) belief.states &= ~state.replaced
      if (move === undefined || !belief.candidates.includes(move)) return
      belief.candidates = belief.candidates.filter((candidate) => candidate !== move)
      belief.generationMax--
    })
  }
}

/** Whether a task lived and had its key all the time. */
export function heldIt(window: Belief): boolean {
  return window.states === state.live && window.named === named.yes
}

/** Whether it may have done so at some time. */
export function mayHaveHeldIt(window: Belief, states: number = state.live): boolean {
  return window.allows(states) && (window.named & named.yes) !== 0
}

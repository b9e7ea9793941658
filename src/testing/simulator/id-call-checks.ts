/**
 * The checker's part about cancel, reschedule and get by id, also while others replace the task: one that replaces another lives on
 * under its id, so that a call which is open meanwhile may be about either. What it is answered is then a claim about one of them,
 * settled once receipts and other answers leave only one that it can be.
 */

import { endedStates, state, type Belief, type Candidate } from './belief.ts'
import { CallChecks, type TaskCall } from './call-checks.ts'
import { mayReplace, type SeenAnswer, type SeenReceipt, type SeenTask } from './checker-core.ts'
import type { Submission, TaskModel } from './task-model.ts'

export interface IdCall extends TaskCall {
  readonly kind: 'cancel' | 'reschedule' | 'get'
  /** Tasks that may have come to be named by the id, and all that has been possible of each. */
  readonly others: Map<TaskModel, Belief>
  /** The fire time that is asked for. */
  readonly move: Candidate | undefined
}

/** One of these tasks, all of which may have the id, is as an answer says. */
interface Claim {
  readonly id: string
  readonly text: string
  /** And how often each had been started when it was answered. */
  readonly subjects: Map<TaskModel, number>
  readonly holds: (task: TaskModel) => boolean
  readonly apply: (task: TaskModel, startsBefore: number) => void
}

export class IdCallChecks extends CallChecks {
  readonly #open: Set<IdCall> = new Set()
  readonly #claims: Set<Claim> = new Set()

  // Whom a call may be about

  /** Tasks of open calls that may replace this one; keys are another part's business. */
  protected replacing(_task: TaskModel): readonly TaskModel[] {
    return []
  }

  /** A call is made that may replace what has this task's key. */
  protected mayTakeOver(task: TaskModel): void {
    for (const call of this.#open) {
      const { spec } = call.task
      if (spec.queue === task.spec.queue && spec.key === task.spec.key && call.task !== task) this.#meets(call, task)
    }
  }

  #called(task: TaskModel, text: string, kind: IdCall['kind'], at?: { fromAt: number; toAt: number }): IdCall {
    const made = this.call(task, text)
    const move = at === undefined ? undefined : { ...at, seq: made.seq, open: true, failedAttempt: undefined }
    const call: IdCall = Object.assign(made, { kind, others: new Map<TaskModel, Belief>(), move })
    this.#open.add(call)
    this.#mayDo(call, task)
    for (const other of this.replacing(task)) this.#meets(call, other)
    return call
  }

  #meets(call: IdCall, task: TaskModel): void {
    if (call.others.has(task)) return
    call.others.set(task, task.openWindow())
    this.#mayDo(call, task)
  }

  #mayDo({ kind, move }: IdCall, task: TaskModel): void {
    if (kind === 'get') return
    task.may((belief) => {
      if (move !== undefined) {
        belief.candidates.push(move)
        belief.generationMax++
      } else if (belief.allows(state.live)) belief.states |= state.cancelled
    })
  }

  /** The tasks that the id may have named, with what may have been true of them. */
  #subjects({ task, window, others }: IdCall): Map<TaskModel, Belief> {
    const subjects = new Map([[task, window]])
    for (const [other, itsWindow] of others) if (mayBe(other, task.id!)) subjects.set(other, itsWindow)
    return subjects
  }

  #end(call: IdCall): void {
    this.#open.delete(call)
    for (const [task, window] of call.others) task.windows.delete(window)
    this.close(call)
    this.settleClaims()
  }

  /** What was open will not be answered. */
  protected forgetCalls(): void {
    this.#open.clear()
  }

  // Claims

  #claim(call: IdCall, text: string, subjects: readonly TaskModel[], rest: Pick<Claim, 'holds' | 'apply'>): void {
    const starts = new Map(subjects.map((task) => [task, task.starts]))
    if (starts.size > 0) this.#claims.add({ id: call.task.id!, text, subjects: starts, ...rest })
    this.settleClaims()
  }

  /** Takes from each claim whom it cannot be about any more. */
  protected settleClaims(): void {
    for (let isDone = false; !isDone;) {
      isDone = true
      for (const claim of this.#claims) {
        const { subjects, id, text, holds, apply } = claim
        const [first] = subjects.keys()
        if (subjects.size > 1) {
          for (const task of subjects.keys()) if (!mayBe(task, id) || !holds(task)) subjects.delete(task)
        }
        if (subjects.size > 1) continue
        this.#claims.delete(claim)
        isDone = false
        const [settled] = subjects
        if (settled === undefined) this.violate('D1 acknowledged', first, `${text} ${id}, and nobody can be it`)
        else apply(...settled)
      }
    }
  }

  /** A scan has settled what can be. */
  protected endClaims(): void {
    this.settleClaims()
    this.#claims.clear()
  }

  override accepted(submission: Submission, receipts: readonly SeenReceipt[]): void {
    super.accepted(submission, receipts)
    this.settleClaims()
  }

  override rejected(submission: Submission, code: string, outcome: string): void {
    super.rejected(submission, code, outcome)
    this.settleClaims()
  }

  // Cancel

  cancelCalled(task: TaskModel): IdCall {
    return this.#called(task, 'cancel?', 'cancel')
  }

  cancelAnswered(call: IdCall, answer: SeenAnswer): void {
    const { task } = call
    const { outcome } = answer
    this.journal.note(task.spec.tag, `cancel: ${outcome} ${answer.how ?? ''}`)
    if (outcome === 'cancelled' || outcome === 'leased') {
      const live = this.#live(call)
      if (live.length === 0) this.violate('state table', task, `cancel says ${outcome}, but it was not live`)
      const may = outcome === 'cancelled' ? state.cancelled : state.live | state.cancelled | state.succeeded
      this.#claim(call, `cancel says ${outcome}:`, live, {
        holds: ({ now }) => now.allows(may),
        apply: (one, startsBefore) => {
          if (one.starts > startsBefore && outcome === 'cancelled')
            this.violate('D5 ended', one, 'started after it was cancelled')
          if (outcome === 'leased') one.stopped = true
          one.known((belief) => {
            belief.states =
              outcome === 'cancelled' ? state.cancelled : (belief.states & ~state.absent) | state.cancelled
          })
        },
      })
    } else this.#gone(call, answer)
    this.#end(call)
  }

  #live(call: IdCall): TaskModel[] {
    return [...this.#subjects(call)].filter(([, window]) => window.allows(state.live)).map(([task]) => task)
  }

  // Reschedule

  rescheduleCalled(task: TaskModel, fromAt: number, toAt: number, ifGeneration: number | undefined): IdCall {
    const condition = ifGeneration === undefined ? '' : ` if generation ${ifGeneration}`
    return this.#called(task, `reschedule? at ${fromAt}${condition}`, 'reschedule', { fromAt, toAt })
  }

  rescheduleAnswered(call: IdCall, answer: SeenAnswer, ifGeneration: number | undefined): void {
    const { task } = call
    const { outcome, generation = 0 } = answer
    this.journal.note(task.spec.tag, `reschedule: ${outcome} ${generation} ${answer.how ?? ''}`)
    if (outcome === 'rescheduled') this.#rescheduled(call, answer, ifGeneration)
    else {
      this.#unmoved(call)
      const windows = [...this.#subjects(call).values()].filter((window) => window.allows(state.live))
      if ((outcome === 'changed' || outcome === 'leased') && windows.length === 0)
        this.violate('state table', task, `reschedule says ${outcome}: it was not live`)
      if (outcome === 'changed') {
        if (generation === ifGeneration || !windows.some((window) => window.allowsGeneration(generation))) {
          this.violate('generations', task, `changed: ${generation}, asked for ${ifGeneration}`)
        }
      } else if (outcome !== 'leased') this.#gone(call, answer)
    }
    this.#end(call)
  }

  #rescheduled(call: IdCall, { fireAt = 0, generation = 0 }: SeenAnswer, ifGeneration: number | undefined): void {
    const { task, seq, move } = call
    const live = [...this.#subjects(call)].filter(([, window]) => window.allows(state.live))
    if (live.length === 0) this.violate('state table', task, 'rescheduled a task that was not live')
    if (ifGeneration !== undefined && generation !== ifGeneration + 1) {
      this.violate('generations', task, `rescheduled if ${ifGeneration}, but the generation became ${generation}`)
    }
    if (live.length > 0 && !live.some(([, window]) => window.allowsGeneration(generation - 1))) {
      this.violate('generations', task, `rescheduled to generation ${generation}: it was past the one before`)
    }
    if (fireAt < move!.fromAt || fireAt > move!.toAt) {
      this.violate('state table', task, `rescheduled to ${fireAt}, but asked for ${move!.fromAt}`)
    }
    const closedSeq = this.journal.length
    const exact = { fromAt: fireAt, toAt: fireAt, seq, closedSeq, open: false, failedAttempt: undefined }
    move!.open = false
    const all = [task, ...call.others.keys()]
    for (const one of all) {
      one.known((belief) => {
        belief.candidates = belief.candidates.map((candidate) => (candidate === move ? exact : candidate))
      })
    }
    this.#claim(
      call,
      'rescheduled',
      live.map(([one]) => one),
      {
        holds: (one) => isOfGeneration(one, generation, all),
        apply: (one) => {
          for (const other of all) if (other !== one) notMoved(other, exact)
          one.known((belief) => {
            belief.states &= ~state.absent
            belief.dropCandidatesBefore(seq)
            belief.generationMin = Math.max(belief.generationMin, generation)
          })
          if (generation > one.since.generationMax) {
            this.violate('generations', one, `generation ${generation} is more than all reschedules together`)
          }
        },
      },
    )
  }

  /** Nothing was done: its fire time and its generation are none. */
  #unmoved({ task, others, move }: IdCall): void {
    move!.open = false
    for (const one of [task, ...others.keys()]) notMoved(one, move!)
  }

  // Get

  getCalled(task: TaskModel): IdCall {
    return this.#called(task, 'get?', 'get')
  }

  /** get answered a task, live or dead. */
  viewed(call: IdCall, seen: SeenTask): void {
    const { task } = call
    const one = this.tasks.get(seen.tag ?? '') ?? task
    const window = one === task ? call.window : call.others.get(one)
    this.settleTime(task)
    this.journal.note(task.spec.tag, `get: ${seen.state} ${seen.fireAt} a${seen.attempt} g${seen.generation}`)
    if (window === undefined) {
      if (!mayReplace(one, task)) this.violate('same data', task, `get by its id shows ${one.spec.tag}`)
    } else {
      if (!window.allows(seen.state === 'dead' ? state.dead : state.live))
        this.violate('state table', one, `get says ${seen.state}`)
      this.sameTask(one, seen)
      if (seen.state !== 'dead') this.sameVersion('get', one, window, seen)
    }
    this.#end(call)
  }

  /** get said that the task has ended, or that there is none. */
  gone(call: IdCall, answer: SeenAnswer): void {
    this.journal.note(call.task.spec.tag, `get: ${answer.outcome} ${answer.how ?? ''}`)
    this.#gone(call, answer)
    this.#end(call)
  }

  #gone(call: IdCall, answer: SeenAnswer): void {
    const { task, window } = call
    this.settleTime(task)
    if (answer.outcome !== 'ended') {
      if (!window.allows(state.absent)) this.violate('D1 acknowledged', task, `the engine says ${answer.outcome}`)
      return
    }
    const { how } = answer
    const allowed =
      how === 'dead'
        ? state.dead
        : how === 'succeeded'
          ? state.succeeded
          : how === 'cancelled'
            ? state.cancelled
            : how === 'other'
              ? state.other
              : endedStates
    // 'other' and unknown may also be a dead letter that was purged; those add `other` when they are asked for.
    const mayExpire = (one: TaskModel): boolean => (allowed & state.other) !== 0 && this.mayHaveExpired(one)
    const fitting = [...this.#subjects(call)].filter(([one, itsWindow]) => itsWindow.allows(allowed) || mayExpire(one))
    if (fitting.length === 0)
      this.violate('D1 acknowledged', task, `the engine says it ended: ${how ?? 'how is no longer known'}`)
    if (how === 'dead') return
    this.#claim(call, `ended ${how ?? ''}:`, fitting.length === 0 ? [task] : fitting.map(([one]) => one), {
      holds: (one) => one.now.allows(allowed) || mayExpire(one),
      apply: (one) =>
        one.known((belief) => {
          belief.states = allowed
        }),
    })
  }

  /** The call failed with an error; `unknown` when it may have been done. */
  callFailed(call: IdCall, code: string, outcome: string): void {
    this.journal.note(call.task.spec.tag, `failed: ${code}, ${outcome}`)
    if (call.kind === 'reschedule' && outcome !== 'unknown') this.#unmoved(call)
    this.#end(call)
  }
}

/** Whether a task may have this id; one without a receipt may have any. */
function mayBe(task: TaskModel, id: string): boolean {
  return task.id === id || (task.id === undefined && task.now.states !== state.absent)
}

/** Whether this generation may be one of the task's, as far as it is known which of `all` came after it and when. */
function isOfGeneration(task: TaskModel, generation: number, all: readonly TaskModel[]): boolean {
  if (task.generationFirst !== undefined && generation <= task.generationFirst) return false
  return !all.some((later) => {
    const { generationFirst = Infinity } = later
    return generation > generationFirst && later.id === task.id && isBefore(task, later)
  })
}

function isBefore(task: TaskModel, later: TaskModel): boolean {
  for (let one = later.predecessor; one !== undefined; one = one.predecessor) if (one === task) return true
  return false
}

function notMoved(task: TaskModel, move: Candidate): void {
  task.known((belief) => {
    if (!belief.candidates.includes(move)) return
    belief.candidates = belief.candidates.filter((candidate) => candidate !== move)
    belief.generationMax--
  })
}

/** The checker's part about calls: what they may answer, given all that may be true while they are open. */

import { AttemptChecks } from './attempt-checks.ts'
import { type Belief, endedStates, state } from './belief.ts'
import { mayReplace, type SeenAnswer, type SeenReceipt, type SeenTask } from './checker-core.ts'
import { generationsUnknown, type Submission, type TaskModel } from './task-model.ts'

/** An open call about one task. */
export interface TaskCall {
  readonly task: TaskModel
  readonly window: Belief
  readonly seq: number
  readonly life: number
  readonly wallMs: number
}

export class CallChecks extends AttemptChecks {
  // Submissions

  accepted(submission: Submission, receipts: readonly SeenReceipt[]): void {
    this.open.delete(submission)
    submission.status = 'accepted'
    if (receipts.length !== submission.tasks.length) {
      this.violate('receipts', submission.tasks[0], `${receipts.length} receipts for ${submission.tasks.length} tasks`)
    }
    submission.tasks.forEach((task, index) => this.receipt(task, receipts[index]!))
  }

  /** The task is new, says its receipt. */
  protected receipt(task: TaskModel, { id, fireAt, generation, outcome }: SeenReceipt): void {
    this.journal.note(task.spec.tag, `accepted ${id} at ${fireAt}`)
    if (outcome !== 'created') this.violate('receipts', task, `a new task without a key was ${outcome}`)
    if (generation !== 0) this.violate('receipts', task, `a new task has generation ${generation}`)
    if (fireAt < task.spec.fireFromAt || fireAt > task.spec.fireToAt) {
      this.violate('receipts', task, `asked for ${task.spec.fireFromAt}, got ${fireAt}`)
    }
    this.learnNewId(task, id)
    task.generationFirst = 0
    task.known((belief) => {
      belief.states &= ~state.absent
      if (belief.generationMax >= generationsUnknown) belief.generationMax -= generationsUnknown
    })
  }

  /** `outcome` of the error: 'not done' or 'unknown'. */
  rejected(submission: Submission, code: string, outcome: string): void {
    this.open.delete(submission)
    submission.status = outcome === 'unknown' ? 'unknown' : 'refused'
    for (const task of submission.tasks) {
      this.journal.note(task.spec.tag, `rejected ${code}, ${outcome}`)
      if (outcome !== 'unknown') this.refused(task, code)
    }
  }

  protected refused(task: TaskModel, code: string): void {
    if (task.starts > 0) this.violate('D2 not done', task, `refused with ${code} as not done, but it had started`)
    task.known((belief) => {
      belief.states = state.absent
    })
  }

  // Calls about a task

  call(task: TaskModel, text: string): TaskCall {
    this.journal.note(task.spec.tag, text)
    const { life } = this
    const call = { task, window: task.openWindow(), seq: this.journal.length, life, wallMs: this.sampleWall() }
    this.open.set(call, `${text} ${task.spec.tag}`)
    task.openCalls++
    return call
  }

  /** The call has its answer, or will never have one. */
  close(call: TaskCall): void {
    this.open.delete(call)
    call.task.openCalls--
    call.task.windows.delete(call.window)
  }

  cancelCalled(task: TaskModel): TaskCall {
    const call = this.call(task, 'cancel?')
    task.may((belief) => {
      if (belief.allows(state.live)) belief.states |= state.cancelled
    })
    return call
  }

  cancelAnswered(call: TaskCall, answer: SeenAnswer): void {
    const { task } = call
    this.journal.note(task.spec.tag, `cancel: ${answer.outcome} ${answer.how ?? ''}`)
    switch (answer.outcome) {
      case 'cancelled':
        if (!call.window.allows(state.live)) this.violate('state table', task, 'cancelled a task that was not live')
        task.known((belief) => {
          belief.states = state.cancelled
        })
        break
      case 'leased':
        if (!call.window.allows(state.live))
          this.violate('state table', task, 'cancel says leased, but it was not live')
        task.stopped = true
        task.known((belief) => {
          belief.states = (belief.states & ~state.absent) | state.cancelled
        })
        break
      default:
        this.#gone(call, answer)
    }
    this.close(call)
  }

  rescheduleCalled(task: TaskModel, fireFromAt: number, fireToAt: number, ifGeneration: number | undefined): TaskCall {
    const condition = ifGeneration === undefined ? '' : ` if generation ${ifGeneration}`
    const call = this.call(task, `reschedule? at ${fireFromAt}${condition}`)
    const open = { fromAt: fireFromAt, toAt: fireToAt, seq: call.seq, open: true, failedAttempt: undefined }
    task.may((belief) => {
      belief.candidates.push(open)
      belief.generationMax++
    })
    return call
  }

  rescheduleAnswered(call: TaskCall, answer: SeenAnswer, ifGeneration: number | undefined): void {
    const { task, seq } = call
    const { outcome, fireAt = 0, generation = 0 } = answer
    this.journal.note(task.spec.tag, `reschedule: ${outcome} ${generation} ${answer.how ?? ''}`)
    const own = task.since.candidates.find(
      (candidate) => candidate.seq === seq && candidate.failedAttempt === undefined,
    )
    if (own !== undefined) own.open = false
    if (outcome === 'rescheduled') {
      if (!call.window.allows(state.live)) this.violate('state table', task, 'rescheduled a task that was not live')
      if (ifGeneration !== undefined && generation !== ifGeneration + 1) {
        this.violate('generations', task, `rescheduled if ${ifGeneration}, but the generation became ${generation}`)
      }
      if (!call.window.allowsGeneration(generation - 1)) {
        this.violate('generations', task, `rescheduled to generation ${generation}: it was past the one before`)
      }
      const closedSeq = this.journal.length
      const exact = { fromAt: fireAt, toAt: fireAt, seq, closedSeq, open: false, failedAttempt: undefined }
      if (own !== undefined && (fireAt < own.fromAt || fireAt > own.toAt)) {
        this.violate('state table', task, `rescheduled to ${fireAt}, but asked for ${own.fromAt}`)
      }
      task.known((belief) => {
        belief.states &= ~state.absent
        const had = own !== undefined && belief.candidates.includes(own)
        belief.dropCandidatesBefore(seq)
        belief.candidates = belief.candidates.filter((candidate) => candidate !== own)
        if (had) belief.candidates.push(exact)
        belief.generationMin = Math.max(belief.generationMin, generation)
      })
      if (generation > task.since.generationMax) {
        this.violate('generations', task, `generation ${generation} is more than all reschedules together`)
      }
    } else {
      // Nothing was done: its fire time and its generation are none.
      task.known((belief) => {
        if (own !== undefined && belief.candidates.includes(own)) {
          belief.candidates = belief.candidates.filter((candidate) => candidate !== own)
          belief.generationMax--
        }
      })
      if (outcome === 'changed') {
        if (!call.window.allows(state.live)) this.violate('state table', task, 'changed, but it was not live')
        if (generation === ifGeneration || !call.window.allowsGeneration(generation)) {
          this.violate('generations', task, `changed: ${generation}, asked for ${ifGeneration}`)
        }
      } else if (outcome === 'leased') {
        if (!call.window.allows(state.live))
          this.violate('state table', task, 'reschedule says leased: it was not live')
      } else this.#gone(call, answer)
    }
    this.close(call)
  }

  /** The call failed with an error; `unknown` when it may have been done. */
  callFailed(call: TaskCall, code: string, outcome: string): void {
    this.journal.note(call.task.spec.tag, `failed: ${code}, ${outcome}`)
    this.close(call)
  }

  /** get answered a task, live or dead. */
  viewed(call: TaskCall, seen: SeenTask): void {
    const { task, window } = call
    this.settleTime(task)
    this.journal.note(task.spec.tag, `get: ${seen.state} ${seen.fireAt} a${seen.attempt} g${seen.generation}`)
    const expected = seen.state === 'dead' ? state.dead : state.live
    const newer = this.tasks.get(seen.tag ?? '')
    if (newer !== undefined && newer !== task && mayReplace(newer, task)) {
      // It was replaced while it was asked for.
      this.close(call)
      return
    }
    if (!window.allows(expected)) this.violate('state table', task, `get says ${seen.state}`)
    this.sameTask(task, seen)
    if (seen.state !== 'dead') this.sameVersion('get', task, window, seen)
    this.close(call)
  }

  /** get, cancel or reschedule said that the task has ended, or that there is none. */
  gone(call: TaskCall, answer: SeenAnswer): void {
    this.journal.note(call.task.spec.tag, `get: ${answer.outcome} ${answer.how ?? ''}`)
    this.#gone(call, answer)
    this.close(call)
  }

  #gone(call: TaskCall, answer: SeenAnswer): void {
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
    if (!window.allows(allowed) && !((allowed & state.other) !== 0 && this.mayHaveExpired(task))) {
      this.violate('D1 acknowledged', task, `the engine says it ended: ${how ?? 'how is no longer known'}`)
    }
    if (how !== 'dead') {
      task.known((belief) => {
        belief.states = allowed
      })
    }
  }

  // Dead letters

  /** Redrive or purge of these tasks is called. */
  deadCalled(kind: 'redrive' | 'purge', tasks: readonly TaskModel[]): TaskCall[] {
    return tasks.map((task) => {
      const call = this.call(task, `${kind}?`)
      if (kind === 'redrive') {
        task.redrives++
        task.endedBy = undefined
        task.failuresHeard.clear()
        task.maybeUnnamed = true
        task.openRedrives.add(call)
      }
      task.may((belief) => {
        if (!belief.allows(state.dead)) return
        belief.states |= kind === 'purge' ? state.other : state.live
        if (kind === 'purge') return
        belief.attempts.add(0)
        belief.generationMax++
        // Another may have its key now.
        if (belief.named === 1) belief.named = 3
        belief.candidates.push({
          fromAt: -Infinity,
          toAt: Infinity,
          seq: call.seq,
          open: false,
          failedAttempt: undefined,
        })
      })
      return call
    })
  }

  deadAnswered(calls: readonly TaskCall[], text: string): void {
    for (const call of calls) {
      this.journal.note(call.task.spec.tag, text)
      call.task.openRedrives.delete(call)
      this.close(call)
    }
  }

  pauseCalled(queue: string, paused: boolean): void {
    const known = this.paused.get(queue) ?? { paused: false, open: 0 }
    known.open++
    this.open.set(known, `pause or resume ${queue}`)
    // From the call on it may be running again.
    if (!paused) {
      known.paused = false
      for (const moment of this.moments) moment.paused.delete(queue)
    }
    this.paused.set(queue, known)
    this.journal.note('', `${paused ? 'pause' : 'resume'} ${queue}?`)
  }

  pauseAnswered(queue: string, paused: boolean, done: boolean): void {
    const known = this.paused.get(queue)!
    known.open--
    if (known.open === 0) this.open.delete(known)
    this.journal.note('', `${paused ? 'pause' : 'resume'} ${queue}: ${done ? 'done' : 'failed'}`)
    known.paused = done && paused && known.open === 0
  }
}

/** The checker's part about calls: what they may answer, given all that may be true while they are open. */

import { AttemptChecks } from './attempt-checks.ts'
import { type Belief, state } from './belief.ts'
import type { SeenReceipt } from './checker-core.ts'
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
    return call
  }

  /** The call has its answer, or will never have one. */
  close(call: TaskCall): void {
    this.open.delete(call)
    call.task.windows.delete(call.window)
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

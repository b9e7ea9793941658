/**
 * The checker's part about leases: who may be given tasks, and what answers to a token may be.
 *
 * What a puller was given is durable, so a start by lease narrows what a crash may leave, where one by a handler only widens it.
 * A token counts as long as no later attempt is known, its time has not passed, and its process lives.
 */

import { state } from './belief.ts'
import type { TaskCall } from './call-checks.ts'
import { IdCallChecks } from './id-call-checks.ts'
import type { AttemptModel, Submission, TaskSpec } from './task-model.ts'

export interface LeaseCall {
  readonly kind: 'ack' | 'nack' | 'extend'
  readonly attempt: AttemptModel
  readonly call: TaskCall
  /** The token counts for sure; may count. */
  readonly counts: boolean
  readonly mayCount: boolean
  readonly successor: Submission | undefined
  /** How often the task had been redriven. */
  readonly redrives: number
  /** Of extend: the end of the lease if it is done. */
  readonly deadlineMs: number
}

export class LeaseChecks extends IdCallChecks {
  /** The engine is told to close: leases may end at any time. */
  closing = false

  leaseCalled(queue: string): object {
    const call = {}
    this.open.set(call, `lease ${queue}`)
    this.journal.note('', `lease ${queue}?`)
    return call
  }

  leaseAnswered(call: object, max: number, count: number): void {
    this.open.delete(call)
    this.journal.note('', `lease: ${count}`)
    if (count > max) this.violate('leases', undefined, `${count} tasks for a lease of at most ${max}`)
  }

  ackCalled(attempt: AttemptModel, next: TaskSpec | undefined): LeaseCall {
    const successor = next === undefined ? undefined : this.submit('successor', [next])
    const call = this.#called('ack', attempt, successor, 0)
    if (call.mayCount) {
      attempt.successor = successor
      this.answered(attempt, 'ok')
    }
    return call
  }

  ackAnswered(call: LeaseCall, answer: { readonly outcome: string }): void {
    const { attempt, successor } = call
    const { task } = attempt
    const { outcome } = answer
    if (this.#late(call, outcome, 'acked')) {
      // It did not succeed by this call; then no successor of it is.
      for (const next of successor?.tasks ?? []) {
        if (next.starts > 0) this.violate('one successor', next, `has started, but the ack was answered ${outcome}`)
        next.known((belief) => {
          belief.states = state.absent
        })
      }
      if (outcome === 'stale' && task.attempt === attempt) {
        task.known((belief) => {
          if ((belief.states & ~state.succeeded) !== 0) belief.states &= ~state.succeeded
        })
      }
    } else {
      task.known((belief) => {
        belief.states = state.succeeded
      })
      this.succeededWith(task, successor)
    }
    this.close(call.call)
  }

  nackCalled(attempt: AttemptModel, dead: boolean, delayMs: number | undefined): LeaseCall {
    const call = this.#called('nack', attempt, undefined, 0)
    if (call.mayCount) this.answered(attempt, dead ? 'deadLetter' : delayMs === undefined ? 'failed' : 'retry', delayMs)
    return call
  }

  nackAnswered(call: LeaseCall, answer: { readonly outcome: string }): void {
    const { attempt } = call
    const { task, number } = attempt
    const isLate = this.#late(call, answer.outcome, 'nacked')
    if (!isLate && task.redrives === call.redrives) {
      task.known((belief) => {
        belief.attempts.delete(number - 1)
      })
    }
    this.close(call.call)
  }

  extendCalled(attempt: AttemptModel, leaseMs: number): LeaseCall {
    return this.#called('extend', attempt, undefined, this.clock.nowMs() + leaseMs - 1)
  }

  extendAnswered(call: LeaseCall, answer: { readonly outcome: string }): void {
    const { attempt, deadlineMs } = call
    if (!this.#late(call, answer.outcome, 'extended')) attempt.deadlineMs = deadlineMs
    this.close(call.call)
  }

  /** The engine failed or closed; whether it was done is not known. */
  leaseCallFailed(call: LeaseCall, code: string): void {
    this.journal.note(call.attempt.task.spec.tag, `${call.kind} failed: ${code}`)
    this.close(call.call)
  }

  #called(
    kind: LeaseCall['kind'],
    attempt: AttemptModel,
    successor: Submission | undefined,
    deadlineMs: number,
  ): LeaseCall {
    const { task } = attempt
    const { redrives } = task
    this.settleTime(task)
    const mayCount = attempt.life === this.life && task.attempt === attempt && attempt.outcome === 'running'
    const counts = mayCount && !attempt.overdue && !this.closing
    const call = this.call(task, `${kind}? attempt ${attempt.number} fence ${attempt.fence}`)
    return { kind, attempt, call, counts, mayCount, successor, redrives, deadlineMs }
  }

  /** Whether the answer says that the token does not count; holds it against what is known. */
  #late({ kind, attempt, call, counts, mayCount }: LeaseCall, outcome: string, done: string): boolean {
    const { task } = attempt
    this.journal.note(task.spec.tag, `${kind}: ${outcome}`)
    if (outcome === done) {
      if (!mayCount) this.violate('leases', task, `${kind} of attempt ${attempt.number} is ${done}, but it was over`)
      return false
    }
    if (counts) this.violate('leases', task, `${kind} is ${outcome}, but the lease of attempt ${attempt.number} lasts`)
    const allowed =
      outcome === 'stale' ? state.live : outcome === 'missing' ? state.absent : ~(state.live | state.absent)
    if (call.window.allows(state.replaced)) return true
    if (!call.window.allows(allowed) && !(outcome === 'ended' && this.mayHaveExpired(task))) {
      this.violate('state table', task, `${kind} is ${outcome}`)
    }
    return true
  }
}

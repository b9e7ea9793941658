/**
 * What a handler is given beside its task, in this thread or in a worker: `N` is what a successor is encoded to. The signal is
 * made only when asked for; what the handler says goes into the state, which whoever runs it reads when it has ended.
 */

import { parseDuration, type Duration } from '../model/durations.ts'
import { refuse } from '../model/errors.ts'
import type { AttemptContext, TaskInput } from '../model/hourwheel.ts'

export type Verdict =
  { readonly kind: 'retry'; readonly delayMs: number | undefined } | { readonly kind: 'dead'; readonly reason: string }

export interface ContextState<N> {
  readonly number: number
  readonly fireAt: number
  readonly startedAtMs: number
  verdict: Verdict | undefined
  successor: N | undefined
  controller: AbortController | undefined
  abortReason: Error | undefined
}

export class HandlerContext<N> implements AttemptContext {
  readonly fence: number
  readonly #state: ContextState<N>
  readonly #encodeNext: (task: TaskInput) => N

  constructor(state: ContextState<N>, fence: number, encodeNext: (task: TaskInput) => N) {
    this.#state = state
    this.fence = fence
    this.#encodeNext = encodeNext
  }

  get signal(): AbortSignal {
    const state = this.#state
    if (state.controller === undefined) {
      state.controller = new AbortController()
      if (state.abortReason !== undefined) state.controller.abort(state.abortReason)
    }
    return state.controller.signal
  }

  get attempt(): number {
    return this.#state.number
  }

  get scheduledFor(): number {
    return this.#state.fireAt
  }

  get lateMs(): number {
    return this.#state.startedAtMs - this.#state.fireAt
  }

  retry(options?: { delay?: Duration | undefined }): Error {
    const delay = options?.delay
    const delayMs = delay === undefined ? undefined : parseDuration(delay, 'delay')
    this.#state.verdict = { kind: 'retry', delayMs }
    return new Error('the handler asked for a retry')
  }

  deadLetter(reason: string): Error {
    if (typeof reason !== 'string') throw refuse('HW_HANDLER_INVALID', 'deadLetter takes a reason: a string')
    this.#state.verdict = { kind: 'dead', reason }
    return new Error(reason)
  }

  scheduleNext(task: TaskInput): void {
    if (this.#state.successor !== undefined) {
      throw refuse('HW_HANDLER_INVALID', 'scheduleNext was called twice: an attempt may schedule one successor')
    }
    this.#state.successor = this.#encodeNext(task)
  }
}

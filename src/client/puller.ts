/**
 * `handle` over the wire: leases due tasks, runs the handler here, answers. As many are leased as may run at once; a lease is as
 * long as an attempt may take, so an attempt whose process dies is given to another when its time is up. What differs from a
 * handler in the engine's own process: the signal is not aborted by a cancel, only by time and by close.
 */

import { HandlerContext, type ContextState } from '../delivery/handler-context.ts'
import { parseDurationWithin } from '../model/durations.ts'
import { HourwheelError, refuse } from '../model/errors.ts'
import { checkFields, wholeIn } from '../model/fields.ts'
import type {
  AckInput,
  HandleOptions,
  Handler,
  LeasedTask,
  LeaseInput,
  NackInput,
  TaskInput,
} from '../model/hourwheel.ts'
import { limits } from '../model/limits.ts'
import { taskText } from './bodies.ts'

/** How long a lease call waits at the daemon. */
const waitMs = 20_000
/** After a call that failed. */
const pauseMsMin = 100
const pauseMsMax = 5_000
const answerTriesMax = 4

/** The calls of a client that it takes to run tasks. */
export interface LeaseCalls {
  lease(queue: string, input: LeaseInput): Promise<LeasedTask[]>
  ack(token: string, input: AckInput): Promise<unknown>
  nack(token: string, input: NackInput): Promise<unknown>
}

interface Running extends ContextState<TaskInput> {
  readonly timer: NodeJS.Timeout
}

export class Puller {
  readonly #client: LeaseCalls
  readonly #queue: string
  readonly #handler: Handler
  readonly #concurrency: number
  readonly #timeoutMs: number
  readonly #running: Set<Running> = new Set()
  readonly #stopping: AbortController = new AbortController()
  /** Wakes the loop when one of the running has ended. */
  #wake: () => void = () => undefined
  readonly #ended: Promise<void>

  constructor(client: LeaseCalls, queue: string, handler: Handler, options: HandleOptions) {
    if (typeof handler !== 'function') {
      throw refuse('HW_HANDLER_INVALID', `the handler of queue '${queue}' must be a function`)
    }
    const { concurrency, timeout } = checkFields(options, ['concurrency', 'timeout'], 'handle') as HandleOptions
    this.#client = client
    this.#queue = queue
    this.#handler = handler
    this.#concurrency = wholeIn(concurrency ?? limits.concurrencyDefault, 1, limits.concurrencyMax, 'concurrency')
    this.#timeoutMs = parseDurationWithin(
      timeout ?? limits.timeoutMsDefault,
      'timeout',
      limits.leaseMsMin,
      limits.leaseMsMax,
    )
    this.#ended = this.#loop()
  }

  /** No new attempts; resolves when the running ones have ended. */
  stop(): Promise<void> {
    this.#stopping.abort()
    this.#wake()
    return this.#ended
  }

  /** Tells what still runs to stop. */
  abort(reason: Error): void {
    for (const state of this.#running) abort(state, reason)
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stopping
    let pauseMs = pauseMsMin
    while (!signal.aborted) {
      const room = Math.min(this.#concurrency - this.#running.size, limits.leaseTasksMax)
      if (room === 0) {
        await new Promise<void>((resolve) => (this.#wake = resolve))
        continue
      }
      try {
        const lease = this.#timeoutMs
        const tasks = await this.#client.lease(this.#queue, { max: room, lease, wait: waitMs, signal })
        for (const task of tasks) void this.#run(task)
        pauseMs = pauseMsMin
      } catch (error) {
        // A daemon that goes down says HW_CLOSED too, and when to ask again; this client does not.
        const asked = error instanceof HourwheelError ? error : undefined
        if (signal.aborted || (asked?.code === 'HW_CLOSED' && asked.retryAfterMs === undefined)) break
        await pause(Math.max(asked?.retryAfterMs ?? 0, pauseMs), signal)
        pauseMs = Math.min(pauseMs * 2, pauseMsMax)
      }
    }
    while (this.#running.size > 0) await new Promise<void>((resolve) => (this.#wake = resolve))
  }

  async #run(leased: LeasedTask): Promise<void> {
    const { token, attempt, fence, scheduledFor, lateMs, leaseMs, ...task } = leased
    const late = new Error(`the attempt took longer than its time-out of ${leaseMs} ms`)
    const state: Running = {
      number: attempt,
      fireAt: scheduledFor,
      startedAtMs: scheduledFor + lateMs,
      verdict: undefined,
      successor: undefined,
      controller: undefined,
      abortReason: undefined,
      timer: setTimeout(() => abort(state, late), leaseMs),
    }
    this.#running.add(state)
    // Checked at once, as in the engine; what is sent is the task itself.
    const context = new HandlerContext<TaskInput>(state, fence, (next) => (taskText(next, Date.now()), next))
    try {
      let failure: { readonly error: unknown } | undefined
      try {
        await this.#handler(task, context)
      } catch (error) {
        failure = { error }
      }
      // Too late, whatever it has come to: the lease is over, or about to be.
      if (state.abortReason !== undefined) failure = { error: state.abortReason }
      await this.#answer(token, state, failure)
    } finally {
      clearTimeout(state.timer)
      this.#running.delete(state)
      this.#wake()
    }
  }

  /** An answer that does not arrive is as if there were none: the task is run again when the lease is over. */
  async #answer(token: string, state: Running, failure: { readonly error: unknown } | undefined): Promise<void> {
    const { successor, abortReason } = state
    const verdict = abortReason === undefined ? state.verdict : undefined
    const error = failure === undefined ? undefined : textOf(failure.error)
    const answer = (): Promise<unknown> => {
      if (verdict?.kind === 'dead') return this.#client.nack(token, { dead: true, error: verdict.reason })
      if (verdict?.kind === 'retry') return this.#client.nack(token, { delay: verdict.delayMs, error })
      if (failure !== undefined) return this.#client.nack(token, { error })
      return this.#client.ack(token, successor === undefined ? {} : { next: successor })
    }
    for (let tries = 0; tries < answerTriesMax; tries++) {
      try {
        await answer()
        return
      } catch (refusal) {
        if (mayPass(refusal)) {
          await pause(pauseMsMin * 4 ** tries, undefined)
          continue
        }
        // A successor that the daemon refuses fails the attempt.
        if (failure === undefined && verdict === undefined) {
          await this.#client.nack(token, { error: textOf(refusal) }).catch(() => undefined)
        }
        return
      }
    }
  }
}

/** Whether it may help to repeat an answer, which is safe: an older token is answered, not refused. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof HourwheelError)) return false
  const { code, outcome, retryAfterMs } = error
  return code === 'HW_UNREACHABLE' || outcome === 'unknown' || retryAfterMs !== undefined
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error)
}

function abort(state: Running, reason: Error): void {
  state.abortReason = reason
  state.controller?.abort(reason)
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal?.addEventListener('abort', end)
  })
}

/**
 * Runs a handler in this thread. A handler that never gives the thread back stops the engine: such work belongs into worker
 * threads. The clock is looked at once more right where the handler starts: never early.
 */

import { decodeExtras } from '../model/extras.ts'
import type { Handler, Task, TaskInput } from '../model/hourwheel.ts'
import { decodePayload } from '../model/payload.ts'
import { readBody } from '../model/records.ts'
import type { Clock } from '../platform/ports.ts'
import type { EncodedTask, TaskBytes } from './attempt-records.ts'
import type { Attempt } from './attempt.ts'
import type { Answers, Executor } from './executor.ts'
import { HandlerContext } from './handler-context.ts'

export interface InlineParts {
  readonly clock: Clock
  readonly answers: Answers
  /** Added to a lease's fence. */
  readonly fenceBase: number
  taskBytes(row: number): TaskBytes
  idText(homeHour: number, ordinal: number): string
  readonly encodeNext: (task: TaskInput) => EncodedTask
}

const noHeaders: Readonly<Record<string, string>> = Object.freeze({})

export class InlineExecutor implements Executor {
  readonly #handler: Handler
  readonly #parts: InlineParts

  constructor(handler: Handler, parts: InlineParts) {
    this.#handler = handler
    this.#parts = parts
  }

  start(attempts: readonly Attempt[]): void {
    for (const attempt of attempts) this.#start(attempt)
  }

  abort(attempt: Attempt, reason: Error): void {
    attempt.abort(reason)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #start(attempt: Attempt): void {
    const { clock, answers } = this.#parts
    const now = clock.wallMs()
    if (now < attempt.fireAt) {
      answers.untouched(attempt)
      return
    }
    answers.started(attempt, now)
    let result: unknown
    try {
      const { fenceBase, encodeNext } = this.#parts
      const context = new HandlerContext(attempt, fenceBase + attempt.lease.fence, encodeNext)
      result = this.#handler(this.#taskOf(attempt), context)
    } catch (error) {
      answers.failed(attempt, error)
      return
    }
    if (isThenable(result)) {
      result.then(
        () => answers.succeeded(attempt),
        (error: unknown) => answers.failed(attempt, error),
      )
    } else answers.succeeded(attempt)
  }

  #taskOf(attempt: Attempt): Task {
    const source = this.#parts.taskBytes(attempt.row)
    const body = readBody(source.bytes, source.at)
    const headers = body.hasExtras ? decodeExtras(source.bytes, body.extrasAt, body.end).headers : undefined
    return {
      id: this.#parts.idText(attempt.homeHour, attempt.ordinal),
      queue: attempt.queue.name,
      payload: decodePayload(body.payloadKind, body.payload),
      headers: headers ?? noHeaders,
    }
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

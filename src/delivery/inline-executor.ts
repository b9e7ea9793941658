/**
 * Runs a handler in this thread. A handler that never gives the thread back stops the engine: such work belongs into worker
 * threads. The clock is looked at once more right where the handler starts: never early.
 */

import type { Handler, Task, TaskInput } from '../model/hourwheel.ts'
import { readBody } from '../model/records.ts'
import type { Clock } from '../platform/ports.ts'
import type { EncodedTask, TaskBytes } from './attempt-records.ts'
import type { Attempt } from './attempt.ts'
import type { Answers, Executor } from './executor.ts'
import { HandlerContext } from './handler-context.ts'
import { handlerTask, isThenable } from './handler-task.ts'

export interface InlineParts {
  readonly clock: Clock
  readonly answers: Answers
  /** Added to a lease's fence. */
  readonly fenceBase: number
  taskBytes(row: number): TaskBytes
  idText(homeHour: number, ordinal: number): string
  readonly encodeNext: (task: TaskInput) => EncodedTask
}

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

  #taskOf({ row, homeHour, ordinal, queue }: Attempt): Task {
    const { bytes, at } = this.#parts.taskBytes(row)
    return handlerTask(readBody(bytes, at), this.#parts.idText(homeHour, ordinal), queue.name)
  }
}

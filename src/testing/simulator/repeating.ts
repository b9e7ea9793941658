/**
 * Calls whose outcome a crash or a failure has left open are made again at the next start, as docs/guarantees.md (D2) says that a
 * client may: with a key they take effect once under `keep`, at least once under the other modes; a cancel or a reschedule by id does
 * what it would do to the task as it is.
 *
 * Under `keep` it is the same task, twice; under the other modes there may be two, so that the second one's payload tells it apart:
 * the engine decides by queue, key, mode and fire time, which are the same.
 */

import type { TaskInput } from '../../model/hourwheel.ts'
import type { Checker } from '../checker.ts'
import type { TaskModel } from './task-model.ts'
import { headersText, payloadText, type DrawnTask } from './workload.ts'

/** A call by id, until it is answered. */
export type CallById =
  | { readonly kind: 'cancel'; readonly task: TaskModel }
  | {
      readonly kind: 'reschedule'
      readonly task: TaskModel
      readonly at: number
      readonly ifGeneration: number | undefined
    }

/** Who makes calls. */
export interface Caller {
  newTag(): string
  /** The same call about the same task. */
  again(task: TaskModel, input: TaskInput): void
  submit(drawn: readonly DrawnTask[]): void
  call(call: CallById): void
}

export class Repeating {
  readonly #checker: Checker
  /** By the task that a call with a key brought in. */
  readonly #keyed: Map<TaskModel, TaskInput> = new Map()
  readonly #byId: Set<CallById> = new Set()

  constructor(checker: Checker) {
    this.#checker = checker
  }

  asked(task: TaskModel, input: TaskInput): void {
    if (task.spec.onConflict !== undefined) this.#keyed.set(task, input)
  }

  called(call: CallById): void {
    this.#byId.add(call)
  }

  /** It was answered, or refused as not done. */
  answered(call: CallById): void {
    this.#byId.delete(call)
  }

  /** To be called when all is settled that a crash left open, and nothing runs. */
  repeat(caller: Caller): void {
    this.#repeatKeyed(caller)
    const calls = [...this.#byId]
    this.#byId.clear()
    for (const call of calls) {
      if (isKnown(call.task)) caller.call(call)
    }
  }

  #repeatKeyed(caller: Caller): void {
    const asked = [...this.#keyed]
    for (const [task, input] of asked) {
      const { status } = task.submission
      if (status === 'open') continue
      const { onConflict } = task.spec
      if (status !== 'unknown') this.#keyed.delete(task)
      else if (onConflict !== 'keep') {
        this.#keyed.delete(task)
        caller.submit([retagged(task, input, caller.newTag())])
      } else if (this.#checker.mayRepeat(task)) caller.again(task, input)
      else this.#keyed.delete(task)
    }
  }
}

/** Whether it is known which task an id names. */
export function isKnown(task: TaskModel): boolean {
  return task.id !== undefined && task.submission.status === 'accepted' && !task.maybeReplaced
}

/** The same but for its tag. */
function retagged({ spec }: TaskModel, input: TaskInput, tag: string): DrawnTask {
  const { payload } = input
  const isInHeaders = input.headers?.n !== undefined
  const again: TaskInput = { ...input }
  if (isInHeaders) again.headers = { ...input.headers, n: tag }
  else if (payload instanceof Uint8Array) {
    again.payload = new Uint8Array([...Buffer.from(tag), ...payload.subarray(payload.indexOf(0))])
  } else again.payload = { ...(payload as object), n: tag }
  return {
    input: again,
    spec: { ...spec, tag, payload: payloadText(again.payload), headers: headersText(again.headers) },
  }
}

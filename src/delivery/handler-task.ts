/** What a handler is given beside its context, and whether its answer must be waited for: the same in this thread and in a worker. */

import type { Task } from '../model/hourwheel.ts'
import { decodePayload } from '../model/payload.ts'
import type { TaskBody } from '../model/records.ts'

const noHeaders: Readonly<Record<string, string>> = Object.freeze({})

/** The task of a record. Its payload is a copy: it outlives the bytes that the body is a view of. */
export function handlerTask(body: TaskBody, id: string, queue: string): Task {
  return {
    id,
    queue,
    payload: decodePayload(body.payloadKind, body.payload),
    headers: body.extras().headers ?? noHeaders,
  }
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

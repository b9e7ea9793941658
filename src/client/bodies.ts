/**
 * What goes into requests: checked and put into the wire's form here, so that a wrong call is refused where it was made, with the
 * code that the engine has for it. Instants become epoch milliseconds; durations go as they are, since it is the daemon's clock
 * that they count from.
 */

import { atIndex, refuse, type HourwheelError } from '../model/errors.ts'
import { checkFields } from '../model/fields.ts'
import type { InstantInput, ListInput, RescheduleInput, TaskInput, TaskRef } from '../model/hourwheel.ts'
import { decodeId } from '../model/ids.ts'
import { parseInstant } from '../model/instants.ts'
import { limits } from '../model/limits.ts'
import { checkKey, checkQueueName } from '../model/names.ts'
import { encodeTask, fireAtOf } from '../model/task-encoder.ts'
import { batchBodyBytesMax, pathOf, type RouteName } from '../protocol/routes.ts'
import { payloadToWire } from '../protocol/wire.ts'

/** The JSON text of one task. Whether it fits is the daemon's to say, which knows its limit. */
export function taskText(task: TaskInput, nowMs: number): string {
  const { payload: encoded } = encodeTask(task, nowMs, limits.payloadBytesHardMax, (queue) => queue)
  const { at, expiresAt, payload, ...rest } = task
  const fields = JSON.stringify({
    ...rest,
    ...(at === undefined ? {} : { at: parseInstant(at) }),
    ...(expiresAt === undefined ? {} : { expiresAt: parseInstant(expiresAt, 'expiresAt') }),
    ...(typeof encoded === 'string' ? {} : payloadToWire(payload)),
  })
  // Encoded once: it was checked on the way.
  return typeof encoded === 'string' ? `${fields.slice(0, -1)},"payload":${encoded}}` : fields
}

/** How a path names the task. */
export type PathRef = { readonly id: string } | { readonly queue: string; readonly key: string }

export function pathRef(ref: TaskRef): PathRef {
  if (typeof ref === 'object' && ref !== null) {
    checkFields(ref, ['queue', 'key'], 'a ref')
    return { queue: checkQueueName(ref.queue), key: checkKey(ref.key) }
  }
  if (typeof ref !== 'string') {
    const message = `a task is referred to by its id, a string of 14 characters, or by { queue, key }, not by a ${typeof ref}`
    throw refuse('HW_INVALID_REF', message)
  }
  if (decodeId(ref) !== undefined) return { id: ref }
  throw refuse('HW_INVALID_REF', `'${ref.slice(0, 40)}' is not an id: ids have 14 characters and come from a receipt`)
}

/** The route about one task, and its path: by id, or by queue and key. */
export function taskRoute(
  name: 'get' | 'cancel' | 'reschedule',
  ref: TaskRef,
): { readonly route: RouteName; readonly path: string } {
  const at = pathRef(ref)
  const route = 'id' in at ? name : (`${name}ByKey` as const)
  return { route, path: pathOf(route, { ...at }) }
}

/** A batch as one JSON array. Refusals tell the index of the task. */
export function batchText(tasks: unknown, nowMs: number): string {
  if (!Array.isArray(tasks)) throw refuse('HW_INVALID_OPTIONS', 'scheduleMany takes an array of tasks')
  if (tasks.length > limits.batchTasksMax) throw tooLarge(`${tasks.length} tasks`)
  const texts = (tasks as TaskInput[]).map((task, index) => {
    try {
      return taskText(task, nowMs)
    } catch (error) {
      throw atIndex(error, index)
    }
  })
  const text = `[${texts.join(',')}]`
  const bytes = Buffer.byteLength(text)
  if (bytes > batchBodyBytesMax) throw tooLarge(`${bytes} bytes`)
  return text
}

function tooLarge(what: string): HourwheelError {
  return refuse('HW_BATCH_TOO_LARGE', `a batch of ${what} is too large; nothing was scheduled`)
}

export function rescheduleRequest(
  input: RescheduleInput,
  nowMs: number,
): { body: string; headers: Record<string, string> } {
  const { delay, ifGeneration } = checkFields(input, ['at', 'delay', 'ifGeneration'], 'reschedule') as RescheduleInput
  if (ifGeneration !== undefined && !(Number.isSafeInteger(ifGeneration) && ifGeneration >= 0)) {
    throw refuse('HW_INVALID_OPTIONS', 'ifGeneration must be the generation of a receipt')
  }
  const at = fireAtOf(input, nowMs)
  return {
    body: JSON.stringify(delay === undefined ? { at } : { delay }),
    headers: ifGeneration === undefined ? {} : { 'if-match': `"${ifGeneration}"` },
  }
}

export interface ListQuery {
  readonly queue?: string | undefined
  readonly state?: string | undefined
  readonly from?: number | undefined
  readonly to?: number | undefined
}

/** The filters of a listing; `limit` is Infinity when none is given. */
export function listQuery(input: ListInput): { query: ListQuery; limit: number } {
  const {
    queue,
    state,
    from,
    to,
    limit = Infinity,
  } = checkFields(input, ['queue', 'state', 'from', 'to', 'cursor', 'limit'], 'list') as ListInput
  if (state !== undefined && state !== 'pending' && state !== 'leased' && state !== 'dead') {
    throw refuse('HW_INVALID_OPTIONS', `state must be 'pending', 'leased' or 'dead'`)
  }
  if (limit !== Infinity && !(Number.isSafeInteger(limit) && limit >= 0)) {
    throw refuse('HW_INVALID_OPTIONS', 'limit must be a whole number of tasks')
  }
  return {
    limit,
    query: {
      queue: queue === undefined ? undefined : checkQueueName(queue),
      state,
      from: from === undefined ? undefined : parseInstant(from),
      to: to === undefined ? undefined : parseInstant(to),
    },
  }
}

export function calendarQuery(range: { from?: InstantInput | undefined; to?: InstantInput | undefined }): {
  from: number | undefined
  to: number | undefined
} {
  const { from, to } = checkFields(range, ['from', 'to'], 'calendar') as typeof range
  return {
    from: from === undefined ? undefined : parseInstant(from, 'from'),
    to: to === undefined ? undefined : parseInstant(to, 'to'),
  }
}

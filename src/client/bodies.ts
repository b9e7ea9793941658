/**
 * What goes into requests: checked and put into the wire's form here, so that a wrong call is refused where it was made, with the
 * code that the engine has for it. Instants become epoch milliseconds; durations go as they are, since it is the daemon's clock
 * that they count from.
 */

import { checkRef, parseReschedule } from '../model/call-inputs.ts'
import { atIndex, refuse, type HourwheelError } from '../model/errors.ts'
import type { RescheduleInput, TaskInput, TaskRef } from '../model/hourwheel.ts'
import { parseInstant } from '../model/instants.ts'
import { limits } from '../model/limits.ts'
import { encodeTask } from '../model/task-encoder.ts'
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

/** The route about one task, and its path: by id, or by queue and key. */
export function taskRoute(
  name: 'get' | 'cancel' | 'reschedule',
  ref: TaskRef,
): { readonly route: RouteName; readonly path: string } {
  const named = checkRef(ref)
  if (typeof named === 'string') return { route: name, path: pathOf(name, { id: named }) }
  const route = `${name}ByKey` as const
  return { route, path: pathOf(route, { ...named }) }
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
  const { fireAt, ifGeneration } = parseReschedule(input, nowMs)
  const { delay } = input
  return {
    body: JSON.stringify(delay === undefined ? { at: fireAt } : { delay }),
    headers: ifGeneration === undefined ? {} : { 'if-match': `"${ifGeneration}"` },
  }
}

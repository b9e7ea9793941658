/**
 * From what a caller hands in to what a record needs: every field checked, nothing clamped, nothing half done. For the engine, and
 * for whoever wants to know before the engine does: threads, clients.
 */

import { parseDuration } from './durations.ts'
import { refuse, shown } from './errors.ts'
import { encodeExtras } from './extras.ts'
import type { OnConflict, TaskInput } from './hourwheel.ts'
import { checkInstantRange, parseInstant } from './instants.ts'
import { limits } from './limits.ts'
import { checkHeaders, checkKey, checkQueueName } from './names.ts'
import { encodePayload } from './payload.ts'
import { parseRetry } from './retry.ts'

export interface EncodedTask<Q> {
  readonly queue: Q
  readonly fireAt: number
  readonly payload: string | Uint8Array | undefined
  readonly extras: Uint8Array | undefined
}

/** With what decides whether it becomes a task of its own. */
export interface EncodedInput<Q> extends EncodedTask<Q> {
  readonly key: string | undefined
  readonly onConflict: OnConflict
  /** The generation that the task with the key must have. */
  readonly ifGeneration: number | undefined
}

export const conflictModes: readonly OnConflict[] = ['keep', 'reject', 'replace', 'earliest', 'latest']

/**
 * Validates and encodes one task. `payloadBytesMax` is the engine's limit; `queueOf` finds a queue by a name that was
 * checked, making it known when it is new.
 */
export function encodeTask<Q>(
  task: TaskInput,
  now: number,
  payloadBytesMax: number,
  queueOf: (name: string) => Q,
): EncodedInput<Q> {
  if (typeof task !== 'object' || task === null || Array.isArray(task)) {
    throw refuse('HW_INVALID_OPTIONS', `a task must be an object such as { queue, at, payload }, not ${describe(task)}`)
  }
  let plain = true
  for (const field in task) {
    switch (field) {
      case 'queue':
      case 'at':
      case 'delay':
      case 'payload':
        break
      case 'retry':
      case 'timeout':
      case 'expiresAt':
      case 'headers':
      case 'key':
      case 'onConflict':
      case 'ifGeneration':
        plain = false
        break
      default:
        throw refuse(
          'HW_UNKNOWN_FIELD',
          `a task has no field '${field}'; it has queue, at or delay, payload, retry, timeout, expiresAt, headers, key, onConflict, ifGeneration`,
          { details: { field } },
        )
    }
  }
  checkQueueName(task.queue)
  const fireAt = fireAtOf(task, now)
  const payload = encodePayload(task.payload, payloadBytesMax)
  if (plain) {
    const none = { extras: undefined, key: undefined, onConflict: 'keep', ifGeneration: undefined } as const
    return { queue: queueOf(task.queue), fireAt, payload, ...none }
  }
  const { key } = task
  if (key !== undefined) checkKey(key)
  const onConflict = conflictMode(task)
  const ifGeneration = checkGeneration(task.ifGeneration, onConflict)
  const extras = encodeOptions(task, fireAt)
  return { queue: queueOf(task.queue), fireAt, payload, extras, key, onConflict, ifGeneration }
}

/** The same for a task that follows another: what its key names already is kept. */
export function encodeSuccessor<Q>(
  task: TaskInput,
  now: number,
  payloadBytesMax: number,
  queueOf: (name: string) => Q,
): EncodedTask<Q> {
  const encoded = encodeTask(task, now, payloadBytesMax, queueOf)
  if (encoded.onConflict === 'keep') return encoded
  throw refuse('HW_INVALID_OPTIONS', `onConflict of a successor can only be 'keep', not '${encoded.onConflict}'`)
}

function conflictMode({ key, onConflict }: TaskInput): OnConflict {
  if (onConflict === undefined) return 'keep'
  if (!conflictModes.includes(onConflict)) {
    throw refuse('HW_INVALID_OPTIONS', `onConflict is ${shown(onConflict)}; it may be ${conflictModes.join(', ')}`)
  }
  if (key === undefined) throw refuse('HW_INVALID_OPTIONS', 'onConflict says nothing without a key')
  return onConflict
}

function checkGeneration(value: number | undefined, onConflict: OnConflict): number | undefined {
  if (value === undefined) return undefined
  if (!Number.isSafeInteger(value) || value < 0) {
    throw refuse('HW_INVALID_OPTIONS', `ifGeneration is ${shown(value)}; give the generation of a receipt`)
  }
  if (onConflict !== 'keep' && onConflict !== 'reject') return value
  throw refuse(
    'HW_INVALID_OPTIONS',
    `ifGeneration says nothing with onConflict '${onConflict}': nothing is changed then`,
  )
}

/** The instant from `at` or `delay`; exactly one of them must be there. */
export function fireAtOf(input: Pick<TaskInput, 'at' | 'delay'>, now: number): number {
  const { at, delay } = input
  if (at !== undefined) {
    if (delay !== undefined) throw refuse('HW_INVALID_TIME', "both 'at' and 'delay' are given; give one of them")
    return parseInstant(at)
  }
  if (delay === undefined) throw refuse('HW_INVALID_TIME', "neither 'at' nor 'delay' is given; give one of them")
  return checkInstantRange(now + parseDuration(delay, 'delay'), 'now + delay')
}

function encodeOptions(task: TaskInput, fireAt: number): Uint8Array | undefined {
  const retry = task.retry === undefined ? undefined : parseRetry(task.retry)
  const timeoutMs = task.timeout === undefined ? undefined : checkTimeoutMs(parseDuration(task.timeout, 'timeout'))
  const expiresAt = task.expiresAt === undefined ? undefined : parseInstant(task.expiresAt, 'expiresAt')
  if (expiresAt !== undefined && expiresAt <= fireAt) {
    throw refuse(
      'HW_INVALID_TIME',
      `expiresAt (${expiresAt}) is not after the fire time (${fireAt}): the task could never run`,
    )
  }
  const headers = task.headers === undefined ? undefined : checkHeaders(task.headers)
  return encodeExtras({ key: task.key, expiresAt, timeoutMs, retry, headers })
}

export function checkTimeoutMs(timeoutMs: number): number {
  if (timeoutMs >= limits.timeoutMsMin && timeoutMs <= limits.timeoutMsMax) return timeoutMs
  throw refuse(
    'HW_INVALID_OPTIONS',
    `a time-out of ${timeoutMs} ms is out of range: it may be ${limits.timeoutMsMin} to ${limits.timeoutMsMax} ms`,
  )
}

function describe(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}

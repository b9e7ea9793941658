/**
 * What calls take beside tasks: refs, filters, leases, answers. The engine and a client of a daemon check by the same functions, so
 * that a wrong call is refused where it was made, with one code and one message. Instants become epoch milliseconds, durations
 * milliseconds; nothing is clamped.
 *
 * Tasks are task-encoder.ts's; what a call does is the engine's.
 */

import { parseDuration, parseDurationWithin } from './durations.ts'
import { refuse } from './errors.ts'
import { checkFields, isObject, wholeIn } from './fields.ts'
import type {
  AckInput,
  DeadFilter,
  InstantInput,
  LeaseInput,
  ListInput,
  LiveState,
  NackInput,
  RescheduleInput,
  TaskInput,
  TaskRef,
} from './hourwheel.ts'
import { decodeId, type DecodedId } from './ids.ts'
import { parseInstant } from './instants.ts'
import { limits } from './limits.ts'
import { checkKey, checkQueueName } from './names.ts'
import { fireAtOf } from './task-encoder.ts'

/** The text of an id, or a queue and a key. Whether there is such a task is not asked. */
export function checkRef(ref: unknown): TaskRef {
  if (isObject(ref)) {
    const { queue, key } = checkFields(ref, ['queue', 'key'], 'a ref')
    return { queue: checkQueueName(queue), key: checkKey(key) }
  }
  if (typeof ref !== 'string') {
    const message = `a task is referred to by its id, a string of 14 characters, or by { queue, key }, not by a ${typeof ref}`
    throw refuse('HW_INVALID_REF', message)
  }
  if (decodeId(ref) !== undefined) return ref
  throw refuse('HW_INVALID_REF', `'${ref.slice(0, 40)}' is not an id: ids have 14 characters and come from a receipt`)
}

/** A ref, or a filter of dead letters; one without fields means all of them. */
export function checkDeadTarget(target: unknown): TaskRef | DeadFilter {
  if (typeof target === 'string' || (isObject(target) && 'key' in target)) return checkRef(target)
  if (isObject(target)) {
    const { queue } = checkFields(target, ['queue'], 'a filter of dead letters')
    return queue === undefined ? {} : { queue: checkQueueName(queue) }
  }
  const message = 'dead letters are named by an id, by { queue, key } or by a filter such as { queue }'
  throw refuse('HW_INVALID_REF', message)
}

export function parseDeadFilter(filter: DeadFilter & { limit?: number | undefined }): {
  readonly queue: string | undefined
  readonly limit: number
} {
  const { queue, limit } = checkFields(filter, ['queue', 'limit'], 'a filter of dead letters')
  return { queue: queue === undefined ? undefined : checkQueueName(queue), limit: parseLimit(limit, 'dead letters') }
}

export interface ParsedList {
  readonly queue: string | undefined
  readonly state: LiveState | undefined
  readonly from: number | undefined
  readonly to: number | undefined
  /** Infinity when none is given. */
  readonly limit: number
}

/** The filters of a listing; what its cursor says is for the engine to know. */
export function parseListInput(input: ListInput): ParsedList {
  const fields = checkFields(input, ['queue', 'state', 'from', 'to', 'cursor', 'limit'], 'list')
  const { queue, state } = fields
  if (state !== undefined && state !== 'pending' && state !== 'leased' && state !== 'dead') {
    throw refuse('HW_INVALID_OPTIONS', `state must be 'pending', 'leased' or 'dead'`)
  }
  return {
    queue: queue === undefined ? undefined : checkQueueName(queue),
    state,
    ...parseSpan(fields),
    limit: parseLimit(fields['limit'], 'tasks'),
  }
}

export interface Span {
  readonly from: number | undefined
  readonly to: number | undefined
}

export function parseCalendarRange(range: { from?: InstantInput | undefined; to?: InstantInput | undefined }): Span {
  return parseSpan(checkFields(range, ['from', 'to'], 'calendar'))
}

function parseSpan({ from, to }: Readonly<Record<string, unknown>>): Span {
  return {
    from: from === undefined ? undefined : parseInstant(from, 'from'),
    to: to === undefined ? undefined : parseInstant(to, 'to'),
  }
}

function parseLimit(limit: unknown, what: string): number {
  if (limit === undefined || limit === Infinity) return Infinity
  if (typeof limit === 'number' && Number.isSafeInteger(limit) && limit >= 0) return limit
  throw refuse('HW_INVALID_OPTIONS', `limit must be a whole number of ${what}`)
}

export interface ParsedReschedule {
  readonly fireAt: number
  readonly ifGeneration: number | undefined
}

export function parseReschedule(input: RescheduleInput, nowMs: number): ParsedReschedule {
  const { ifGeneration } = checkFields(input, ['at', 'delay', 'ifGeneration'], 'reschedule') as RescheduleInput
  if (ifGeneration !== undefined && !(Number.isSafeInteger(ifGeneration) && ifGeneration >= 0)) {
    throw refuse('HW_INVALID_OPTIONS', 'ifGeneration must be a whole number from an earlier answer')
  }
  return { fireAt: fireAtOf(input, nowMs), ifGeneration }
}

export interface ParsedLease {
  readonly max: number
  readonly leaseMs: number
  readonly waitMs: number
  readonly signal: AbortSignal | undefined
}

export function parseLeaseInput(input: LeaseInput): ParsedLease {
  const { max, lease, wait, signal } = checkFields(input, ['max', 'lease', 'wait', 'signal'], 'lease') as LeaseInput
  if (signal !== undefined && typeof signal.addEventListener !== 'function') {
    throw refuse('HW_INVALID_OPTIONS', 'signal must be an AbortSignal')
  }
  return {
    max: wholeIn(max ?? 1, 1, limits.leaseTasksMax, 'max'),
    leaseMs: parseLeaseMs(lease ?? limits.leaseMsDefault),
    waitMs: parseDurationWithin(wait ?? 0, 'wait', 0, limits.leaseWaitMsMax),
    signal,
  }
}

export function parseLeaseMs(lease: unknown): number {
  return parseDurationWithin(lease, 'lease', limits.leaseMsMin, limits.leaseMsMax)
}

export interface ParsedToken {
  readonly id: DecodedId
  readonly fence: number
}

/** A token is `<id>.<fence in base 36>`. */
export function parseToken(token: unknown): ParsedToken {
  const match = typeof token === 'string' ? /^([0-9a-z]{14})\.([0-9a-z]{1,11})$/u.exec(token) : null
  const id = match === null ? undefined : decodeId(match[1])
  if (match !== null && id !== undefined) return { id, fence: Number.parseInt(match[2]!, 36) }
  throw refuse('HW_INVALID_TOKEN', 'a lease is answered by its token, a string from `lease`')
}

/** The successor, whose fields are checked as those of any task. */
export function parseAckInput(input: AckInput): TaskInput | undefined {
  return (checkFields(input, ['next'], 'ack') as AckInput).next
}

export interface ParsedNack {
  readonly retryAt: number | undefined
  readonly delayMs: number | undefined
  readonly dead: boolean
  readonly error: string | undefined
}

export function parseNackInput(input: NackInput): ParsedNack {
  const fields = checkFields(input, ['retryAt', 'delay', 'dead', 'error'], 'nack') as NackInput
  const { retryAt, delay, dead = false, error } = fields
  if (error !== undefined && typeof error !== 'string') throw refuse('HW_INVALID_OPTIONS', 'error must be text')
  if (typeof dead !== 'boolean') throw refuse('HW_INVALID_OPTIONS', 'dead must be true or false')
  if ([retryAt !== undefined, delay !== undefined, dead].filter(Boolean).length > 1) {
    throw refuse('HW_INVALID_OPTIONS', 'give one of retryAt, delay and dead')
  }
  return {
    retryAt: retryAt === undefined ? undefined : parseInstant(retryAt, 'retryAt'),
    delayMs: delay === undefined ? undefined : parseDuration(delay, 'delay'),
    dead,
    error,
  }
}

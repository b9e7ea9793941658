/** What goes into requests that have to do with leases and dead letters: checked as bodies.ts does. */

import { parseDuration, parseDurationWithin, type Duration } from '../model/durations.ts'
import { refuse } from '../model/errors.ts'
import { checkFields } from '../model/fields.ts'
import type { AckInput, DeadFilter, LeaseInput, NackInput, TaskRef } from '../model/hourwheel.ts'
import { parseInstant } from '../model/instants.ts'
import { limits } from '../model/limits.ts'
import { checkQueueName } from '../model/names.ts'
import { pathRef, taskText } from './bodies.ts'

export interface LeaseRequest {
  readonly body: string
  readonly waitMs: number
  readonly signal: AbortSignal | undefined
}

export function leaseRequest(input: LeaseInput): LeaseRequest {
  const fields = checkFields(input, ['max', 'lease', 'wait', 'signal'], 'lease') as LeaseInput
  const { max = 1, lease, wait, signal } = fields
  if (!Number.isInteger(max) || max < 1 || max > limits.leaseTasksMax) {
    throw refuse('HW_INVALID_OPTIONS', `max must be a whole number from 1 to ${limits.leaseTasksMax}`)
  }
  if (signal !== undefined && typeof signal.addEventListener !== 'function') {
    throw refuse('HW_INVALID_OPTIONS', 'signal must be an AbortSignal')
  }
  if (lease !== undefined) parseDurationWithin(lease, 'lease', limits.leaseMsMin, limits.leaseMsMax)
  const waitMs = parseDurationWithin(wait ?? 0, 'wait', 0, limits.leaseWaitMsMax)
  return { body: JSON.stringify({ max, lease, wait }), waitMs, signal }
}

export function ackText(token: string, input: AckInput): string {
  const { next } = checkFields(input, ['next'], 'ack') as AckInput
  const text = `{"token":${JSON.stringify(checkToken(token))}`
  return next === undefined ? `${text}}` : `${text},"next":${taskText(next, Date.now())}}`
}

export function nackText(token: string, input: NackInput): string {
  const fields = checkFields(input, ['retryAt', 'delay', 'dead', 'error'], 'nack') as NackInput
  const { retryAt, delay, dead, error } = fields
  if (error !== undefined && typeof error !== 'string') throw refuse('HW_INVALID_OPTIONS', 'error must be text')
  if (dead !== undefined && typeof dead !== 'boolean') throw refuse('HW_INVALID_OPTIONS', 'dead must be true or false')
  if ([retryAt !== undefined, delay !== undefined, dead === true].filter(Boolean).length > 1) {
    throw refuse('HW_INVALID_OPTIONS', 'give one of retryAt, delay and dead')
  }
  if (delay !== undefined) parseDuration(delay, 'delay')
  const at = retryAt === undefined ? undefined : parseInstant(retryAt, 'retryAt')
  return JSON.stringify({ token: checkToken(token), retryAt: at, delay, dead, error })
}

export function extendText(token: string, lease: Duration): string {
  parseDurationWithin(lease, 'lease', limits.leaseMsMin, limits.leaseMsMax)
  return JSON.stringify({ token: checkToken(token), lease })
}

function checkToken(token: unknown): string {
  if (typeof token === 'string' && /^[0-9a-z]{14}\.[0-9a-z]{1,11}$/u.test(token)) return token
  throw refuse('HW_INVALID_TOKEN', 'a lease is answered by its token, a string from `lease`')
}

export function deadQuery(filter: DeadFilter & { limit?: number | undefined }): {
  queue: string | undefined
  limit: number
} {
  const fields = checkFields(filter, ['queue', 'limit'], 'a filter of dead letters') as typeof filter
  const { queue, limit = Infinity } = fields
  if (limit !== Infinity && !(Number.isSafeInteger(limit) && limit >= 0)) {
    throw refuse('HW_INVALID_OPTIONS', 'limit must be a whole number of dead letters')
  }
  return { queue: queue === undefined ? undefined : checkQueueName(queue), limit }
}

/** An empty filter means all of them, which over the wire has to be said. */
export function deadTarget(target: TaskRef | DeadFilter): object {
  if (typeof target === 'string' || (typeof target === 'object' && target !== null && 'key' in target)) {
    return pathRef(target)
  }
  if (typeof target !== 'object' || target === null) {
    throw refuse(
      'HW_INVALID_REF',
      'dead letters are named by an id, by { queue, key } or by a filter such as { queue }',
    )
  }
  const { queue } = checkFields(target, ['queue'], 'a filter of dead letters') as DeadFilter
  return queue === undefined ? { all: true } : { queue: checkQueueName(queue) }
}

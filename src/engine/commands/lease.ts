/** lease, ack, nack, extend: tasks run by the caller, answered by token. Answers to a token never throw for its age. */

import type { Attempt } from '../../delivery/attempt.ts'
import { parseDuration, parseDurationWithin } from '../../model/durations.ts'
import { refuse } from '../../model/errors.ts'
import { decodeExtras } from '../../model/extras.ts'
import { checkFields } from '../../model/fields.ts'
import type { AckInput, LateAnswer, LeasedTask, LeaseInput, NackInput } from '../../model/hourwheel.ts'
import { decodeId } from '../../model/ids.ts'
import { parseInstant } from '../../model/instants.ts'
import { limits } from '../../model/limits.ts'
import { checkQueueName } from '../../model/names.ts'
import { decodePayload } from '../../model/payload.ts'
import { readBody } from '../../model/records.ts'
import { idText, whenDurable, type Core } from '../core.ts'
import { wholeIn } from '../options.ts'
import { withValidPayload } from '../payload-schema.ts'
import { encodeSuccessor } from '../task-encoder.ts'

const tokenForm = /^([0-9a-z]{14})\.([0-9a-z]{1,11})$/u

export async function lease(core: Core, queue: string, input: LeaseInput = {}): Promise<LeasedTask[]> {
  core.assertOpen()
  checkQueueName(queue)
  checkFields(input, ['max', 'lease', 'wait', 'signal'], 'lease')
  const max = wholeIn(input.max ?? 1, 1, limits.leaseTasksMax, 'max')
  const leaseMs = parseDurationWithin(
    input.lease ?? limits.leaseMsDefault,
    'lease',
    limits.leaseMsMin,
    limits.leaseMsMax,
  )
  const waitMs = parseDurationWithin(input.wait ?? 0, 'wait', 0, limits.leaseWaitMsMax)
  const { signal } = input
  if (signal !== undefined && typeof signal.addEventListener !== 'function') {
    throw refuse('HW_INVALID_OPTIONS', 'signal must be an AbortSignal')
  }
  const attempts = await core.leaseDesk.lease(core.queueOf(queue), max, leaseMs, waitMs, signal)
  core.assertOpen()
  return attempts.filter((attempt) => !attempt.settled).map((attempt) => leasedTask(core, attempt))
}

function leasedTask(core: Core, attempt: Attempt): LeasedTask {
  const { row, homeHour, ordinal, queue, number, fireAt, startedAtMs, timeoutMs } = attempt
  const source = core.recorder.taskBytes(row)
  const body = readBody(source.bytes, source.at)
  const headers = body.hasExtras ? decodeExtras(source.bytes, body.extrasAt, body.end).headers : undefined
  const id = idText(core, homeHour, ordinal)
  const fence = fenceOf(core, attempt)
  return {
    token: `${id}.${fence.toString(36)}`,
    id,
    queue: queue.name,
    payload: decodePayload(body.payloadKind, body.payload),
    headers: headers ?? {},
    attempt: number,
    fence,
    scheduledFor: fireAt,
    lateMs: startedAtMs - fireAt,
    leaseMs: timeoutMs,
  }
}

function fenceOf(core: Core, attempt: Attempt): number {
  return core.openCount * 2 ** 32 + attempt.lease.fence
}

/**
 * The attempt that a token names, or what is to be answered instead. An answer given before, whose record waits for room in the
 * log, is waited for.
 */
function attemptOf(core: Core, token: unknown): Attempt | Promise<LateAnswer> {
  const match = typeof token === 'string' ? tokenForm.exec(token) : null
  const decoded = match === null ? undefined : decodeId(match[1]!)
  if (match === null || decoded === undefined) {
    throw refuse('HW_INVALID_TOKEN', 'a lease is answered by its token, a string from `lease`')
  }
  const { incarnation, homeHour, ordinal } = decoded
  if (incarnation !== core.incarnation) return Promise.resolve({ outcome: 'missing' })
  const lateAnswer = (): LateAnswer => {
    const state = core.ledger.stateOf(homeHour, ordinal)
    return { outcome: state === 'missing' ? 'missing' : state === 'ended' || state === 'dead' ? 'ended' : 'stale' }
  }
  if (core.ledger.stateOf(homeHour, ordinal) === 'leased') {
    const attempt = core.dispatcher.attemptOf(core.tiers.rowOf(homeHour, ordinal))
    if (attempt?.consumer.isPulled === true && fenceOf(core, attempt) === Number.parseInt(match[2]!, 36)) {
      return attempt.settled ? whenRecorded(core, attempt, lateAnswer) : attempt
    }
  }
  return whenDurable(core, core.log.appendedLsn, lateAnswer())
}

/** Resolves once the record of an attempt's answer is on disk. */
function whenRecorded<T>(core: Core, attempt: Attempt, answer: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    const recorded = (lsn: number): void => {
      whenDurable(core, lsn, answer()).then(resolve, reject)
    }
    attempt.watchers ??= []
    attempt.watchers.push({ recorded, lost: reject })
  })
}

export async function ack(
  core: Core,
  token: string,
  input: AckInput = {},
): Promise<{ readonly outcome: 'acked' } | LateAnswer> {
  core.assertOpen()
  checkFields(input, ['next'], 'ack')
  let task = input.next
  if (task !== undefined) {
    const valid = withValidPayload(core.settings.queues, task)
    task = valid instanceof Promise ? await valid : valid
    core.assertOpen()
  }
  const next =
    task === undefined
      ? undefined
      : encodeSuccessor(task, core.platform.clock.wallMs(), core.settings.payloadBytesMax, core.queueOf)
  const attempt = attemptOf(core, token)
  if (attempt instanceof Promise) return attempt
  attempt.successor = next
  const answer = whenRecorded(core, attempt, () => ({ outcome: 'acked' }) as const)
  core.dispatcher.succeeded(attempt)
  return answer
}

export async function nack(
  core: Core,
  token: string,
  input: NackInput = {},
): Promise<{ readonly outcome: 'nacked' } | LateAnswer> {
  core.assertOpen()
  checkFields(input, ['retryAt', 'delay', 'dead', 'error'], 'nack')
  const { retryAt, delay, dead = false, error = 'the lease was given back as failed' } = input
  if (typeof error !== 'string') throw refuse('HW_INVALID_OPTIONS', 'error must be text')
  if (typeof dead !== 'boolean') throw refuse('HW_INVALID_OPTIONS', 'dead must be true or false')
  if ([retryAt !== undefined, delay !== undefined, dead].filter(Boolean).length > 1) {
    throw refuse('HW_INVALID_OPTIONS', 'give one of retryAt, delay and dead')
  }
  const now = core.ticker.believedMs
  const delayMs =
    retryAt !== undefined
      ? Math.max(0, parseInstant(retryAt, 'retryAt') - now)
      : delay === undefined
        ? undefined
        : parseDuration(delay, 'delay')
  const attempt = attemptOf(core, token)
  if (attempt instanceof Promise) return attempt
  attempt.verdict = dead ? { kind: 'dead', reason: error } : { kind: 'retry', delayMs }
  const answer = whenRecorded(core, attempt, () => ({ outcome: 'nacked' }) as const)
  core.dispatcher.failed(attempt, new Error(error))
  return answer
}

export async function extend(
  core: Core,
  token: string,
  leaseFor: unknown,
): Promise<{ readonly outcome: 'extended' } | LateAnswer> {
  core.assertOpen()
  const leaseMs = parseDurationWithin(leaseFor, 'lease', limits.leaseMsMin, limits.leaseMsMax)
  const attempt = attemptOf(core, token)
  if (attempt instanceof Promise) return attempt
  core.dispatcher.extend(attempt, leaseMs)
  return { outcome: 'extended' }
}

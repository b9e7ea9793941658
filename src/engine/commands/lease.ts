/** lease, ack, nack, extend: tasks run by the caller, answered by token. Answers to a token never throw for its age. */

import type { Attempt } from '../../delivery/attempt.ts'
import { handlerTask } from '../../delivery/handler-task.ts'
import { parseAckInput, parseLeaseInput, parseLeaseMs, parseNackInput, parseToken } from '../../model/call-inputs.ts'
import type { AckInput, LateAnswer, LeasedTask, LeaseInput, NackInput } from '../../model/hourwheel.ts'
import { checkQueueName } from '../../model/names.ts'
import { readBody } from '../../model/records.ts'
import { idText, whenDurable, type Core } from '../core.ts'
import { withValidPayload } from '../payload-schema.ts'
import { encodeSuccessor } from '../task-encoder.ts'

export async function lease(core: Core, queue: string, input: LeaseInput = {}): Promise<LeasedTask[]> {
  core.assertOpen()
  checkQueueName(queue)
  const wish = parseLeaseInput(input)
  const attempts = await core.leaseDesk.lease(core.queueOf(queue), wish)
  core.assertOpen()
  return attempts.filter((attempt) => !attempt.settled).map((attempt) => leasedTask(core, attempt))
}

function leasedTask(core: Core, attempt: Attempt): LeasedTask {
  const { row, homeHour, ordinal, queue, number, fireAt, startedAtMs, timeoutMs } = attempt
  const { bytes, at } = core.recorder.taskBytes(row)
  const id = idText(core, homeHour, ordinal)
  const fence = fenceOf(core, attempt)
  return {
    token: `${id}.${fence.toString(36)}`,
    ...handlerTask(readBody(bytes, at), id, queue.name),
    attempt: number,
    fence,
    scheduledFor: fireAt,
    lateMs: startedAtMs - fireAt,
    leaseMs: timeoutMs,
  }
}

function fenceOf(core: Core, attempt: Attempt): number {
  return core.fenceBase + attempt.lease.fence
}

/**
 * The attempt that a token names, or what is to be answered instead. An answer given before, whose record waits for room in the
 * log, is waited for.
 */
function attemptOf(core: Core, token: unknown): Attempt | Promise<LateAnswer> {
  const { id, fence } = parseToken(token)
  const { incarnation, homeHour, ordinal } = id
  if (incarnation !== core.incarnation) return Promise.resolve({ outcome: 'missing' })
  const lateAnswer = (): LateAnswer => {
    const state = core.ledger.stateOf(homeHour, ordinal)
    return { outcome: state === 'missing' ? 'missing' : state === 'ended' || state === 'dead' ? 'ended' : 'stale' }
  }
  const attempt = pulled(core, homeHour, ordinal, fence)
  if (attempt === undefined) return whenDurable(core, core.log.appendedLsn, lateAnswer())
  return attempt.settled ? whenRecorded(core, attempt, lateAnswer) : attempt
}

/** The attempt with this fence, if it is not over. */
function pulled(core: Core, homeHour: number, ordinal: number, fence: number): Attempt | undefined {
  if (core.ledger.stateOf(homeHour, ordinal) !== 'leased') return undefined
  const attempt = core.dispatcher.attemptOf(core.tiers.rowOf(homeHour, ordinal))
  return attempt?.consumer.isPulled === true && fenceOf(core, attempt) === fence ? attempt : undefined
}

/** Leases that nobody has come to know of: their tasks go back untouched. See for-daemons.ts. */
export function giveBack(core: Core, tokens: readonly string[]): void {
  for (const token of tokens) {
    const { id, fence } = parseToken(token)
    const attempt = pulled(core, id.homeHour, id.ordinal, fence)
    if (attempt !== undefined) core.dispatcher.untouched(attempt)
  }
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
  let task = parseAckInput(input)
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
  const { retryAt, delayMs, dead, error = 'the lease was given back as failed' } = parseNackInput(input)
  const askedMs = retryAt === undefined ? delayMs : Math.max(0, retryAt - core.ticker.believedMs)
  const attempt = attemptOf(core, token)
  if (attempt instanceof Promise) return attempt
  attempt.verdict = dead ? { kind: 'dead', reason: error } : { kind: 'retry', delayMs: askedMs }
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
  const leaseMs = parseLeaseMs(leaseFor)
  const attempt = attemptOf(core, token)
  if (attempt instanceof Promise) return attempt
  core.dispatcher.extend(attempt, leaseMs)
  return { outcome: 'extended' }
}

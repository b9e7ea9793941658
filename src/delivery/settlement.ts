/**
 * From the answer of an attempt to its record: success and successor, failure and retry, dead letter, cancelled, untouched.
 * Each method answers false when the log has no room: nothing was changed then, and it is to be called again.
 */

import { encodeExtras } from '../model/extras.ts'
import { limits } from '../model/limits.ts'
import { readBody } from '../model/records.ts'
import { mergeRetry, retryDelayMs, whyNoRetry } from '../model/retry.ts'
import { instantMsLimit } from '../model/units.ts'
import type { Random } from '../platform/ports.ts'
import type { TaskTable } from '../wheel/task-table.ts'
import type { AttemptRecords, DeliveryQueue } from './attempt-records.ts'
import type { Attempt } from './attempt.ts'

/** What happened to tasks, for those who listen. `lsn` is that of the record that says so. */
export interface DeliveryEvents {
  fired(attempt: Attempt, lateMs: number): void
  succeeded(attempt: Attempt, lsn: number): void
  failed(attempt: Attempt, error: string, retryAt: number | undefined, lsn: number): void
  died(task: NamedTask, reason: string, error: string, lsn: number): void
  cancelled(task: NamedTask, lsn: number): void
  expired(task: NamedTask, lsn: number): void
}

export interface NamedTask {
  readonly queue: DeliveryQueue
  readonly homeHour: number
  readonly ordinal: number
}

export interface SettlementParts {
  /** The wall clock as far as it is believed: a retry must not wait for years because the clock was that far ahead for a moment. */
  readonly now: () => number
  readonly random: Random
  readonly table: TaskTable
  readonly records: AttemptRecords
  readonly events: DeliveryEvents
  /** A retry, a successor or a task that was given back is due at this instant. */
  noticeFireAt(fireAt: number): void
}

export class Settlement {
  readonly #parts: SettlementParts

  constructor(parts: SettlementParts) {
    this.#parts = parts
  }

  success(attempt: Attempt): boolean {
    const { records, events } = this.#parts
    const { successor: next } = attempt
    const lsn = next === undefined ? this.#finish('succeeded', attempt) : records.succeedWithNext(attempt.row, next)
    if (lsn === 0) return false
    events.succeeded(attempt, lsn)
    if (next !== undefined) this.#parts.noticeFireAt(next.fireAt)
    return true
  }

  cancelled(attempt: Attempt): boolean {
    const lsn = this.#finish('cancelled', attempt)
    if (lsn !== 0) this.#parts.events.cancelled(attempt, lsn)
    return lsn !== 0
  }

  /** The lease is given back; no attempt was used up. */
  untouched(attempt: Attempt): boolean {
    const { homeHour, ordinal, queue, lease, row } = attempt
    if (lease.stopped) return this.cancelled(attempt)
    const { records } = this.#parts
    if (records.unlease(homeHour, ordinal, queue.number, lease.losses) === 0) return false
    records.rearm(row)
    // Another caller may be waiting for it.
    if (attempt.consumer.isPulled) this.#parts.noticeFireAt(attempt.fireAt)
    return true
  }

  failure(attempt: Attempt, error: unknown): boolean {
    if (attempt.lease.stopped) return this.cancelled(attempt)
    const { records, table, random, events } = this.#parts
    const { row, queue, verdict } = attempt
    const source = records.taskBytes(row)
    const body = readBody(source.bytes, source.at)
    const extras = body.extras()
    const now = this.#parts.now()
    const placeHour = table.placeHour[row]!
    const answered = body.attempt + 1
    const policy = mergeRetry(queue.settings.retry, extras.retry)
    const firstFireAt = extras.firstFireAt ?? body.fireAt
    const text = verdict?.kind === 'dead' ? verdict.reason : errorText(error)
    const asked = verdict?.kind === 'retry' ? verdict.delayMs : undefined
    const retryAt = now + (asked ?? retryDelayMs(policy, answered, random.unit()))
    const reason =
      verdict?.kind === 'dead'
        ? 'asked'
        : (whyNoRetry(policy, answered, firstFireAt, retryAt) ?? (retryAt < instantMsLimit ? undefined : 'maxAge'))
    if (reason !== undefined) {
      const death = { reason, diedAt: now, error: text, attempt: answered } as const
      const lsn = records.die(row, source, 'leased', placeHour, death)
      if (lsn === 0) return false
      events.failed(attempt, text, undefined, lsn)
      events.died(attempt, reason, text, lsn)
      return true
    }
    const lsn = records.nextVersion(row, source, 'leased', placeHour, {
      cause: 'retry',
      fireAt: retryAt,
      attempt: answered,
      generation: body.generation,
      extras: encodeExtras({ ...extras, firstFireAt, lastError: text }),
    })
    if (lsn === 0) return false
    events.failed(attempt, text, retryAt, lsn)
    this.#parts.noticeFireAt(retryAt)
    return true
  }

  /** A due task that is not to run any more, or never again. */
  expire(task: NamedTask, row: number): boolean {
    const { records, table, events } = this.#parts
    const { queue, homeHour, ordinal } = task
    const lsn = records.finish('expired', 'pending', row, homeHour, ordinal, queue.number, table.placeHour[row]!)
    if (lsn !== 0) events.expired(task, lsn)
    return lsn !== 0
  }

  /** A due task whose leases were lost with the process too often. */
  bury(task: NamedTask, row: number, losses: number): boolean {
    const { records, table, events } = this.#parts
    const source = records.taskBytes(row)
    const error = `its attempts ended ${losses} times with the death of the process`
    const { attempt } = readBody(source.bytes, source.at)
    const death = { reason: 'lost', diedAt: this.#parts.now(), error, attempt } as const
    const lsn = records.die(row, source, 'pending', table.placeHour[row]!, death)
    if (lsn !== 0) events.died(task, 'lost', error, lsn)
    return lsn !== 0
  }

  #finish(how: 'succeeded' | 'cancelled', attempt: Attempt): number {
    const { records, table } = this.#parts
    const { row, homeHour, ordinal, queue } = attempt
    return records.finish(how, 'leased', row, homeHour, ordinal, queue.number, table.placeHour[row]!)
  }
}

function errorText(error: unknown): string {
  let text: string
  try {
    text = error instanceof Error ? error.message || error.name : String(error)
  } catch {
    text = 'an error that cannot be shown as text'
  }
  const bytes = Buffer.from(text, 'utf8')
  if (bytes.length <= limits.errorTextBytesMax) return text
  return bytes
    .subarray(0, limits.errorTextBytesMax)
    .toString('utf8')
    .replace(/\uFFFD$/u, '')
}

/**
 * What an answer to a webhook means: pure. Any 2xx ends the task, and JSON in it may carry the successor as `next`. 410 says that
 * the target never wants it: a dead letter. Everything else fails the attempt, which is then retried as the queue's policy says;
 * Retry-After moves the next attempt. Some failures tell of the target and not of the task, which is for its breaker to know.
 */

import type { TaskInput } from '../../model/hourwheel.ts'
import { taskFromWire } from '../../protocol/wire.ts'

export type Verdict =
  | { readonly kind: 'done'; readonly next: TaskInput | undefined }
  | { readonly kind: 'gone'; readonly reason: string }
  | {
      readonly kind: 'failed'
      readonly reason: string
      /** The next attempt is due after this, where the target said so. */
      readonly retryAfterMs: number | undefined
      /** The target cannot be had, refuses everybody, or is not what it should be. */
      readonly isOfTarget: boolean
      /** The target asked to be left alone meanwhile. */
      readonly isWait: boolean
    }

export const replyLimits = {
  /** Of a reply that may carry a successor; more of other replies is not read. */
  bytesMax: 1_048_576,
  /** Less than this is as if it were not there: attempts would be used up in no time. */
  retryAfterMsMin: 1_000,
  retryAfterMsMax: 86_400_000,
} as const

/** Statuses that say something of the target, beside 3xx and 5xx: no rights, no such place, too slow, too much. */
const ofTarget = [401, 403, 404, 405, 407, 408, 421, 426, 429, 451]

export function failed(reason: string, isOfTarget = true): Verdict {
  return { kind: 'failed', reason, retryAfterMs: undefined, isOfTarget, isWait: false }
}

export function verdictOfStatus(status: number, retryAfter: string | undefined, nowMs: number): Verdict {
  if (status === 410) return { kind: 'gone', reason: 'HTTP 410: the target never wants it again' }
  const retryAfterMs = status === 429 || status >= 300 ? parseRetryAfter(retryAfter, nowMs) : undefined
  const isOfTarget = status < 400 || status >= 500 || ofTarget.includes(status)
  const why = status >= 300 && status < 400 ? ', a redirect: those are not followed' : ''
  const isWait = retryAfterMs !== undefined && (status === 429 || status === 503)
  return { kind: 'failed', reason: `HTTP ${status}${why}`, retryAfterMs, isOfTarget, isWait }
}

export function isJson(contentType: string | undefined): boolean {
  return /^\s*application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(contentType ?? '')
}

/**
 * Of a 2xx that says it is JSON. What cannot be read fails the attempt, because a successor may have been in it: better a task
 * that runs twice than one that is lost in silence.
 */
export function verdictOfJson(status: number, text: string): Verdict {
  if (text.trim() === '') return { kind: 'done', next: undefined }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return failed(`HTTP ${status}, but the reply is not the JSON it says it is`, false)
  }
  const next: unknown =
    typeof value === 'object' && value !== null && Object.hasOwn(value, 'next')
      ? (value as { next: unknown }).next
      : null
  if (next === null || next === undefined) return { kind: 'done', next: undefined }
  try {
    return { kind: 'done', next: taskFromWire(next) }
  } catch (error) {
    return failed(badNext(error), false)
  }
}

export function badNext(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  const code: unknown = (error as { code?: unknown }).code
  return `the task was done, but the successor in the reply (next) is refused: ${typeof code === 'string' ? `${code}: ` : ''}${text}`
}

const monthNames = 'Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec'
const httpDate = new RegExp(`^[A-Z][a-z]{2}, \\d\\d (?:${monthNames}) \\d{4} \\d\\d:\\d\\d:\\d\\d GMT$`)

/** Whole seconds, or an HTTP date; undefined for neither, and for less than a second. */
export function parseRetryAfter(text: string | undefined, nowMs: number): number | undefined {
  const value = text?.trim() ?? ''
  const isDate = httpDate.test(value)
  if (!isDate && !/^\d{1,15}$/.test(value)) return undefined
  const ms = isDate ? Date.parse(value) - nowMs : Number(value) * 1_000
  return ms >= replyLimits.retryAfterMsMin ? Math.min(ms, replyLimits.retryAfterMsMax) : undefined
}

/**
 * Errors on the wire: RFC 9457 problems that carry the engine's codes. `status` says what kind it is to those who know only HTTP,
 * everything else that callers act on is in `code`, `outcome`, `retryAfterMs`, `index` and `details`. Both directions are here,
 * so that a client throws the very error that the engine has thrown.
 */

import { errorCatalogue, HourwheelError, refuse, type ErrorCode } from '../model/errors.ts'
import type { Problem } from './wire.ts'

export const problemContentType = 'application/problem+json'

/** Status by code. 429 and 503 come with Retry-After; 500 means that a look into the daemon's log is due. */
const statusOf: Readonly<Partial<Record<ErrorCode, number>>> = {
  HW_PAYLOAD_TOO_LARGE: 413,
  HW_BATCH_TOO_LARGE: 413,
  HW_BODY_TOO_LARGE: 413,
  HW_UNSUPPORTED_MEDIA_TYPE: 415,
  HW_UNAUTHORIZED: 401,
  HW_FORBIDDEN: 403,
  HW_NOT_FOUND: 404,
  HW_TASK_MISSING: 404,
  HW_METHOD_NOT_ALLOWED: 405,
  HW_REQUEST_TIMEOUT: 408,
  HW_TASK_STATE: 409,
  HW_KEY_EXISTS: 409,
  HW_HANDLER_EXISTS: 409,
  HW_TOO_MANY_QUEUES: 409,
  HW_CLOCK_HELD: 409,
  HW_TASK_CHANGED: 412,
  HW_OVERLOADED: 429,
  HW_KEYS_UNAVAILABLE: 501,
  HW_CLOSED: 503,
  HW_DISK_FULL: 503,
  HW_DISK_FAILED: 503,
  HW_HANDLER_INVALID: 500,
  HW_OUTCOME_UNKNOWN: 500,
  HW_DIRECTORY_LOCKED: 500,
  HW_DIRECTORY_UNUSABLE: 500,
  HW_FORMAT_NEWER: 500,
  HW_CORRUPT: 500,
  HW_TEST_STUCK: 500,
  HW_INTERNAL: 500,
}

/** Everything that is not listed says that the request was wrong. */
const otherStatus = 400
/** For 429 and 503 that say nothing of their own. */
const retryAfterMsDefault = 1_000

export interface ProblemExtra {
  /** Where another status than that of the code is right. */
  readonly status?: number | undefined
  readonly answer?: Problem['answer']
  readonly requestId?: string | undefined
}

export function problemOf(error: HourwheelError, extra: ProblemExtra = {}): Problem {
  const { code, message, outcome, index, details } = error
  const status = extra.status ?? statusOf[code] ?? otherStatus
  const mayRetry = status === 429 || status === 503
  const retryAfterMs = error.retryAfterMs ?? (mayRetry ? retryAfterMsDefault : undefined)
  return {
    type: `/v1/errors/${code}`,
    title: errorCatalogue[code].summary,
    status,
    detail: message,
    code,
    outcome,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(index === undefined ? {} : { index }),
    ...(Object.keys(details).length === 0 ? {} : { details }),
    ...(extra.answer === undefined ? {} : { answer: extra.answer }),
    ...(extra.requestId === undefined ? {} : { requestId: extra.requestId }),
  }
}

/** Whole seconds, rounded up, as the header wants them. */
export function retryAfterSeconds(problem: Problem): number | undefined {
  return problem.retryAfterMs === undefined ? undefined : Math.max(1, Math.ceil(problem.retryAfterMs / 1_000))
}

/** The error that a problem tells of. What is no problem of hourwheel (a proxy's page) becomes one by its status. */
export function errorOf(status: number, body: unknown): HourwheelError {
  const problem = (typeof body === 'object' && body !== null ? body : {}) as Partial<Problem>
  const { code, detail, outcome, retryAfterMs, index, details } = problem
  if (typeof code !== 'string' || !Object.hasOwn(errorCatalogue, code) || typeof detail !== 'string') {
    const wasDone = status >= 500 && status !== 503
    const other: ErrorCode =
      status === 401
        ? 'HW_UNAUTHORIZED'
        : status === 403
          ? 'HW_FORBIDDEN'
          : status === 404
            ? 'HW_NOT_FOUND'
            : status === 429 || status === 503
              ? 'HW_OVERLOADED'
              : wasDone
                ? 'HW_OUTCOME_UNKNOWN'
                : 'HW_INVALID_REQUEST'
    return refuse(other, `the answer has status ${status} and is none of hourwheel's`, { details: { status } })
  }
  return new HourwheelError(code as ErrorCode, detail, {
    outcome: outcome === 'unknown' ? 'unknown' : 'not done',
    retryAfterMs: typeof retryAfterMs === 'number' ? retryAfterMs : undefined,
    index: typeof index === 'number' ? index : undefined,
    details,
  })
}

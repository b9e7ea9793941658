/**
 * Retry policies: the queue's, and a task's own overrides, of which only those are stored. Pure: the random number and all
 * instants are parameters.
 */

import { parseDuration } from './durations.ts'
import type { Duration } from './durations.ts'
import { refuse, shown } from './errors.ts'
import type { HourwheelError } from './errors.ts'
import { checkFields } from './fields.ts'
import { limits } from './limits.ts'
import { hourMs, secondMs } from './units.ts'

/** How failed attempts are repeated, as callers give it. */
export interface RetryOptions {
  /** Attempts in all, the first one included. Default 10. */
  attempts?: number | undefined
  /** `exponential` (default) doubles the delay after each attempt; `fixed` does not. */
  backoff?: 'fixed' | 'exponential' | undefined
  /** Delay after the first attempt. Default 1 s. */
  delay?: Duration | undefined
  /** The longest delay of `exponential`. Default 1 h. */
  maxDelay?: Duration | undefined
  /** 0: exactly the delay. 1 (default): anything from 0 to the delay. Between: that share of the delay is random. */
  jitter?: number | undefined
  /** No attempt is due later than this after the first fire time. Default: no limit. */
  maxAge?: Duration | undefined
}

export interface RetryPolicy {
  readonly attempts: number
  readonly backoff: 'fixed' | 'exponential'
  readonly delayMs: number
  readonly maxDelayMs: number
  readonly jitter: number
  readonly maxAgeMs: number | undefined
}

/** What differs from the queue's policy; undefined is as absent. */
export type RetryOverride = { readonly [field in keyof RetryPolicy]?: RetryPolicy[field] | undefined }

export const defaultRetryPolicy: RetryPolicy = Object.freeze({
  attempts: 10,
  backoff: 'exponential',
  delayMs: secondMs,
  maxDelayMs: hourMs,
  jitter: 1,
  maxAgeMs: undefined,
})

const fields: readonly (keyof RetryOptions)[] = ['attempts', 'backoff', 'delay', 'maxDelay', 'jitter', 'maxAge']

/** The override that the options say, undefined when they say nothing. `what` is how messages call them. */
export function parseRetry(options: unknown, what = 'retry'): RetryOverride | undefined {
  if (options === undefined) return undefined
  const { attempts, backoff, delay, maxDelay, jitter, maxAge } = checkFields(options, fields, what, 'HW_INVALID_RETRY')
  const override: { -readonly [field in keyof RetryPolicy]?: RetryPolicy[field] } = {}
  if (attempts !== undefined) {
    if (typeof attempts !== 'number' || !Number.isInteger(attempts) || attempts < 1 || attempts > limits.attemptsMax) {
      throw refused(`${what}.attempts`, attempts, `give a whole number from 1 (no retry) to ${limits.attemptsMax}`)
    }
    override.attempts = attempts
  }
  if (backoff !== undefined) {
    if (backoff !== 'fixed' && backoff !== 'exponential')
      throw refused(`${what}.backoff`, backoff, "give 'fixed' or 'exponential'")
    override.backoff = backoff
  }
  if (delay !== undefined) override.delayMs = parseDuration(delay, `${what}.delay`)
  if (maxDelay !== undefined) override.maxDelayMs = parseDuration(maxDelay, `${what}.maxDelay`)
  if (jitter !== undefined) {
    if (typeof jitter !== 'number' || !(jitter >= 0 && jitter <= 1)) {
      throw refused(`${what}.jitter`, jitter, 'give a number from 0 (none) to 1 (full)')
    }
    override.jitter = jitter
  }
  if (maxAge !== undefined) override.maxAgeMs = parseDuration(maxAge, `${what}.maxAge`)
  if (override.delayMs !== undefined && override.maxDelayMs !== undefined && override.delayMs > override.maxDelayMs) {
    throw refused(`${what}.delay`, delay, `it is longer than ${what}.maxDelay, ${shown(maxDelay)}`)
  }
  return Object.keys(override).length === 0 ? undefined : override
}

/**
 * The policy that holds for a task. A delay that is given without a longest delay raises an inherited one that is shorter:
 * 'retry after 2 h' must not become 1 h because of a default.
 */
export function mergeRetry(policy: RetryPolicy, override: RetryOverride | undefined): RetryPolicy {
  if (override === undefined) return policy
  const delayMs = override.delayMs ?? policy.delayMs
  const inherited = override.delayMs === undefined ? policy.maxDelayMs : Math.max(policy.maxDelayMs, override.delayMs)
  return {
    attempts: override.attempts ?? policy.attempts,
    backoff: override.backoff ?? policy.backoff,
    delayMs,
    maxDelayMs: override.maxDelayMs ?? inherited,
    jitter: override.jitter ?? policy.jitter,
    maxAgeMs: override.maxAgeMs ?? policy.maxAgeMs,
  }
}

/**
 * Whole milliseconds to wait after `attempt` attempts (1 or more) have failed. `unit` is a random number in [0, 1).
 *
 * 'Full jitter' of M. Brooker, "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015), when `jitter` is 1.
 */
export function retryDelayMs(policy: RetryPolicy, attempt: number, unit: number): number {
  // 2 ** 60 is beyond every longest delay: the exponent is bounded so that nothing overflows.
  const grownMs = policy.delayMs * 2 ** Math.min(attempt - 1, 60)
  const delayMs = policy.backoff === 'fixed' ? policy.delayMs : Math.min(grownMs, policy.maxDelayMs)
  return Math.round(delayMs * (1 - policy.jitter) + unit * delayMs * policy.jitter)
}

/** Why no attempt follows `attempt` failed ones with the next due at `nextAt`, or undefined when one does. */
export function whyNoRetry(
  policy: RetryPolicy,
  attempt: number,
  firstFireAt: number,
  nextAt: number,
): 'attempts' | 'maxAge' | undefined {
  if (attempt >= policy.attempts) return 'attempts'
  if (policy.maxAgeMs !== undefined && nextAt - firstFireAt > policy.maxAgeMs) return 'maxAge'
  return undefined
}

function refused(field: string, given: unknown, instead: string): HourwheelError {
  return refuse('HW_INVALID_RETRY', `${field} is ${shown(given)}; ${instead}`, { details: { field } })
}

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { defaultRetryPolicy, mergeRetry, parseRetry, retryDelayMs, whyNoRetry } from '../../src/model/retry.ts'
import type { RetryOptions, RetryPolicy } from '../../src/model/retry.ts'
import { refusalOf } from './refusal.ts'

const steady: RetryPolicy = { ...defaultRetryPolicy, jitter: 0 }

test('only what is said becomes an override', () => {
  expect(parseRetry(undefined)).toBeUndefined()
  expect(parseRetry({})).toBeUndefined()
  expect(parseRetry({ attempts: undefined, delay: undefined })).toBeUndefined()
  expect(parseRetry({ attempts: 3 })).toEqual({ attempts: 3 })
  const all: RetryOptions = {
    attempts: 1000,
    backoff: 'fixed',
    delay: '5s',
    maxDelay: 'PT1M',
    jitter: 0.5,
    maxAge: '1d',
  }
  expect(parseRetry(all)).toEqual({
    attempts: 1000,
    backoff: 'fixed',
    delayMs: 5_000,
    maxDelayMs: 60_000,
    jitter: 0.5,
    maxAgeMs: 86_400_000,
  })
})

test('refusals name the field', () => {
  const table: [unknown, string, RegExp][] = [
    [null, 'HW_INVALID_RETRY', /retry is null; give an object/],
    [5, 'HW_INVALID_RETRY', /retry is 5; give an object/],
    [[], 'HW_INVALID_RETRY', /retry is an array/],
    [{ retries: 5 }, 'HW_UNKNOWN_FIELD', /retry has no field "retries"; there are attempts, /],
    [{ attempts: 0 }, 'HW_INVALID_RETRY', /retry\.attempts is 0; give a whole number from 1/],
    [{ attempts: 1001 }, 'HW_INVALID_RETRY', /retry\.attempts/],
    [{ attempts: 1.5 }, 'HW_INVALID_RETRY', /retry\.attempts/],
    [{ attempts: '3' }, 'HW_INVALID_RETRY', /retry\.attempts is "3"/],
    [{ attempts: Infinity }, 'HW_INVALID_RETRY', /retry\.attempts is Infinity/],
    [{ backoff: 'linear' }, 'HW_INVALID_RETRY', /retry\.backoff is "linear"; give 'fixed' or/],
    [{ jitter: 1.1 }, 'HW_INVALID_RETRY', /retry\.jitter/],
    [{ jitter: NaN }, 'HW_INVALID_RETRY', /retry\.jitter/],
    [{ jitter: true }, 'HW_INVALID_RETRY', /retry\.jitter/],
    [{ delay: 'soon' }, 'HW_INVALID_DURATION', /^retry\.delay: /],
    [{ maxDelay: -1 }, 'HW_INVALID_DURATION', /^retry\.maxDelay: /],
    [{ maxAge: '1y' }, 'HW_INVALID_DURATION', /^retry\.maxAge: /],
    [
      { delay: '2h', maxDelay: '1h' },
      'HW_INVALID_RETRY',
      /retry\.delay is "2h"; it is longer than retry\.maxDelay, "1h"/,
    ],
  ]
  for (const [options, code, message] of table) {
    const error = refusalOf(() => parseRetry(options))
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
  }
})

test('merging: the override wins, and a longer delay is not cut by an inherited longest one', () => {
  expect(mergeRetry(defaultRetryPolicy, undefined)).toBe(defaultRetryPolicy)
  expect(mergeRetry(defaultRetryPolicy, { attempts: 2 })).toEqual({ ...defaultRetryPolicy, attempts: 2 })
  expect(mergeRetry(defaultRetryPolicy, { jitter: 0, delayMs: 0 })).toEqual({ ...steady, delayMs: 0 })
  const long = mergeRetry(steady, { delayMs: 7_200_000 })
  expect([retryDelayMs(long, 1, 0), retryDelayMs(long, 9, 0)]).toEqual([7_200_000, 7_200_000])
  expect(retryDelayMs(mergeRetry(steady, { maxDelayMs: 100 }), 1, 0)).toBe(100)
})

test('delays double up to the longest one; fixed ones stay', () => {
  const delays = [1, 2, 3, 4, 12, 13, 100, 1000].map((attempt) => retryDelayMs(steady, attempt, 0.9))
  expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 2_048_000, 3_600_000, 3_600_000, 3_600_000])
  const fixed: RetryPolicy = { ...steady, backoff: 'fixed', delayMs: 7_200_000 }
  expect([1, 2, 1000].map((attempt) => retryDelayMs(fixed, attempt, 0))).toEqual([7_200_000, 7_200_000, 7_200_000])
  expect(retryDelayMs({ ...steady, delayMs: 0 }, 1000, 0)).toBe(0)
})

test('jitter is the random share of the delay', () => {
  const delayMs = (jitter: number, unit: number): number => retryDelayMs({ ...steady, jitter }, 1, unit)
  expect([delayMs(1, 0), delayMs(1, 0.25), delayMs(1, 1 - 2 ** -53)]).toEqual([0, 250, 1_000])
  expect([delayMs(0.5, 0), delayMs(0.5, 0.5), delayMs(0, 0.3)]).toEqual([500, 750, 1_000])
})

const policies: fc.Arbitrary<RetryPolicy> = fc.record({
  attempts: fc.integer({ min: 1, max: 1000 }),
  backoff: fc.constantFrom('fixed', 'exponential'),
  delayMs: fc.nat({ max: 2 ** 31 - 1 }),
  maxDelayMs: fc.integer({ min: 0, max: 3_774_873_599_999 }),
  jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  maxAgeMs: fc.option(fc.nat(), { nil: undefined }),
})

test('any policy at any attempt gives a whole delay within its bounds, growing with the attempt', () => {
  const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  fc.assert(
    fc.property(policies, fc.integer({ min: 1, max: 1000 }), unit, (policy, attempt, random) => {
      const delayMs = retryDelayMs(policy, attempt, random)
      const most = policy.backoff === 'fixed' ? policy.delayMs : policy.maxDelayMs
      expect(Number.isSafeInteger(delayMs) && delayMs >= 0 && delayMs <= most).toBe(true)
      expect(delayMs).toBeGreaterThanOrEqual(
        Math.floor(retryDelayMs({ ...policy, jitter: 0 }, attempt, 0) * (1 - policy.jitter)),
      )
      expect(retryDelayMs(policy, attempt + 1, random)).toBeGreaterThanOrEqual(delayMs)
    }),
  )
})

test('attempts and age end retrying, and the reason is told', () => {
  const policy: RetryPolicy = { ...steady, attempts: 3, maxAgeMs: 1_000 }
  expect(whyNoRetry(policy, 2, 5_000, 6_000)).toBeUndefined()
  expect(whyNoRetry(policy, 3, 5_000, 5_001)).toBe('attempts')
  expect(whyNoRetry(policy, 2, 5_000, 6_001)).toBe('maxAge')
  expect(whyNoRetry({ ...policy, attempts: 1 }, 1, 0, 0)).toBe('attempts')
  expect(whyNoRetry({ ...policy, maxAgeMs: undefined }, 2, 0, 1e12)).toBeUndefined()
})

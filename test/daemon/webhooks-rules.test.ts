/** The pure parts: when a target is left alone, and what Retry-After and media types say. */

import { expect, test } from 'vitest'
import { Breaker } from '../../src/daemon/webhooks/breaker.ts'
import { isJson, parseRetryAfter, verdictOfStatus } from '../../src/daemon/webhooks/reply.ts'

const options = { failuresMax: 3, pauseMs: 1_000, pauseMsMax: 4_000 }

test('the breaker opens after failures in a row, pauses longer each time, and closes with one success', () => {
  const breaker = new Breaker(options)
  expect([breaker.failed(0, undefined, 0), breaker.failed(0, undefined, 0)]).toEqual([false, false])
  expect(breaker.cameThrough()).toBe(false)
  for (const last of [false, false, true]) expect(breaker.failed(0, undefined, 0)).toBe(last)
  let now = 0
  for (const pauseMs of [1_000, 2_000, 4_000, 4_000]) {
    expect(breaker.state).toBe('open')
    // Those that were under way say nothing new.
    expect(breaker.failed(now + 1, undefined, 0)).toBe(false)
    expect(breaker.look(now + pauseMs - 1)).toBe(false)
    now += pauseMs
    expect(breaker.look(now)).toBe(true)
    expect(breaker.state).toBe('probing')
    expect(breaker.look(now)).toBe(false)
    expect(breaker.failed(now, undefined, 0)).toBe(true)
  }
  expect(breaker.openings).toBe(5)
  expect(breaker.look(now + 4_000)).toBe(true)
  expect(breaker.cameThrough()).toBe(true)
  expect(breaker.state).toBe('closed')
  for (const last of [false, false, true]) expect(breaker.failed(now, undefined, 0)).toBe(last)
  expect(breaker.openUntilMs).toBe(now + 1_000)
})

test('one that is told to wait waits at once, and as long as the longest wait it was told', () => {
  const breaker = new Breaker(options)
  expect(breaker.failed(0, 5_000, 1)).toBe(true)
  expect(breaker.openUntilMs).toBe(5_000)
  expect(breaker.failed(10, 2_000, 0)).toBe(false)
  expect(breaker.failed(10, 9_000, 0)).toBe(true)
  expect(breaker.look(9_009)).toBe(false)
  expect(breaker.look(9_010)).toBe(true)
})

test('a success of before the pause closes it, and the pause is spread', () => {
  const breaker = new Breaker({ ...options, failuresMax: 1 })
  breaker.failed(0, undefined, 1)
  expect(breaker.openUntilMs).toBe(1_250)
  expect(breaker.cameThrough()).toBe(true)
})

const now = Date.UTC(2027, 0, 1)

test.each([
  ['120', 120_000],
  [' 1 ', 1_000],
  ['0', undefined],
  ['-5', undefined],
  ['1.5', undefined],
  ['1e9', undefined],
  ['999999999999999', 86_400_000],
  ['9999999999999999', undefined],
  ['Fri, 01 Jan 2027 00:02:00 GMT', 120_000],
  ['Fri, 01 Jan 2027 00:00:00 GMT', undefined],
  ['Thu, 31 Dec 2026 00:00:00 GMT', undefined],
  ['Fri, 01 Jan 2088 00:00:00 GMT', 86_400_000],
  ['2027-01-01T00:02:00Z', undefined],
  ['soon', undefined],
  ['', undefined],
  [undefined, undefined],
])('Retry-After: %s is %s', (text, ms) => {
  expect(parseRetryAfter(text, now)).toBe(ms)
})

test.each([
  ['application/json', true],
  ['Application/JSON; charset=utf-8', true],
  ['application/problem+json', true],
  ['application/jsonx', false],
  ['text/json', false],
  ['text/plain; a=application/json', false],
  [undefined, false],
])('%s is JSON: %s', (type, is) => {
  expect(isJson(type)).toBe(is)
})

test('what a status says of the target, and what of the task', () => {
  const ofTarget = (code: number): unknown =>
    (verdictOfStatus(code, undefined, now) as { isOfTarget?: boolean }).isOfTarget
  for (const code of [301, 401, 403, 404, 408, 429, 500, 502, 503, 504]) expect(ofTarget(code), String(code)).toBe(true)
  for (const code of [400, 409, 412, 413, 415, 418, 422]) expect(ofTarget(code), String(code)).toBe(false)
  expect(verdictOfStatus(503, '60', now)).toMatchObject({ isWait: true, retryAfterMs: 60_000 })
  expect(verdictOfStatus(400, '60', now)).toMatchObject({ isWait: false, retryAfterMs: 60_000 })
  expect(verdictOfStatus(410, '60', now)).toMatchObject({ kind: 'gone' })
})

/** Errors over the wire and back. */

import { expect, test } from 'vitest'
import { errorCatalogue, HourwheelError, refuse, type ErrorCode } from '../../src/model/errors.ts'
import { errorOf, problemOf, retryAfterSeconds } from '../../src/protocol/problems.ts'

const codes = Object.keys(errorCatalogue) as ErrorCode[]

test('every error is the same after the way over the wire', () => {
  for (const code of codes) {
    const error = new HourwheelError(code, 'why', { index: 3, details: { field: 'at' }, retryAfterMs: 250 })
    const problem = problemOf(error)
    const back = errorOf(problem.status, JSON.parse(JSON.stringify(problem)))
    expect({ ...back, message: back.message }).toEqual({ ...error, message: error.message })
    expect(problem.status).toBeGreaterThanOrEqual(400)
  }
})

test('overload and unavailability always say when to come again, in whole seconds of at least one', () => {
  expect(retryAfterSeconds(problemOf(refuse('HW_OVERLOADED', 'x', { retryAfterMs: 250 })))).toBe(1)
  expect(retryAfterSeconds(problemOf(refuse('HW_CLOSED', 'x')))).toBe(1)
  expect(retryAfterSeconds(problemOf(refuse('HW_DISK_FULL', 'x', { retryAfterMs: 1_001 })))).toBe(2)
  expect(retryAfterSeconds(problemOf(refuse('HW_INVALID_TIME', 'x')))).toBeUndefined()
})

test.each([
  [502, '<html>', 'HW_OUTCOME_UNKNOWN', 'unknown'],
  [503, undefined, 'HW_OVERLOADED', 'not done'],
  [404, { code: 'SOMETHING' }, 'HW_NOT_FOUND', 'not done'],
  [400, null, 'HW_INVALID_REQUEST', 'not done'],
])('an answer %i that is none of hourwheel becomes an error by its status', (status, body, code, outcome) => {
  expect(errorOf(status, body)).toMatchObject({ code, outcome })
})

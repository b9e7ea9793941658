/** What a call refuses with: code and message, for table tests. */

import { HourwheelError } from '../../src/model/errors.ts'

export function refusalOf(call: () => unknown): HourwheelError {
  let value: unknown
  try {
    value = call()
  } catch (error) {
    if (error instanceof HourwheelError) return error
    throw error
  }
  throw new Error(`expected a refusal, got ${String(value)}`)
}

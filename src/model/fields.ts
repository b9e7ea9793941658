/**
 * Options objects: plain, and without fields that nobody reads. A misspelt option that is ignored in silence is a
 * timer that fires with the wrong settings in 30 days, so every one is refused.
 */

import { refuse, shown } from './errors.ts'
import type { ErrorCode } from './errors.ts'

/** An object literal, of this realm or another, or an object without prototype. */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return isPlainPrototype(Object.getPrototypeOf(value))
}

/** Null, or the Object.prototype of this realm or another one (a vm context, a test runner's sandbox). */
export function isPlainPrototype(prototype: unknown): boolean {
  return (
    prototype === null ||
    (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'isPrototypeOf'))
  )
}

/** Returns the options as a record, or refuses them. `what` is how the message calls them. */
export function checkFields(
  value: unknown,
  known: readonly string[],
  what: string,
  code: ErrorCode = 'HW_INVALID_OPTIONS',
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refuse(code, `${what} is ${shown(value)}; give an object with some of ${known.join(', ')}`)
  }
  const record = value as Readonly<Record<string, unknown>>
  for (const field of Object.keys(record)) {
    if (known.includes(field)) continue
    throw refuse('HW_UNKNOWN_FIELD', `${what} has no field ${shown(field)}; there are ${known.join(', ')}`, {
      details: { field },
    })
  }
  return record
}

/**
 * Options objects: plain, without fields that nobody reads, their numbers within bounds. A misspelt option that is ignored in silence is a
 * timer that fires with the wrong settings in 30 days, so every one is refused.
 */

import { refuse, shown } from './errors.ts'
import type { ErrorCode } from './errors.ts'

/** An object literal, of this realm or another, or an object without prototype. */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return isPlainPrototype(Object.getPrototypeOf(value))
}

/** Also an array, a Date and the like; not null. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
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

/** Without the fields that say nothing. */
export function defined<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T
}

export function wholeIn(value: unknown, min: number, max: number, name: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value
  throw refuse('HW_INVALID_OPTIONS', `${name} must be a whole number from ${min} to ${max}, not ${String(value)}`)
}

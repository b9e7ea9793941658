/**
 * Instants as callers give them -> whole UTC epoch milliseconds. Accepted: epoch milliseconds, a Date, ISO 8601 text with a
 * zone, anything with `epochMilliseconds` (Temporal.Instant, Temporal.ZonedDateTime).
 *
 * Nothing is guessed and nothing clamped: what does not name one instant of the span exactly is refused, and the message says
 * what to write instead. The one rounding is up, of fractions of a millisecond, so that no task fires early. No `Date` is
 * parsed or made here: Date.parse takes 30 February for 2 March and text without a zone for local time.
 */

import { refuse, shown } from './errors.ts'
import type { ErrorCode, HourwheelError } from './errors.ts'
import { dayMs, hourMs, instantMsLimit, instantMsMin, minuteMs, secondMs } from './units.ts'

const isoPattern = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:Z|([+-])(\d\d):(\d\d))$/
const range = 'instants go from 2001-09-09T01:46:40Z to before 2089-08-14T16:00:00Z'
const example = 'write it like 2027-01-01T09:00:00Z or 2027-01-01T09:00+01:00'

const forms = 'give a Date, epoch milliseconds, ISO text with a zone or a Temporal.Instant'
const seconds = 'HW_TIME_LOOKS_LIKE_SECONDS'

/** `what` is how messages call the value. */
export function parseInstant(value: unknown, what = 'at'): number {
  if (typeof value === 'number') return fromNumber(value, what)
  if (typeof value === 'string') return fromText(value, what)
  if (typeof value === 'object' && value !== null) return fromObject(value, what)
  throw refused(what, shown(value), `is no instant; ${forms}`)
}

function fromNumber(ms: number, what: string): number {
  if (!Number.isFinite(ms)) throw refused(what, shown(ms), `is no instant; ${forms}`)
  if (areSeconds(ms))
    throw refused(what, shown(ms), 'looks like seconds; give milliseconds: multiply it by 1000', seconds)
  if (!Number.isInteger(ms)) {
    throw refused(what, shown(ms), 'is not a whole number of milliseconds; round it up, so that it is not early')
  }
  const unit = ms >= instantMsMin * 1e6 ? 'nano' : ms >= instantMsMin * 1e3 ? 'micro' : ''
  const given = unit === '' ? shown : (): string => `${ms}, which looks like ${unit}seconds,`
  return inRange(ms, what, given)
}

function fromObject(value: object, what: string): number {
  const epochMs: unknown = (value as { epochMilliseconds?: unknown }).epochMilliseconds
  if (epochMs !== undefined) return fromTemporal(value, epochMs, what)
  const ms = dateMs(value)
  if (ms === undefined) throw refused(what, shown(value), `is no instant; ${forms}`)
  if (Number.isNaN(ms)) throw refused(what, 'an invalid Date', 'names no instant; check what it was made from')
  if (areSeconds(ms)) {
    throw refused(what, `a Date of ${ms} ms`, 'looks like it was made from seconds; multiply them by 1000', seconds)
  }
  return inRange(ms, what, () => `a Date of ${ms} ms`)
}

/** Undefined when it is no Date. Works for a Date of another realm, and not for an object that only inherits from Date. */
function dateMs(value: object): number | undefined {
  try {
    return Date.prototype.getTime.call(value)
  } catch {
    return undefined
  }
}

function fromTemporal(value: object, epochMs: unknown, what: string): number {
  if (typeof epochMs !== 'number' || !Number.isInteger(epochMs)) {
    throw refused(what, shown(value), 'has an epochMilliseconds that is no whole number; give a Temporal.Instant')
  }
  // epochMilliseconds is rounded down; a fraction below it would make the task fire early.
  const epochNs: unknown = (value as { epochNanoseconds?: unknown }).epochNanoseconds
  const ms = typeof epochNs === 'bigint' && epochNs > BigInt(epochMs) * 1_000_000n ? epochMs + 1 : epochMs
  return inRange(ms, what, () => `an instant of ${ms} ms`)
}

/** Whether it would be an instant if it were seconds. */
function areSeconds(ms: number): boolean {
  return ms * secondMs >= instantMsMin && ms * secondMs < instantMsLimit
}

/** The same for an instant that was computed, such as now plus a delay. */
export function checkInstantRange(ms: number, what: string): number {
  return inRange(ms, what, shown)
}

function inRange(ms: number, what: string, given: (ms: number) => string): number {
  if (ms >= instantMsMin && ms < instantMsLimit) return ms
  throw refused(what, given(ms), `is out of range: ${range}`, 'HW_TIME_OUT_OF_RANGE')
}

function fromText(text: string, what: string): number {
  const refusal = (why: string): HourwheelError => refused(what, shown(text), why)
  const match = isoPattern.exec(text)
  if (match === null) throw refusal(whyNotIso(text))
  const year = Number(match[1])
  const month = Number(match[2])
  const day = Number(match[3])
  const hour = Number(match[4])
  const minute = Number(match[5])
  const second = Number(match[6] ?? 0)
  if (month < 1 || month > 12) throw refusal(`has a month ${match[2]}; months go from 01 to 12`)
  if (day < 1 || day > daysOf(year, month)) {
    throw refusal(`names a day that does not exist; that month has ${daysOf(year, month)} days`)
  }
  if (hour > 23) throw refusal(`has an hour ${match[4]}; hours go from 00 to 23: for 24:00 write 00:00 of the next day`)
  if (minute > 59) throw refusal(`has a minute ${match[5]}; minutes go from 00 to 59`)
  if (second > 59) {
    throw refusal(`has a second ${match[6]}; epoch time has no leap seconds: write 59, or 00 of the next minute`)
  }
  let offsetMs = 0
  if (match[8] !== undefined) {
    const offsetHour = Number(match[9])
    const offsetMinute = Number(match[10])
    if (offsetHour > 23 || offsetMinute > 59) throw refusal(`has an offset that does not exist; ${example}`)
    offsetMs = (match[8] === '-' ? -1 : 1) * (offsetHour * hourMs + offsetMinute * minuteMs)
  }
  const fractionMs = match[7] === undefined ? 0 : Math.ceil(Number(match[7].padEnd(9, '0')) / 1_000_000)
  const ofDayMs = hour * hourMs + minute * minuteMs + second * secondMs + fractionMs
  return inRange(daysFromEpoch(year, month, day) * dayMs + ofDayMs - offsetMs, what, () => shown(text))
}

/** Why a text has not the one accepted form: the usual reasons by name. */
function whyNotIso(text: string): string {
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return `is a date without time and zone; write ${text}T00:00Z for UTC`
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?$/.test(text)) {
    return `has no zone; write ${text}Z for UTC, or an offset as in ${text}+01:00`
  }
  if (/^[+-]?\d+(\.\d+)?$/.test(text)) return 'is a number as text; give epoch milliseconds as a number'
  if (/T.*[+-]\d\d(\d\d)?$/.test(text)) return `has no offset of the form +hh:mm; ${example}`
  if (text.endsWith(']')) return 'has a zone name; convert it first, as with .toInstant(), or write its offset only'
  if (/\.\d{10,}/.test(text)) return 'is finer than nanoseconds; give at most 9 digits of a second'
  return `is not ISO 8601 text with a zone; ${example}`
}

function daysOf(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

/**
 * Days since 1970-01-01 of a day of the Gregorian calendar. Years start in March here, so that leap days come last: H. Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
 */
function daysFromEpoch(year: number, month: number, day: number): number {
  const marchYear = month <= 2 ? year - 1 : year
  const marchMonth = month <= 2 ? month + 9 : month - 3
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400)
  return marchYear * 365 + leapDays + Math.floor((153 * marchMonth + 2) / 5) + day - 1 - 719_468
}

function refused(what: string, given: string, why: string, code: ErrorCode = 'HW_INVALID_TIME'): HourwheelError {
  return refuse(code, `${what}: ${given} ${why}`, { details: { field: what } })
}

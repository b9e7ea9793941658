/**
 * Durations as callers give them -> whole milliseconds. Accepted: whole milliseconds; text such as '500ms', '90s', '15m',
 * '2h', '30d', '1w', combined from large to small as in '1h30m'; ISO 8601 such as 'PT15M', 'P3D', 'PT1.5S'. The smallest
 * unit of a text may have a fraction when the result is whole milliseconds.
 *
 * A day is 24 hours and a week 7 days. Months and years are refused, because how long they are depends on the date.
 */

import { refuse, shown } from './errors.ts'
import type { HourwheelError } from './errors.ts'
import { dayMs, hourMs, instantMsLimit, minuteMs, secondMs, weekMs } from './units.ts'

/** Whole milliseconds, or text such as '90s', '1h30m', '30d', 'PT15M'. */
export type Duration = number | string

const example = "give whole milliseconds or text such as '90s', '1h30m', '30d' or 'PT15M'"

interface Unit {
  readonly name: string
  readonly ms: number
}
const shortUnits: readonly Unit[] = [
  { name: 'w', ms: weekMs },
  { name: 'd', ms: dayMs },
  { name: 'h', ms: hourMs },
  { name: 'm', ms: minuteMs },
  { name: 's', ms: secondMs },
  { name: 'ms', ms: 1 },
]
const isoDateUnits: readonly Unit[] = [
  { name: 'W', ms: weekMs },
  { name: 'D', ms: dayMs },
]
const isoTimeUnits: readonly Unit[] = [
  { name: 'H', ms: hourMs },
  { name: 'M', ms: minuteMs },
  { name: 'S', ms: secondMs },
]

/** `what` is how messages call the value. */
export function parseDuration(value: unknown, what: string): number {
  if (typeof value === 'string') return fromText(value, what)
  if (typeof value !== 'number') throw refused(what, value, `is no duration; ${example}`)
  if (!Number.isFinite(value)) throw refused(what, value, `is no duration; ${example}`)
  if (value < 0) throw refused(what, value, 'is negative; a duration is 0 or more')
  if (!Number.isInteger(value)) throw refused(what, value, 'is not a whole number of milliseconds; round it')
  return inRange(value, what, value)
}

/** The same, within limits. */
export function parseDurationWithin(value: unknown, what: string, msMin: number, msMax: number): number {
  const ms = parseDuration(value, what)
  if (ms < msMin || ms > msMax) {
    throw refused(what, value, `is ${ms} ms; give ${msMin} to ${msMax} ms`)
  }
  return ms
}

function fromText(text: string, what: string): number {
  const ms = text.startsWith('P') ? isoMs(text, what) : partsMs(text, shortUnits, text, what)
  if (ms === undefined) throw refused(what, text, whyNone(text))
  return inRange(ms, what, text)
}

function isoMs(text: string, what: string): number | undefined {
  const split = text.indexOf('T')
  const date = split < 0 ? text.slice(1) : text.slice(1, split)
  if (split < 0) return partsMs(date, isoDateUnits, text, what)
  const timeMs = partsMs(text.slice(split + 1), isoTimeUnits, text, what)
  if (date === '') return timeMs
  // Only the smallest unit may have a fraction, and the time part is smaller.
  const ofDateMs = date.includes('.') ? undefined : partsMs(date, isoDateUnits, text, what)
  return ofDateMs === undefined || timeMs === undefined ? undefined : ofDateMs + timeMs
}

/** The sum of '<number><unit>' parts, each unit at most once and in the order of `units`; undefined when it has not that form. */
function partsMs(parts: string, units: readonly Unit[], text: string, what: string): number | undefined {
  const part = /(\d{1,15})(?:\.(\d{1,9}))?([A-Za-z]+)/y
  let totalMs = 0
  let unitNext = 0
  let fractionSeen = false
  while (part.lastIndex < parts.length || unitNext === 0) {
    const match = part.exec(parts)
    if (match === null || fractionSeen) return undefined
    const at = units.findIndex((unit) => unit.name === match[3])
    if (at < unitNext) return undefined
    const unitMs = units[at]!.ms
    unitNext = at + 1
    totalMs += Number(match[1]) * unitMs
    if (match[2] === undefined) continue
    fractionSeen = true
    totalMs += fractionMs(match[2], unitMs, text, what)
  }
  return totalMs
}

/** Exact where floating point is not: 1.1 h is 3,960,000 ms, not 3,960,000.0000000005. */
function fractionMs(digits: string, unitMs: number, text: string, what: string): number {
  const scaled = BigInt(digits) * BigInt(unitMs)
  const scale = 10n ** BigInt(digits.length)
  if (scaled % scale !== 0n) throw refused(what, text, 'is not a whole number of milliseconds; round it')
  return Number(scaled / scale)
}

function inRange(ms: number, what: string, given: Duration): number {
  if (ms < instantMsLimit) return ms
  throw refused(what, given, 'is longer than the whole span of instants; give less than 43,690 days')
}

/** Why a text has neither form: the usual reasons by name. */
function whyNone(text: string): string {
  if (text === '') return `is empty; ${example}`
  if (/^[-−]|^P-/.test(text)) return 'is negative; a duration is 0 or more'
  if (/^P(?!T)[^T]*\d[YM]/.test(text) || /\d\s*(y|yr|years?|mo|mon|months?|M)$/.test(text)) {
    return 'counts months or years, which differ in length; compute the date and give `at`, or write days'
  }
  if (/^\d+(\.\d+)?$/.test(text)) return `has no unit; write ${text}ms or ${text}s, or give a number of milliseconds`
  if (/\s/.test(text)) return "has spaces; write it without, as in '1h30m'"
  return "is no duration; units are ms, s, m (minutes), h, d, w, each once, large to small, as in '1h30m'; or ISO 8601 as PT15M"
}

function refused(what: string, given: unknown, why: string): HourwheelError {
  return refuse('HW_INVALID_DURATION', `${what}: ${shown(given)} ${why}`, { details: { field: what } })
}

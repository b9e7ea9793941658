/**
 * Times as people write them, for the command line only: "tomorrow 9am", "in 30 days", "2027-01-01 09:00", ISO text, epoch
 * milliseconds. Local times are those of the zone of this process (TZ).
 *
 * Nothing is guessed: a text is refused when only a part of it is understood, when it leaves the time of day open, when
 * it may be read in two ways (03/04, "next friday", 9 without am or pm, an hour that a clock change repeats), or names an
 * hour that a clock change skips. What was understood is shown with its zone.
 */

import type { ParsedResult } from 'chrono-node'
import { refuse, shown, type HourwheelError } from '../model/errors.ts'
import { parseDuration } from '../model/durations.ts'
import { checkInstantRange, parseInstant } from '../model/instants.ts'
import { dayMs, hourMs, minuteMs } from '../model/units.ts'

const example = "write it like 'tomorrow 9am', 'in 30 days', 'friday 17:30', '2027-01-01 09:00' or 2027-01-01T09:00:00Z"

/** Words that chrono takes for a certain time and people do not. */
const vague: readonly (readonly [RegExp, string])[] = [
  [/\b(few|couple|several|some|about|around|approximately)\b/i, 'is not exact; give a number'],
  [/\b(morning|afternoon|evening|tonight|night)\b/i, "names no exact time of day; write an hour, such as '9am'"],
  [/\bmidnight\b/i, "may be the beginning of that day or its end; write '00:00' with the day"],
  [/\bnext\s+(mon|tue|wed|thu|fri|sat|sun)/i, 'may be this week or the week after; write the date, or the day alone'],
  [/\bnext\s+(week|month|year)\b/i, "names no exact day; write 'in 7 days' or a date"],
  [/\blast\s+(mon|tue|wed|thu|fri|sat|sun)/i, 'may be one of two days; write the date'],
  [/\b\d{1,2}[/.]\d{1,2}[/.](\d{4}|\d\d)\b/, 'may be day and month or month and day; write it like 2027-03-04'],
  [/\b\d{1,2}\/\d{1,2}\b/, 'may be day and month or month and day; write it like 2027-03-04'],
]

/** Zones by name that are the same everywhere; others, such as CST, mean several. */
const zoneAtEnd = /(?:\b(?:UTC|GMT)(?:[+-]\d{1,2}(?::?\d\d)?)?|Z|[+-]\d\d:?\d\d)$/i

/** Epoch milliseconds. `what` is how messages call it, such as --at. */
export async function parseHumanTime(text: string, what: string, nowMs: number = Date.now()): Promise<number> {
  const trimmed = text.trim()
  if (/^-?\d+(\.\d+)?$/.test(trimmed)) return parseInstant(Number(trimmed), what)
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d.*([Zz]|[+-]\d\d.*)$/.test(trimmed)) return parseInstant(trimmed, what)
  if (/^now$/i.test(trimmed)) return nowMs
  const inTime = /^in\s+(.+)$/i.exec(trimmed)
  const delayMs = inTime === null ? undefined : wordsMs(inTime[1]!)
  if (delayMs !== undefined) return checkInstantRange(nowMs + delayMs, what)
  const refusal = (why: string): HourwheelError =>
    refuse('HW_INVALID_TIME', `${what}: ${shown(text)} ${why}`, { details: { field: what } })
  const chrono = await import('chrono-node')
  const results = chrono.parse(trimmed, { instant: new Date(nowMs) }, { forwardDate: true })
  for (const [pattern, why] of vague) if (pattern.test(trimmed)) throw refusal(why)
  const [found, ...others] = results
  if (found === undefined) throw refusal(`is no time; ${example}`)
  if (others.length > 0) throw refusal(`names more than one time: ${results.map((each) => each.text).join(' and ')}`)
  if (found.text.trim().length !== trimmed.length) {
    throw refusal(`was understood only in part (${shown(found.text)}); ${example}`)
  }
  // Null where there is none, whatever its types say.
  if (found.end) throw refusal('is a span of time; give one instant')
  const ms = instantOf(found, trimmed, refusal)
  return checkInstantRange(ms, what)
}

function instantOf(found: ParsedResult, text: string, refusal: (why: string) => HourwheelError): number {
  const { start } = found
  const isRelative = start.tags().has('result/relativeDate')
  if (isRelative && !start.isCertain('hour') && !/\b(in|from now|ago|later)\b/i.test(text)) {
    throw refusal("names no time of day; add one, as in 'in 7 days' or 'monday 9am'")
  }
  if (!isRelative && !start.isCertain('hour')) throw refusal(`names a day, but no time of day: write '${text} 9am'`)
  // A clock of 24 hours has minutes: 9 alone may be evening.
  const hasTwelve = start.isCertain('meridiem') || /\d[:h]\d\d|\bnoon\b/i.test(text)
  if (start.isCertain('hour') && !hasTwelve) throw refusal("has an hour without am or pm; write '9am' or '09:00'")
  const date = start.date()
  if (start.isCertain('timezoneOffset') && !start.tags().has('result/relativeDateAndTime')) {
    if (!zoneAtEnd.test(text)) throw refusal('has a zone that may mean several; write its offset, as in +01:00, or UTC')
    return date.getTime()
  }
  if (start.isCertain('hour')) assertOnce(date, start.get('hour')!, refusal)
  return date.getTime()
}

/** Local times that a change of the clocks skips or repeats name no one instant. */
function assertOnce(date: Date, hour: number, refusal: (why: string) => HourwheelError): void {
  if (date.getHours() !== hour) {
    throw refusal('does not exist: the clocks go forward over it; choose another hour, or give an offset')
  }
  for (const shiftMs of [-hourMs, hourMs]) {
    const other = new Date(date.getTime() + shiftMs)
    if (other.getHours() === hour && other.getMinutes() === date.getMinutes()) {
      throw refusal('happens twice, since the clocks go back; give its offset, as in 2027-10-31T02:30+02:00')
    }
  }
}

/** The engine's own form ('90s', '1h30m', 'PT15M'), or words: '30 days', '2 hours 30 minutes'. A day is 24 hours. */
export function parseHumanDelay(text: string, what: string): number {
  return wordsMs(text) ?? parseDuration(text.trim(), what)
}

const unitNames: Readonly<Record<string, string>> = {
  w: 'w',
  week: 'w',
  d: 'd',
  day: 'd',
  h: 'h',
  hr: 'h',
  hour: 'h',
  m: 'm',
  min: 'm',
  minute: 'm',
  s: 's',
  sec: 's',
  second: 's',
  ms: 'ms',
  millisecond: 'ms',
}

/** Undefined when it is not made of numbers and units alone. */
function wordsMs(text: string): number | undefined {
  let short = ''
  let rest = text.trim()
  while (rest !== '') {
    const part = /^(\d+(?:\.\d+)?|an?)\s*([a-z]+?)s?(?:\b\s*(?:,|and\b)?\s*|(?=\d))/i.exec(rest)
    const unit = part === null ? undefined : (unitNames[part[2]!.toLowerCase()] ?? unitNames[`${part[2]!}s`])
    if (part === null || unit === undefined) return undefined
    short += `${/^an?$/i.test(part[1]!) ? 1 : part[1]!}${unit}`
    rest = rest.slice(part[0].length)
  }
  try {
    return parseDuration(short, 'delay')
  } catch {
    return undefined
  }
}

/** As a person reads it: local time with offset and zone, as in '2027-01-01 09:00:00 +01:00 (Europe/Berlin)'. */
export function showInstant(ms: number): string {
  const date = new Date(ms)
  const offsetMinutes = -date.getTimezoneOffset()
  const local = new Date(ms + offsetMinutes * minuteMs)
    .toISOString()
    .replace('T', ' ')
    .replace('Z', '')
    .replace('.000', '')
  if (offsetMinutes === 0) return `${local} UTC`
  const sign = offsetMinutes < 0 ? '-' : '+'
  const pad = (count: number): string => String(Math.floor(count)).padStart(2, '0')
  const size = Math.abs(offsetMinutes)
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone
  return `${local} ${sign}${pad(size / 60)}:${pad(size % 60)} (${zone})`
}

/** 'in 13 h 20 min', '5 s ago', 'now'. */
export function showDistance(ms: number, nowMs: number = Date.now()): string {
  const distance = ms - nowMs
  if (Math.abs(distance) < 1_000) return 'now'
  return distance > 0 ? `in ${showDuration(distance)}` : `${showDuration(-distance)} ago`
}

/** The two largest units, cut. */
export function showDuration(ms: number): string {
  const units: readonly (readonly [string, number])[] = [
    ['d', dayMs],
    ['h', hourMs],
    ['min', minuteMs],
    ['s', 1_000],
  ]
  if (ms < 1_000) return `${Math.round(ms)} ms`
  const first = units.findIndex(([, size]) => ms >= size)
  const [name, size] = units[first]!
  const count = Math.floor(ms / size)
  const next = units[first + 1]
  const below = next === undefined ? 0 : Math.floor((ms - count * size) / next[1])
  return below === 0 ? `${count} ${name}` : `${count} ${name} ${below} ${next![0]}`
}

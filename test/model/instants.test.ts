import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkInstantRange, parseInstant } from '../../src/model/instants.ts'
import { instantMsLimit, instantMsMin } from '../../src/model/units.ts'
import { refusalOf } from './refusal.ts'

const nineMs = Date.UTC(2027, 0, 1, 9)
const instants = fc.integer({ min: instantMsMin, max: instantMsLimit - 1 })

test('every form names the same instant', () => {
  const forms: unknown[] = [
    nineMs,
    new Date(nineMs),
    runInNewContext(`new Date(${nineMs})`),
    { epochMilliseconds: nineMs },
    { epochMilliseconds: nineMs, epochNanoseconds: BigInt(nineMs) * 1_000_000n },
    '2027-01-01T09:00Z',
    '2027-01-01T09:00:00Z',
    '2027-01-01T09:00:00.0Z',
    '2027-01-01T09:00:00.000000000Z',
    '2027-01-01T10:00+01:00',
    '2027-01-01T02:30-06:30',
    '2027-01-01T09:00-00:00',
    '2027-01-02T08:59+23:59',
    '2026-12-31T09:01-23:59',
  ]
  for (const form of forms) expect(parseInstant(form), String(form)).toBe(nineMs)
})

test('fractions of a millisecond are rounded up, never down', () => {
  const table: [string, number][] = [
    ['09:00:00.001', 1],
    ['09:00:00.0001', 1],
    ['09:00:00.000000001', 1],
    ['09:00:00.1', 100],
    ['09:00:00.123', 123],
    ['09:00:00.123000000', 123],
    ['09:00:00.123000001', 124],
    ['09:00:59.999999999', 60_000],
  ]
  for (const [time, ms] of table) expect(parseInstant(`2027-01-01T${time}Z`), time).toBe(nineMs + ms)
  expect(parseInstant('2026-12-31T23:59:59.9999Z')).toBe(Date.UTC(2027, 0, 1))
  expect(parseInstant({ epochMilliseconds: nineMs, epochNanoseconds: BigInt(nineMs) * 1_000_000n + 1n })).toBe(
    nineMs + 1,
  )
})

test('calendar: leap days are where they belong', () => {
  for (const text of ['2004-02-29T00:00Z', '2028-02-29T12:00Z', '2088-02-29T00:00Z', '2027-12-31T00:00Z']) {
    expect(parseInstant(text)).toBe(Date.parse(text))
  }
})

test('text of any instant with any offset comes back', () => {
  fc.assert(
    fc.property(instants, fc.integer({ min: -1439, max: 1439 }), fc.boolean(), (ms, offsetMinutes, zulu) => {
      const local = new Date(ms + (zulu ? 0 : offsetMinutes * 60_000)).toISOString().slice(0, -1)
      const minutes = Math.abs(offsetMinutes)
      const two = (n: number): string => String(n).padStart(2, '0')
      const offset = `${offsetMinutes < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
      expect(parseInstant(local + (zulu ? 'Z' : offset))).toBe(ms)
    }),
  )
})

test('text that looks like a date is an instant only if it round-trips', () => {
  const two = (max: number): fc.Arbitrary<string> => fc.nat({ max }).map((n) => String(n).padStart(2, '0'))
  const year = fc.integer({ min: 2002, max: 2088 })
  fc.assert(
    fc.property(year, two(13), two(32), two(25), two(61), two(61), (y, month, day, h, m, s) => {
      const text = `${y}-${month}-${day}T${h}:${m}:${s}Z`
      const parsed = Date.parse(text)
      const roundTrips = !Number.isNaN(parsed) && new Date(parsed).toISOString() === `${text.slice(0, -1)}.000Z`
      if (roundTrips) expect(parseInstant(text)).toBe(parsed)
      else expect(refusalOf(() => parseInstant(text)).code).toBe('HW_INVALID_TIME')
    }),
    { numRuns: 500 },
  )
})

test('whole numbers of the span are themselves, and nothing outside it is', () => {
  fc.assert(fc.property(instants, (ms) => parseInstant(ms) === ms && parseInstant(new Date(ms)) === ms))
  for (const ms of [instantMsMin, instantMsLimit - 1]) expect(parseInstant(ms)).toBe(ms)
  for (const ms of [-1, 0, 1, 999_999_999, instantMsMin - 1, instantMsLimit, 8.64e15, 2 ** 53, -nineMs, 1e300]) {
    expect(refusalOf(() => parseInstant(ms)).code, String(ms)).toBe('HW_TIME_OUT_OF_RANGE')
    expect(() => checkInstantRange(ms, 'now + delay')).toThrow(/^now \+ delay: .*out of range/)
  }
})

test('seconds taken for milliseconds are recognised', () => {
  const seconds: unknown[] = [1_000_000_000, nineMs / 1000, nineMs / 1000 + 0.5, 3_774_873_599, new Date(nineMs / 1000)]
  for (const value of seconds) {
    const error = refusalOf(() => parseInstant(value))
    expect(error.code).toBe('HW_TIME_LOOKS_LIKE_SECONDS')
    expect(error.message).toMatch(/by 1000$/)
  }
  expect(refusalOf(() => parseInstant(nineMs * 1000)).message).toContain('looks like microseconds')
  expect(refusalOf(() => parseInstant(nineMs * 1e6)).message).toContain('looks like nanoseconds')
})

test('every refusal says what was wrong and what to write instead', () => {
  const table: [unknown, RegExp][] = [
    [NaN, /NaN is no instant; give/],
    [Infinity, /Infinity is no instant; give/],
    [nineMs + 0.5, /whole number of milliseconds; round it up/],
    [BigInt(nineMs), /n is no instant; give/],
    [undefined, /undefined is no instant; give/],
    [null, /null is no instant; give/],
    [true, /true is no instant; give/],
    [{}, /an object is no instant; give/],
    [[nineMs], /an array is no instant; give/],
    [Object.create(Date.prototype), /an object is no instant/],
    [new Date(NaN), /an invalid Date names no instant; check/],
    [{ epochMilliseconds: '5' }, /epochMilliseconds that is no whole number; give/],
    [{ epochMilliseconds: NaN }, /epochMilliseconds that is no whole number; give/],
    ['', /"" is not ISO 8601 text with a zone; write/],
    ['tomorrow', /is not ISO 8601 text with a zone; write/],
    ['2027-01-01', /date without time and zone; write 2027-01-01T00:00Z/],
    ['2027-01-01T09:00', /has no zone; write 2027-01-01T09:00Z for UTC/],
    ['2027-01-01T09:00:00.5', /has no zone; write/],
    ['1798794000000', /number as text; give/],
    ['2027-01-01T09:00+0100', /no offset of the form \+hh:mm; write/],
    ['2027-01-01T09:00+01', /no offset of the form \+hh:mm; write/],
    ['2027-01-01T09:00+24:00', /offset that does not exist; write/],
    ['2027-01-01T09:00+01:60', /offset that does not exist; write/],
    ['2027-01-01T09:00+01:00[Europe/Berlin]', /zone name; convert/],
    ['2027-01-01T09:00:00.1234567891Z', /finer than nanoseconds; give/],
    ['2027-01-01T09:00.5Z', /not ISO/],
    ['2027-01-01 09:00Z', /not ISO/],
    ['2027-01-01t09:00z', /not ISO/],
    ['2027-01-01T09:00Z ', /not ISO/],
    ['2027-01-01T09:00Z\n', /not ISO/],
    ['+002027-01-01T09:00Z', /not ISO/],
    ['2027-02-30T09:00Z', /day that does not exist; that month has 28 days/],
    ['2027-02-29T09:00Z', /day that does not exist/],
    ['2027-04-31T09:00Z', /that month has 30 days/],
    ['2027-01-00T09:00Z', /day that does not exist/],
    ['2027-13-01T09:00Z', /month 13; months go/],
    ['2027-00-01T09:00Z', /month 00; months go/],
    ['2027-01-01T24:00Z', /hour 24; .*write 00:00 of the next day/],
    ['2027-01-01T09:60Z', /minute 60; minutes go/],
    ['2016-12-31T23:59:60Z', /second 60; epoch time has no leap seconds: write/],
  ]
  for (const [value, message] of table) {
    const error = refusalOf(() => parseInstant(value, 'expiresAt'))
    expect(error.code, String(message)).toBe('HW_INVALID_TIME')
    expect(error.message).toMatch(message)
    expect(error.message).toMatch(/^expiresAt: /)
    expect(error.details).toEqual({ field: 'expiresAt' })
  }
})

test('text out of range is out of range, after its offset', () => {
  for (const text of [
    '1970-01-01T00:00Z',
    '2001-09-09T01:46:39Z',
    '2089-08-14T16:00Z',
    '0000-01-01T00:00Z',
    '9999-12-31T23:59Z',
  ]) {
    expect(refusalOf(() => parseInstant(text)).code, text).toBe('HW_TIME_OUT_OF_RANGE')
  }
  expect(refusalOf(() => parseInstant('2089-08-14T15:59:59.9999Z')).code).toBe('HW_TIME_OUT_OF_RANGE')
  expect(parseInstant('2089-08-14T16:30+01:00')).toBe(instantMsLimit - 30 * 60_000)
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseDuration, parseDurationWithin } from '../../src/model/durations.ts'
import { dayMs, hourMs, instantMsLimit, minuteMs, weekMs } from '../../src/model/units.ts'
import { refusalOf } from './refusal.ts'

test('durations', () => {
  const table: [number | string, number][] = [
    [0, 0],
    [-0, 0],
    [1500, 1500],
    ['0s', 0],
    ['500ms', 500],
    ['90s', 90_000],
    ['15m', 15 * minuteMs],
    ['2h', 2 * hourMs],
    ['30d', 30 * dayMs],
    ['1w', weekMs],
    ['1h30m', 1.5 * hourMs],
    ['1w2d3h4m5s6ms', weekMs + 2 * dayMs + 3 * hourMs + 4 * minuteMs + 5_006],
    ['1.5h', 1.5 * hourMs],
    ['1.1h', 3_960_000],
    ['0.001s', 1],
    ['1m0.5s', 60_500],
    ['1.0ms', 1],
    ['0.000000000w', 0],
    ['007s', 7_000],
    ['PT15M', 15 * minuteMs],
    ['P3D', 3 * dayMs],
    ['P1W', weekMs],
    ['PT1.5S', 1_500],
    ['P1DT12H', 1.5 * dayMs],
    ['P1W1DT1H1M1.001S', weekMs + dayMs + hourMs + minuteMs + 1_001],
    ['P0D', 0],
    ['P0.5D', 12 * hourMs],
    ['PT36H', 36 * hourMs],
  ]
  for (const [value, ms] of table) expect(parseDuration(value, 'delay') + 0, String(value)).toBe(ms)
})

test('every refusal says what was wrong and what to write instead', () => {
  const table: [unknown, RegExp][] = [
    [NaN, /NaN is no duration; give/],
    [Infinity, /Infinity is no duration; give/],
    [-1, /-1 is negative; a duration is 0 or more/],
    [0.5, /not a whole number of milliseconds; round/],
    [10n, /10n is no duration; give/],
    [null, /null is no duration; give/],
    [undefined, /undefined is no duration; give/],
    [{ seconds: 5 }, /an object is no duration; give/],
    ['', /is empty; give/],
    ['5', /has no unit; write 5ms or 5s/],
    ['-5s', /is negative/],
    ['-PT5S', /is negative/],
    ['PT-5S', /is no duration/],
    ['P-1D', /is negative/],
    ['30 s', /has spaces; write/],
    ['1h 30m', /has spaces; write/],
    ['1y', /months or years.*compute the date/],
    ['2mo', /months or years/],
    ['1M', /months or years/],
    ['P1Y', /months or years/],
    ['P2M', /months or years/],
    ['P1Y2M3DT4H', /months or years/],
    ['5min', /units are/],
    ['5S', /units are/],
    ['s', /units are/],
    ['1.s', /units are/],
    ['.5s', /units are/],
    ['1e3ms', /units are/],
    ['1,5h', /units are/],
    ['30m1h', /large to small/],
    ['1h1h', /each once/],
    ['1.5h30m', /units are/],
    ['0x10ms', /units are/],
    ['1sms', /units are/],
    ['1s\n', /has spaces/],
    ['P', /units are/],
    ['PT', /units are/],
    ['P1DT', /units are/],
    ['P1H', /units are/],
    ['PT1D', /units are/],
    ['P1.5DT1H', /units are/],
    ['pt15m', /units are/],
    ['1.0001s', /not a whole number of milliseconds; round/],
    ['0.5ms', /not a whole number of milliseconds; round/],
    ['PT0.0001S', /not a whole number of milliseconds; round/],
    [instantMsLimit, /longer than the whole span/],
    [1e300, /longer than the whole span/],
    ['43691d', /longer than the whole span/],
    ['999999999999999w', /longer than the whole span/],
    ['1234567890123456s', /units are/],
  ]
  for (const [value, message] of table) {
    const error = refusalOf(() => parseDuration(value, 'delay'))
    expect(error.code, String(value)).toBe('HW_INVALID_DURATION')
    expect(error.message, String(value)).toMatch(message)
    expect(error.message).toMatch(/^delay: /)
  }
})

test('a sum of parts is the sum of its parts, short and ISO', () => {
  const counts = fc.tuple(...[3, 400, 5_000, 9_999, 9_999].map((max) => fc.nat({ max })), fc.nat({ max: 999 }))
  fc.assert(
    fc.property(counts, ([w, d, h, m, s, ms]) => {
      const total = w * weekMs + d! * dayMs + h! * hourMs + m! * minuteMs + s! * 1_000 + ms!
      expect(parseDuration(`${w}w${d}d${h}h${m}m${s}s${ms}ms`, 'x')).toBe(total)
      expect(parseDuration(`P${w}W${d}DT${h}H${m}M${s}.${String(ms).padStart(3, '0')}S`, 'x')).toBe(total)
    }),
  )
})

test('no text makes anything but a whole duration or a refusal', () => {
  const letters = fc.constantFrom(...'0123456789.PTWDHMSwdhms- ')
  fc.assert(
    fc.property(fc.string({ unit: letters, maxLength: 12 }), (text) => {
      try {
        const ms = parseDuration(text, 'x')
        expect(Number.isSafeInteger(ms) && ms >= 0 && ms < instantMsLimit).toBe(true)
      } catch (error) {
        expect(error).toMatchObject({ code: 'HW_INVALID_DURATION' })
      }
    }),
    { numRuns: 1000 },
  )
})

test('limits are inclusive and named in the refusal', () => {
  expect(parseDurationWithin('1s', 'lease', 1_000, 2_000)).toBe(1_000)
  expect(parseDurationWithin(2_000, 'lease', 1_000, 2_000)).toBe(2_000)
  expect(() => parseDurationWithin('3s', 'lease', 1_000, 2_000)).toThrow('lease: "3s" is 3000 ms; give 1000 to 2000 ms')
})

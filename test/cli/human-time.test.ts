/** Times as people write them: what is understood, and what is refused rather than guessed. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseHumanDelay, parseHumanTime, showDistance, showInstant } from '../../src/cli/human-time.ts'
import { HourwheelError } from '../../src/model/errors.ts'
import { refusalOf } from '../model/refusal.ts'

const zoneBefore = process.env['TZ']
beforeAll(() => {
  process.env['TZ'] = 'Europe/Berlin'
})
afterAll(() => {
  if (zoneBefore === undefined) delete process.env['TZ']
  else process.env['TZ'] = zoneBefore
})

/** A Wednesday, 20:30 in Berlin. */
const now = Date.parse('2026-11-25T19:30:00Z')
const parse = (text: string): Promise<number> => parseHumanTime(text, '--at', now)
const refusal = async (text: string): Promise<HourwheelError> => {
  const error = await parse(text).then(String, (error: unknown) => error)
  if (error instanceof HourwheelError) return error
  throw new Error(`expected a refusal of ${text}, got ${String(error)}`)
}

describe('an instant', () => {
  it.each([
    ['tomorrow 9am', '2026-11-26T08:00:00Z'],
    ['tomorrow at 09:00', '2026-11-26T08:00:00Z'],
    ['tomorrow noon', '2026-11-26T11:00:00Z'],
    ['9pm', '2026-11-25T20:00:00Z'],
    // Has passed today.
    ['9:00', '2026-11-26T08:00:00Z'],
    ['friday 17:30', '2026-11-27T16:30:00Z'],
    ['wednesday 9am', '2026-12-02T08:00:00Z'],
    ['24 dec at 18:00', '2026-12-24T17:00:00Z'],
    ['1 jan 9am', '2027-01-01T08:00:00Z'],
    ['2027-01-01 09:00', '2027-01-01T08:00:00Z'],
    ['2027-07-01 09:00', '2027-07-01T07:00:00Z'],
    ['2027-01-01T09:00', '2027-01-01T08:00:00Z'],
    ['2027-01-01T09:00Z', '2027-01-01T09:00:00Z'],
    ['2027-01-01T09:00+02:00', '2027-01-01T07:00:00Z'],
    ['tomorrow 9am UTC', '2026-11-26T09:00:00Z'],
    ['tomorrow 9am GMT+2', '2026-11-26T07:00:00Z'],
    ['2027-10-31T02:30+02:00', '2027-10-31T00:30:00Z'],
    ['in 30 days', '2026-12-25T19:30:00Z'],
    ['in 2 months', '2027-01-25T19:30:00Z'],
    ['in 1h30m', '2026-11-25T21:00:00Z'],
    ['in an hour', '2026-11-25T20:30:00Z'],
    ['9am in 2 days', '2026-11-27T08:00:00Z'],
    ['now', '2026-11-25T19:30:00Z'],
    ['yesterday 9am', '2026-11-24T08:00:00Z'],
    ['1800000000000', '2027-01-15T08:00:00Z'],
  ])('%s is %s', async (text, iso) => {
    expect(new Date(await parse(text)).toISOString()).toBe(new Date(iso).toISOString())
  })

  it.each([
    ['gibberish', /is no time/],
    ['', /is no time/],
    ['sometime tomorrow 9am', /only in part/],
    ['tomorrow 25:00', /only in part/],
    ['tomorrow', /no time of day/],
    ['monday', /no time of day/],
    ['2027-01-01', /no time of day/],
    ['tomorrow morning', /no exact time of day/],
    ['tonight', /no exact time of day/],
    ['at 9', /am or pm/],
    ['tomorrow at 9', /am or pm/],
    ['midnight', /beginning of that day or its end/],
    ['next friday 9am', /this week or the week after/],
    ['last friday 9am', /one of two days/],
    ['next week 9am', /no exact day/],
    ['in a few days', /not exact/],
    ['03/04/2027 9am', /day and month or month and day/],
    ['31.12.2027 09:00', /day and month or month and day/],
    ['tomorrow 9am to 5pm', /a span of time/],
    ['tomorrow 9am or friday 8pm', /more than one time/],
    ['tomorrow 9am CST', /zone that may mean several/],
    ['28 mar 2027 02:30', /clocks go forward/],
    ['31 oct 2027 02:30', /happens twice/],
    ['2027-02-30 09:00', /is no time/],
    ['2027-02-30T09:00Z', /does not exist/],
  ])('%s is refused: %s', async (text, why) => {
    const { code, message } = await refusal(text)
    expect(code).toBe('HW_INVALID_TIME')
    expect(message).toMatch(why)
    expect(message).toContain('--at')
  })

  it('is never clamped, and seconds are not taken for milliseconds', async () => {
    expect((await refusal('2100-01-01 09:00')).code).toBe('HW_TIME_OUT_OF_RANGE')
    expect((await refusal('1800000000')).code).toBe('HW_TIME_LOOKS_LIKE_SECONDS')
  })
})

describe('a duration', () => {
  it.each([
    ['90s', 90_000],
    ['1h30m', 5_400_000],
    ['PT15M', 900_000],
    ['30 days', 2_592_000_000],
    ['2 hours 30 minutes', 9_000_000],
    ['1 day and 2 hours', 93_600_000],
    ['1.5 hours', 5_400_000],
    ['an hour', 3_600_000],
    ['5 min', 300_000],
  ])('%s is %d ms', (text, ms) => expect(parseHumanDelay(text, '--in')).toBe(ms))

  it.each(['5', '-5s', '1 month', 'tomorrow', '', '30m 2h', '2 hours late'])('%s is refused', (text) => {
    expect(refusalOf(() => parseHumanDelay(text, '--in')).code).toBe('HW_INVALID_DURATION')
  })
})

it('what was understood is shown with its zone and how far away it is', () => {
  const ms = Date.parse('2027-01-01T08:00:00Z')
  expect(showInstant(ms)).toBe('2027-01-01 09:00:00 +01:00 (Europe/Berlin)')
  expect(showDistance(ms, now)).toBe('in 36 d 12 h')
  expect(showDistance(now - 90_000, now)).toBe('1 min 30 s ago')
  expect(showDistance(now + 10, now)).toBe('now')
})

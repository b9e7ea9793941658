import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  decodeId,
  encodeId,
  homeHourOf,
  idFromText,
  incarnationFromText,
  incarnationLimit,
  ordinalLimit,
  ordinalOf,
  packId,
} from '../../src/model/ids.ts'
import { hourLimit } from '../../src/model/units.ts'

/** Small, large and edge values alike. */
function below(limit: number): fc.Arbitrary<number> {
  return fc.oneof(
    fc.nat({ max: limit - 1 }),
    fc.constantFrom(0, 1, 2, 3, 4, 1023, 1024, limit >>> 1, limit - 2, limit - 1),
  )
}
const hours = below(hourLimit)
const ordinals = fc.oneof(
  fc.integer({ min: 0, max: ordinalLimit - 1 }),
  fc.constantFrom(0, 1, 3, 4, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1),
)
const incarnations = below(incarnationLimit)

test('the layout is fixed: hour, ordinal, incarnation, most significant first', () => {
  expect(encodeId(0, 0, 0)).toBe('00000000000000')
  expect(encodeId(incarnationLimit - 1, hourLimit - 1, ordinalLimit - 1)).toBe('zzzzzzzzzzzzzz')
  expect(encodeId(1, 0, 0)).toBe('00000000000001')
  expect(encodeId(0, 0, 1)).toBe('00000000008000')
  expect(encodeId(0, 1, 0)).toBe('00010000000000')
  expect(encodeId(5, 496_584, 1_000_000)).toBe('f4y8007m4g0005')
})

test('a naive encoder of 70 bits agrees', () => {
  const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'
  fc.assert(
    fc.property(incarnations, hours, ordinals, (incarnation, hour, ordinal) => {
      let bits = (BigInt(hour) << 50n) | (BigInt(ordinal) << 18n) | BigInt(incarnation)
      let text = ''
      for (let i = 0; i < 14; i++, bits >>= 5n) text = alphabet[Number(bits & 31n)] + text
      expect(encodeId(incarnation, hour, ordinal)).toBe(text)
    }),
  )
})

test('ids come back, packed and as text', () => {
  fc.assert(
    fc.property(incarnations, hours, ordinals, (incarnation, homeHour, ordinal) => {
      const id = packId(homeHour, ordinal)
      expect(Number.isSafeInteger(id)).toBe(true)
      expect([homeHourOf(id), ordinalOf(id)]).toEqual([homeHour, ordinal])
      const text = encodeId(incarnation, homeHour, ordinal)
      expect(decodeId(text)).toEqual({ incarnation, homeHour, ordinal })
      expect(idFromText(text)).toBe(id)
      expect(incarnationFromText(text)).toBe(incarnation)
    }),
  )
})

test('texts sort by hour, then ordinal, whatever their incarnations', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(incarnations, hours, ordinals), { minLength: 2 }), (ids) => {
      const byText = ids.map(([incarnation, hour, ordinal]) => encodeId(incarnation, hour, ordinal)).toSorted()
      const packed = byText.map((text) => idFromText(text))
      expect(packed).toEqual(packed.toSorted((a, b) => a - b))
    }),
  )
})

test('only canonical text is an id', () => {
  const good = encodeId(5, 496_584, 1_000_000)
  const bad: unknown[] = [
    '',
    '0',
    good.slice(1),
    `${good}0`,
    ` ${good.slice(1)}`,
    good.toUpperCase(),
    `-${good.slice(1)}`,
  ]
  for (const letter of ['i', 'l', 'o', 'u', 'A', 'I', '-', '{', '\u0000', '\u00e9', '\u0130', '\uff10', '\ud800']) {
    for (let at = 0; at < 14; at++) bad.push(good.slice(0, at) + letter + good.slice(at + 1))
  }
  bad.push(undefined, null, 14, {}, [good], new String(good), '00000000000000\n')
  for (const text of bad) expect(decodeId(text), String(text)).toBeUndefined()
})

test('any text that decodes is what encoding makes of it', () => {
  const letters = fc.constantFrom(...'0123456789abcdefghijklmnopqrstuvwxyzAZ-\u00e9')
  fc.assert(
    fc.property(fc.string({ unit: letters, minLength: 13, maxLength: 15 }), (text) => {
      const id = decodeId(text)
      if (id !== undefined) expect(encodeId(id.incarnation, id.homeHour, id.ordinal)).toBe(text)
      else expect(text).not.toMatch(/^[0-9a-hjkmnp-tv-z]{14}$/)
    }),
  )
})

import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkHeaders, checkKey, checkQueueName, fitsUtf8 } from '../../src/model/names.ts'
import { refusalOf } from './refusal.ts'

test('queue names', () => {
  for (const name of ['a', 'email', 'E-mail.v2_x', '0', 'x'.repeat(128), 'constructor']) {
    expect(checkQueueName(name)).toBe(name)
  }
  const bad = [
    '',
    '.',
    '-a',
    '_a',
    '../x',
    'a/b',
    'a b',
    'a\n',
    '\u00e9',
    'a\u0000',
    'x'.repeat(129),
    1,
    null,
    undefined,
    {},
    ['a'],
  ]
  for (const name of bad)
    expect(refusalOf(() => checkQueueName(name)).code, JSON.stringify(name)).toBe('HW_INVALID_QUEUE')
})

test('keys are counted in bytes of UTF-8', () => {
  const good = [
    'a',
    'order/17',
    ' ',
    '\u0000',
    'x'.repeat(256),
    '\u00e9'.repeat(128),
    '\u20ac'.repeat(85),
    '\u{1f600}'.repeat(64),
  ]
  for (const key of good) expect(checkKey(key)).toBe(key)
  const bad = [
    '',
    'x'.repeat(257),
    '\u00e9'.repeat(129),
    '\u20ac'.repeat(86),
    '\u{1f600}'.repeat(65),
    '\ud800',
    'a\udc00b',
    1,
    null,
  ]
  for (const key of bad) expect(refusalOf(() => checkKey(key)).code, String(key)).toBe('HW_INVALID_KEY')
  expect(refusalOf(() => checkKey('x'.repeat(300))).details).toEqual({ bytes: 300, bytesMax: 256 })
})

test('a key is accepted if and only if UTF-8 holds it in 1 to 256 bytes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.boolean(), (whole, cut) => {
      // Cutting the last unit leaves half of a pair now and then.
      const key = cut ? whole.slice(0, -1) : whole
      const bytes = Buffer.from(key)
      const good = bytes.length >= 1 && bytes.length <= 256 && bytes.toString() === key
      if (good) expect(checkKey(key)).toBe(key)
      else expect(refusalOf(() => checkKey(key)).code).toBe('HW_INVALID_KEY')
    }),
  )
})

test('the cheap bounds of UTF-8 agree with measuring', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.nat({ max: 40 }), (text, bytesMax) => {
      expect(fitsUtf8(text, bytesMax)).toBe(Buffer.byteLength(text) <= bytesMax)
    }),
  )
})

test('headers come back as a copy', () => {
  const headers = { trace: 'abc', constructor: 'c' }
  const copy = checkHeaders(headers)
  expect(copy).toEqual(headers)
  expect(copy).not.toBe(headers)
  expect(checkHeaders(undefined)).toBeUndefined()
  expect(checkHeaders({})).toBeUndefined()
  expect(checkHeaders(runInNewContext('({ a: "b" })'))).toEqual({ a: 'b' })
})

test('a header may be called __proto__', () => {
  const copy = checkHeaders(JSON.parse('{"__proto__":"x"}'))!
  expect(Object.entries(copy)).toEqual([['__proto__', 'x']])
  expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
})

test('headers that are refused', () => {
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`h${i}`, '']))
  const bad: unknown[] = [
    null,
    'a',
    [],
    [['a', 'b']],
    new Map(),
    { a: 1 },
    { a: undefined },
    { a: null },
    { '': 'x' },
    { a: '\ud800' },
    { '\udc00': 'a' },
    many,
    { a: 'x'.repeat(4096) },
    { a: '\u20ac'.repeat(1366) },
  ]
  for (const headers of bad) expect(refusalOf(() => checkHeaders(headers)).code).toBe('HW_INVALID_HEADERS')
  expect(checkHeaders({ a: 'x'.repeat(4095) })).toBeDefined()
  const { h64: _, ...most } = many
  expect(Object.keys(checkHeaders(most)!)).toHaveLength(64)
})

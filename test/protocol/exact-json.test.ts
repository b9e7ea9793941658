/** Integers that JavaScript would change in silence are found, and nothing else is. */

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decodeBatch, parseJson } from '../../src/protocol/batch-bodies.ts'
import { changedInteger } from '../../src/protocol/exact-json.ts'

it.each([
  ['[12345678901234567890]', '12345678901234567890'],
  ['{"a":{"b":[1,-9007199254740993]}}', '9007199254740993'],
  ['{"a\\\\":9007199254740993}', '9007199254740993'],
  [' 1000000000000000000000 ', '1000000000000000000000'],
])('%s has one', (text, integer) => {
  expect(changedInteger(text)).toBe(integer)
})

it.each([
  '9007199254740992',
  '1795650277123',
  '{"id":"12345678901234567890"}',
  '{"12345678901234567890":1}',
  '{"a\\"":"\\\\","b":"x\\" 12345678901234567890"}',
  '[0.12345678901234567890, 12345678901234567890.5, 12345678901234567890e3]',
])('%s has none', (text) => {
  expect(changedInteger(text)).toBeUndefined()
})

it('a body that has one in a payload is refused in every format; elsewhere its field is judged', () => {
  const task = '{"queue":"q","delay":1,"payload":{"id":12345678901234567890}}'
  const refused = expect.objectContaining({ code: 'HW_INVALID_PAYLOAD', outcome: 'not done' }) as object
  expect(() => parseJson(task, 'the body')).toThrow(refused)
  expect(() => decodeBatch('json', Buffer.from(`[${task}]`))).toThrow(refused)
  expect(() => decodeBatch('ndjson', Buffer.from(`\n${task}\n`))).toThrow(
    /line 2 has the integer 12345678901234567890/u,
  )
  expect(parseJson('{"queue":"q","at":1795650277123456789}', 'the body')).toMatchObject({ queue: 'q' })
})

it('text that JavaScript has written never has one', () => {
  const doubles = fc.double({ noNaN: true, noDefaultInfinity: true })
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        doubles.map(String),
        fc.maxSafeInteger().map((n) => String(n * 1_024)),
      ),
      (text) => {
        expect(changedInteger(JSON.stringify(JSON.parse(text)))).toBeUndefined()
      },
    ),
  )
})

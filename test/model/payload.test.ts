import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodePayload, encodePayload, payloadKind } from '../../src/model/payload.ts'
import { refusalOf } from './refusal.ts'

const bytesMax = 65_536

/** There and back, as a record carries it. */
function roundTrip(value: unknown): unknown {
  const encoded = encodePayload(value, bytesMax)
  if (encoded === undefined) return decodePayload(payloadKind.none, new Uint8Array())
  if (typeof encoded === 'string') return decodePayload(payloadKind.json, Buffer.from(encoded))
  return decodePayload(payloadKind.bytes, encoded)
}

function nested(levels: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { value }
  return value
}

test('kinds', () => {
  expect(encodePayload(undefined, bytesMax)).toBeUndefined()
  expect(encodePayload(null, bytesMax)).toBe('null')
  expect(encodePayload('a', bytesMax)).toBe('"a"')
  expect(encodePayload({ a: [1, true, null] }, bytesMax)).toBe('{"a":[1,true,null]}')
  const bytes = Uint8Array.of(1, 2)
  expect(encodePayload(bytes, bytesMax)).toBe(bytes)
  expect(encodePayload(Buffer.from('ab'), bytesMax)).toBeInstanceOf(Uint8Array)
  expect(encodePayload(runInNewContext('new Uint8Array(3)'), bytesMax)).toHaveLength(3)
})

test('JSON data and bytes come back as they were', () => {
  // JSON has no -0, and undefined properties are left out.
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5, stringUnit: 'binary' }), (value) => {
      const plain: unknown = JSON.parse(JSON.stringify(value))
      expect(roundTrip(value)).toEqual(plain)
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(roundTrip(bytes)).toEqual(bytes)
    }),
  )
})

test('what everyone expects of JSON', () => {
  expect(roundTrip({ a: undefined, b: 1 })).toEqual({ b: 1 })
  expect(roundTrip({ [Symbol('s')]: 1, b: 2 })).toEqual({ b: 2 })
  expect(Object.is(roundTrip(-0), 0)).toBe(true)
  expect(roundTrip(Object.assign(Object.create(null), { a: 1 }))).toEqual({ a: 1 })
  expect(roundTrip(runInNewContext('({ a: [1, { b: "c" }] })'))).toEqual({ a: [1, { b: 'c' }] })
  expect(roundTrip(['\ud800', { '\udc00': 'x\udfff' }])).toEqual(['\ud800', { '\udc00': 'x\udfff' }])
})

test('a __proto__ key is a key', () => {
  const text = '{"__proto__":{"polluted":true},"a":1}'
  expect(encodePayload(JSON.parse(text), bytesMax)).toBe(text)
  const back = roundTrip(JSON.parse(text)) as object
  expect(Object.keys(back)).toEqual(['__proto__', 'a'])
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
})

test('whatever JSON would lose or change is refused with its path', () => {
  class Money {
    amount = 1
  }
  const cyclic: Record<string, unknown> = { list: [] }
  ;(cyclic['list'] as unknown[]).push(cyclic)
  const table: [unknown, string, RegExp][] = [
    [{ user: { tags: ['a', 'b', 'c', () => 1] } }, 'payload.user.tags[3]', /is a function; give data/],
    [() => 1, 'payload', /is a function/],
    [Symbol('x'), 'payload', /is a symbol/],
    [{ s: Symbol('x') }, 'payload.s', /is a symbol/],
    [5n, 'payload', /bigint; give a number or text/],
    [{ a: { b: 5n } }, 'payload.a.b', /bigint/],
    [NaN, 'payload', /is NaN, which JSON cannot hold/],
    [[-Infinity], 'payload[0]', /is -Infinity/],
    [[1, undefined], 'payload[1]', /undefined inside an array; give null/],
    // oxlint-disable-next-line no-sparse-arrays
    [[1, , 3], 'payload[1]', /undefined inside an array/],
    [new Date(0), 'payload', /is a Date; give its toISOString/],
    [{ 'odd key': new Date(0) }, 'payload["odd key"]', /is a Date/],
    [{ m: new Map() }, 'payload.m', /Object\.fromEntries/],
    [{ m: new Set() }, 'payload.m', /\[\.\.\.set\]/],
    [{ m: new Money() }, 'payload.m', /instance of Money; give plain data/],
    [{ m: new (class {})() }, 'payload.m', /instance of/],
    [{ e: new Error('x') }, 'payload.e', /instance of Error/],
    [{ r: /x/ }, 'payload.r', /instance of RegExp/],
    [{ n: new Number(1) }, 'payload.n', /instance of Number/],
    [{ p: Promise.resolve() }, 'payload.p', /instance of Promise/],
    [{ toJSON: (): number => 1 }, 'payload.toJSON', /is a function/],
    [Object.create({ toJSON: (): number => 1 }), 'payload', /instance of/],
    [{ b: Uint8Array.of(1) }, 'payload.b', /bytes inside JSON data/],
    [new Float64Array(1), 'payload', /is a Float64Array; give a Uint8Array/],
    [new ArrayBuffer(1), 'payload', /is a ArrayBuffer; give a Uint8Array/],
    [new DataView(new ArrayBuffer(1)), 'payload', /is a DataView/],
    [cyclic, 'payload.list[0]', /contains itself/],
    [nested(101), 'payload', /nested deeper than 100 levels/],
  ]
  for (const [value, path, message] of table) {
    const error = refusalOf(() => encodePayload(value, bytesMax))
    expect(error.code, path).toBe('HW_INVALID_PAYLOAD')
    expect(error.details).toEqual({ path })
    expect(error.message.startsWith(`${path} `)).toBe(true)
    expect(error.message).toMatch(message)
  }
})

test('depth 100 fits, and one object may appear twice', () => {
  expect(roundTrip(nested(100))).toEqual(nested(100))
  const shared = { a: 1 }
  expect(roundTrip([shared, shared])).toEqual([shared, shared])
})

test('size is measured in bytes of UTF-8, to the byte', () => {
  for (const letter of ['x', '\u00e9', '\u20ac', '\u{1f600}', '"', '\n', '\u0001']) {
    const value = { text: letter.repeat(20) }
    const bytes = Buffer.byteLength(JSON.stringify(value))
    expect(encodePayload(value, bytes), letter).toBe(JSON.stringify(value))
    expect(refusalOf(() => encodePayload(value, bytes - 1)).code, letter).toBe('HW_PAYLOAD_TOO_LARGE')
  }
  expect(encodePayload(new Uint8Array(10), 10)).toHaveLength(10)
  expect(() => encodePayload(new Uint8Array(11), 10)).toThrow('payload has 11 bytes; at most 10 are allowed')
})

test('the limit holds exactly for any JSON data', () => {
  fc.assert(
    fc.property(
      fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' }),
      fc.integer({ min: -3, max: 3 }),
      (value, slack) => {
        const bytes = Buffer.byteLength(JSON.stringify(value))
        if (slack >= 0) expect(encodePayload(value, bytes + slack)).toBe(JSON.stringify(value))
        else expect(refusalOf(() => encodePayload(value, bytes + slack)).code).toBe('HW_PAYLOAD_TOO_LARGE')
      },
    ),
  )
})

test('a graph that is small in memory and endless as text is refused at once', () => {
  let value: unknown = { a: 1 }
  for (let i = 0; i < 90; i++) value = [value, value]
  expect(refusalOf(() => encodePayload(value, bytesMax)).code).toBe('HW_PAYLOAD_TOO_LARGE')
  expect(refusalOf(() => encodePayload({ text: 'x'.repeat(10_000_000) }, bytesMax)).code).toBe('HW_PAYLOAD_TOO_LARGE')
})

test('decoded bytes are a copy, also of shared memory, and damage is said', () => {
  const block = new Uint8Array(new SharedArrayBuffer(16)).fill(49)
  const copy = decodePayload(payloadKind.bytes, block.subarray(2, 4)) as Uint8Array
  block.fill(50)
  expect(copy).toEqual(Uint8Array.of(49, 49))
  expect(copy.buffer).toBeInstanceOf(ArrayBuffer)
  expect(decodePayload(payloadKind.json, block.subarray(2, 4))).toBe(22)
  expect(refusalOf(() => decodePayload(payloadKind.json, Buffer.from('{'))).code).toBe('HW_CORRUPT')
  expect(refusalOf(() => decodePayload(payloadKind.json, Uint8Array.of(34, 0xff, 34))).code).toBe('HW_CORRUPT')
  expect(refusalOf(() => decodePayload(3, new Uint8Array())).code).toBe('HW_CORRUPT')
})

import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { describe, expect, test } from 'vitest'
import { decodeExtras, encodeExtras, extrasKey, type Extras } from '../../src/model/extras.ts'
import { MalformedBytes } from '../../src/model/msgpack.ts'
import { anyExtras } from './records-samples.ts'

const packr = new Packr({ useRecords: false })

function encode(extras: Extras): Buffer {
  return encodeExtras(extras) as Buffer
}

function decode(bytes: Buffer): Extras {
  return decodeExtras(bytes, 0, bytes.length)
}

test('nothing in them is no extras', () => {
  expect(encodeExtras({})).toBeUndefined()
  expect(encodeExtras({ key: undefined, retry: {}, headers: {} })).toBeUndefined()
  expect(encodeExtras({ retry: { attempts: undefined } })).toBeUndefined()
})

test('trailing nils are cut, others kept', () => {
  expect(encode({ key: 'a' }).toString('hex')).toBe('91a161')
  expect(encode({ expiresAt: 5 }).toString('hex')).toBe('92c005')
  expect(packr.unpack(encode({ retry: { backoff: 'fixed' } }))).toEqual([null, null, null, [null, 0]])
  expect(packr.unpack(encode({ retry: { backoff: 'exponential', jitter: 0.5 } }))).toEqual([
    null,
    null,
    null,
    [null, 1, null, null, 0.5],
  ])
})

test('any msgpack library reads all of them', () => {
  const retry = { attempts: 3, backoff: 'fixed', delayMs: 1, maxDelayMs: 2, jitter: 1, maxAgeMs: 2 ** 40 } as const
  const extras = {
    key: 'k',
    expiresAt: 1_800_000_000_000,
    timeoutMs: 300,
    retry,
    headers: { a: 'ä' },
    firstFireAt: 7,
    lastError: 'e',
  }
  expect(packr.unpack(encode(extras))).toEqual([
    'k',
    1_800_000_000_000,
    300,
    [3, 0, 1, 2, 1, 2 ** 40],
    { a: 'ä' },
    7,
    'e',
  ])
})

test('they come back, and single fields without the rest', () => {
  fc.assert(
    fc.property(anyExtras, fc.nat(9), (extras, shift) => {
      const encoded = encodeExtras(extras)
      if (encoded === undefined) return
      const bytes = Buffer.concat([Buffer.alloc(shift, 0xc1), encoded, Buffer.alloc(3, 0xc1)])
      const end = shift + encoded.length
      const back = decodeExtras(bytes, shift, end)
      const { retry, headers, ...plain } = extras
      expect(back).toEqual({
        ...plain,
        retry: retry !== undefined && Object.keys(retry).length > 0 ? retry : undefined,
        headers: headers !== undefined && Object.keys(headers).length > 0 ? headers : undefined,
      })
      expect(encodeExtras(back)).toEqual(encoded)
      expect(extrasKey(bytes, shift, end)).toBe(extras.key)
    }),
    { numRuns: 500 },
  )
})

describe('headers', () => {
  test('one called __proto__ is a header and nothing else', () => {
    const headers = Object.fromEntries([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ])
    const back = decode(encode({ headers })).headers!
    expect(Object.entries(back)).toEqual(Object.entries(headers))
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype)
  })

  test('twice the same name is refused', () => {
    expect(() => decode(Buffer.from('95c0c0c0c082a161a178a161a179', 'hex'))).toThrow(MalformedBytes)
  })

  test('many and long ones come back', () => {
    const headers = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`name${i}`, 'ü'.repeat(i * 10)]))
    expect(decode(encode({ headers })).headers).toEqual(headers)
  })
})

test('what could not be read back is not written', () => {
  expect(() => encodeExtras({ timeoutMs: 1.5 })).toThrow(RangeError)
  expect(() => encodeExtras({ expiresAt: -1 })).toThrow(RangeError)
  expect(() => encodeExtras({ retry: { jitter: 2 } })).toThrow(RangeError)
  expect(() => encodeExtras({ lastError: 'x'.repeat(65_536) })).toThrow(RangeError)
})

describe('damage', () => {
  const sample = encode({
    key: 'key',
    expiresAt: 1_800_000_000_000,
    timeoutMs: 70_000,
    retry: { attempts: 5, backoff: 'fixed', delayMs: 200, maxDelayMs: 300, jitter: 0.25, maxAgeMs: 2 ** 33 },
    headers: { a: 'b', c: 'd'.repeat(40) },
    firstFireAt: 1_700_000_000_000,
    lastError: 'é'.repeat(150),
  })

  test('cut anywhere, or with something behind, they are refused', () => {
    for (let length = 0; length < sample.length; length++) {
      expect(() => decodeExtras(sample, 0, length), `cut to ${length}`).toThrow(MalformedBytes)
    }
    expect(() => decode(Buffer.concat([sample, Buffer.from([0xc0])]))).toThrow(MalformedBytes)
  })

  test('an empty array, one too long, other forms of numbers and texts are refused', () => {
    const spoiled = [
      '90',
      '98c0c0c0c0c0c0c001',
      '91d90161',
      '92c0cc05',
      '92c0cf0000000000000005',
      '92c0ff',
      '91c40161',
      '91a1ff',
    ]
    for (const hex of spoiled) expect(() => decode(Buffer.from(hex, 'hex')), hex).toThrow(MalformedBytes)
  })

  test('every change of one byte is refused or read', () => {
    const bytes = Buffer.from(sample)
    for (let at = 0; at < bytes.length; at++) {
      const before = bytes[at]!
      for (let value = 0; value < 256; value += at < 40 ? 1 : 17) {
        bytes[at] = value
        for (const read of [decodeExtras, extrasKey]) {
          try {
            read(bytes, 0, bytes.length)
          } catch (error) {
            if (!(error instanceof MalformedBytes)) throw error
          }
        }
      }
      bytes[at] = before
    }
  })
})

import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { describe, expect, test } from 'vitest'
import { MsgpackReader } from '../../src/model/msgpack-reader.ts'
import {
  MalformedBytes,
  skip,
  writeArrayHeader,
  writeFloat64,
  writeMapHeader,
  writeText,
  writeUint,
} from '../../src/model/msgpack.ts'

const packr = new Packr({ useRecords: false })
const edges = [0, 1, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]
const limit = 2 ** 53

function written(write: (into: Buffer) => number): Buffer {
  const into = Buffer.alloc(300_000, 0xc1)
  return Buffer.from(into.subarray(0, write(into)))
}

test('whole numbers have their shortest form, as msgpackr writes them', () => {
  for (const value of edges) {
    const bytes = written((into) => writeUint(into, 0, value))
    expect(bytes).toEqual(packr.pack(value))
    const reader = new MsgpackReader(bytes, 0, bytes.length)
    expect(reader.uint(limit)).toBe(value)
    reader.finish()
    expect(() => new MsgpackReader(bytes, 0, bytes.length).uint(value)).toThrow(MalformedBytes)
  }
  for (const value of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    expect(() => written((into) => writeUint(into, 0, value))).toThrow(RangeError)
  }
})

test('longer forms, signed ones and others are no whole numbers', () => {
  const forms = [
    'cc7f',
    'cd00ff',
    'ce0000ffff',
    'cb41efffffffe00000',
    'cf0000000000000001',
    'd001',
    'ff',
    'a0',
    'c0',
    'c2',
    'cb7ff8000000000000',
  ]
  for (const form of forms) {
    const bytes = Buffer.from(form, 'hex')
    expect(() => new MsgpackReader(bytes, 0, bytes.length).uint(limit), form).toThrow(MalformedBytes)
  }
})

test('texts of every length come back', () => {
  for (const bytes of [0, 1, 31, 32, 255, 256, 65_535]) {
    for (const text of ['x'.repeat(bytes), 'é'.repeat(bytes / 2)]) {
      const encoded = written((into) => writeText(into, 0, text))
      expect(packr.unpack(encoded)).toBe(text)
      expect(new MsgpackReader(encoded, 0, encoded.length).text()).toBe(text)
    }
  }
  expect(() => written((into) => writeText(into, 0, 'x'.repeat(65_536)))).toThrow(RangeError)
})

test('headers of arrays and maps come back when so much is there', () => {
  for (const count of [0, 1, 15, 16, 65_535, 65_536]) {
    const bytes = Buffer.alloc(200_000)
    let end = writeArrayHeader(bytes, 0, count)
    expect(new MsgpackReader(bytes, 0, end + count).arrayHeader(1)).toBe(count)
    if (count > 0) expect(() => new MsgpackReader(bytes, 0, end + count - 1).arrayHeader(1)).toThrow(MalformedBytes)
    end = writeMapHeader(bytes, 0, count)
    expect(new MsgpackReader(bytes, 0, end + 2 * count).mapHeader()).toBe(count)
    if (count > 0) expect(() => new MsgpackReader(bytes, 0, end + 2 * count - 1).mapHeader()).toThrow(MalformedBytes)
  }
})

test('doubles keep every bit', () => {
  fc.assert(
    fc.property(fc.double(), (value) => {
      const bytes = written((into) => writeFloat64(into, 0, value))
      expect(bytes.readDoubleBE(1)).toBe(value)
      expect(new MsgpackReader(bytes, 0, 9).float64()).toBe(value)
    }),
  )
})

test('a reader does not begin outside its bytes', () => {
  const bytes = Buffer.alloc(4)
  for (const [at, end] of [
    [-1, 2],
    [3, 2],
    [0, 5],
    [NaN, 2],
  ] as const) {
    expect(() => new MsgpackReader(bytes, at, end)).toThrow(MalformedBytes)
  }
})

describe('skip', () => {
  test('goes over whatever msgpackr packs', () => {
    const json = fc.oneof(
      fc.jsonValue({ maxDepth: 5 }),
      fc.uint8Array({ maxLength: 300 }).map((b) => Buffer.from(b)),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    )
    fc.assert(
      fc.property(json, (value) => {
        const bytes = Buffer.concat([Buffer.from([0xc1]), packr.pack(value)])
        expect(skip(bytes, 1, bytes.length)).toBe(bytes.length)
        expect(() => skip(bytes, 1, bytes.length - 1)).toThrow(MalformedBytes)
      }),
      { numRuns: 300 },
    )
  })

  test('goes 32 deep and no deeper', () => {
    const nested = (depth: number): Buffer => Buffer.from(`${'91'.repeat(depth)}c0`, 'hex')
    expect(skip(nested(32), 0, 33)).toBe(33)
    expect(() => skip(nested(33), 0, 34)).toThrow(MalformedBytes)
  })

  test('refuses extensions and lengths beyond the end, at once', () => {
    const forms = [
      'c1',
      'c70100ff',
      'c8000100ff',
      'd40001',
      'd8',
      'ddffffffff',
      'dfffffffff',
      'c6ffffffff',
      'dbffffffff',
      'dcffff00',
      'de8000',
      'cb00',
      '',
    ]
    for (const form of forms) {
      const bytes = Buffer.from(form, 'hex')
      expect(() => skip(bytes, 0, bytes.length), form).toThrow(MalformedBytes)
    }
  })

  test('takes no longer than there are bytes: nested headers that claim the most', () => {
    const bytes = Buffer.concat(Array.from({ length: 20_000 }, () => Buffer.from('dc4000', 'hex')))
    const start = performance.now()
    expect(() => skip(bytes, 0, bytes.length)).toThrow(MalformedBytes)
    expect(performance.now() - start).toBeLessThan(1_000)
  })
})

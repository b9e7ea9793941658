import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EndStates, type EndState } from '../../src/model/end-states.ts'
import { MalformedBytes } from '../../src/model/msgpack.ts'

const pageBytes = 1_024
const anyState = fc.constantFrom<EndState>(0, 1, 2, 3)
const anySet = fc.tuple(fc.integer({ min: 500_000, max: 500_003 }), fc.oneof(fc.nat(9_000), fc.nat(200_000)), anyState)

function copyOf(ends: EndStates): EndStates {
  const copy = new EndStates()
  for (const chunk of ends.encode()) copy.decodeInto(chunk)
  return copy
}

function fill(ends: EndStates, hour: number, from: number, to: number, state: EndState): void {
  for (let ordinal = from; ordinal < to; ordinal++) ends.set(hour, ordinal, state)
}

test('states are what was set last, 0 without', () => {
  fc.assert(
    fc.property(fc.array(anySet, { maxLength: 200 }), (sets) => {
      const ends = new EndStates()
      const expected = new Map<string, EndState>()
      for (const [hour, ordinal, state] of sets) {
        ends.set(hour, ordinal, state)
        expected.set(`${hour}:${ordinal}`, state)
      }
      for (const [hour, ordinal] of sets) {
        expect(ends.get(hour, ordinal)).toBe(expected.get(`${hour}:${ordinal}`))
        for (const near of [ordinal + 1, ordinal ^ 3]) {
          expect(ends.get(hour, near)).toBe(expected.get(`${hour}:${near}`) ?? 0)
        }
      }
      const copy = copyOf(ends)
      for (const [hour, ordinal] of sets) expect(copy.get(hour, ordinal)).toBe(expected.get(`${hour}:${ordinal}`))
    }),
    { numRuns: 200 },
  )
})

test('the last ordinal of the last hour has a state of its own', () => {
  const ends = new EndStates()
  ends.set(2 ** 20 - 1, 2 ** 32 - 1, 2)
  expect(ends.get(2 ** 20 - 1, 2 ** 32 - 1)).toBe(2)
  expect(ends.get(2 ** 20 - 1, 2 ** 32 - 2)).toBe(0)
  expect(ends.bytesHeld).toBe(pageBytes)
  expect(copyOf(ends).get(2 ** 20 - 1, 2 ** 32 - 1)).toBe(2)
})

describe('memory', () => {
  test('is taken for pages in which something ended, and given back with the hour', () => {
    const ends = new EndStates()
    ends.set(5, 100_000, 0)
    expect(ends.bytesHeld).toBe(0)
    ends.set(5, 100_000, 1)
    ends.set(5, 0, 1)
    ends.set(6, 0, 3)
    expect(ends.bytesHeld).toBe(3 * pageBytes)
    ends.dropHoursBefore(6)
    expect(ends.bytesHeld).toBe(pageBytes)
    expect(ends.get(5, 0)).toBe(0)
    expect(ends.get(6, 0)).toBe(3)
    // The hour may come back.
    ends.set(5, 7, 2)
    expect([ends.get(5, 7), ends.get(5, 0)]).toEqual([2, 0])
  })

  test('of pages that are all alike is given up when they are encoded, and taken again when one changes', () => {
    const ends = new EndStates()
    fill(ends, 5, 0, 3 * 4_096, 1)
    fill(ends, 6, 0, 4_096, 1)
    const copy = copyOf(ends)
    expect([ends.bytesHeld, copy.bytesHeld]).toEqual([0, 0])
    for (const either of [ends, copy]) {
      either.set(5, 4_097, 1)
      expect(either.bytesHeld).toBe(0)
      either.set(5, 4_097, 0)
      expect(either.bytesHeld).toBe(pageBytes)
      expect([4_096, 4_097, 4_098, 1, 9_000].map((ordinal) => either.get(5, ordinal))).toEqual([1, 0, 1, 1, 1])
      expect(either.get(6, 4_097 - 4_096)).toBe(1)
      either.dropHoursBefore(9)
      expect(either.bytesHeld).toBe(0)
    }
  })
})

describe('encoding', () => {
  test('of a million tasks that succeeded takes hundreds of bytes, of some exceptions little more', () => {
    const ends = new EndStates()
    fill(ends, 500_000, 0, 1_000_000, 1)
    const bytes = (): number => [...ends.encode()].reduce((sum, chunk) => sum + chunk.length, 0)
    expect(bytes()).toBeLessThan(300)
    for (let i = 0; i < 100; i++) ends.set(500_000, i * 9_973, 2)
    expect(bytes()).toBeLessThan(1_300)
  })

  test('of states without pattern takes no more than the pages, in chunks that are bounded', () => {
    const ends = new EndStates()
    for (let i = 0; i < 1_000_000; i++) ends.set(9, i, ((Math.imul(i, 0x9e3779b1) >>> 13) & 3) as EndState)
    const chunks = [...ends.encode()]
    expect(chunks.length).toBeGreaterThan(5)
    for (const chunk of chunks) expect(chunk.length).toBeLessThan(35_000)
    const pages = Math.ceil(1_000_000 / 4_096)
    expect(chunks.reduce((sum, chunk) => sum + chunk.length, 0)).toBeLessThanOrEqual(
      pages * (pageBytes + 1) + 12 * chunks.length,
    )
    const copy = new EndStates()
    for (const chunk of chunks) copy.decodeInto(chunk)
    for (let i = 0; i < 1_000_000; i += 7)
      if (copy.get(9, i) !== ends.get(9, i)) throw new Error(`ordinal ${i} differs`)
  })

  test('of a year of hours with one cancelled task each takes few chunks', () => {
    const ends = new EndStates()
    for (let hour = 0; hour < 8_760; hour++) ends.set(500_000 + hour, 3, 2)
    const chunks = [...ends.encode()]
    expect(chunks.length).toBeLessThan(80)
    expect(copyOf(ends).get(508_759, 3)).toBe(2)
  })

  test('goes on while states change and hours go', () => {
    const ends = new EndStates()
    for (let hour = 0; hour < 300; hour++) fill(ends, hour, 0, 5_000, 1)
    const copy = new EndStates()
    let step = 0
    for (const chunk of ends.encode()) {
      copy.decodeInto(chunk)
      ends.set(299, step * 5_000, 3)
      if (step++ === 0) ends.dropHoursBefore(290)
    }
    expect(step).toBe(2)
    expect(copy.get(0, 4_999)).toBe(1)
    expect(copy.get(200, 0)).toBe(0)
    expect(copy.get(299, 0)).toBe(3)
  })
})

describe('damage', () => {
  function sample(): Buffer {
    const ends = new EndStates()
    fill(ends, 500_000, 0, 10_000, 1)
    ends.set(500_000, 77, 2)
    for (let i = 0; i < 4_096; i++) ends.set(500_001, i, ((Math.imul(i, 0x9e3779b1) >>> 13) & 3) as EndState)
    return Buffer.from([...ends.encode()][0]!)
  }

  test('has the bytes it has always had', () => {
    const ends = new EndStates()
    fill(ends, 500_000, 0, 4_096, 1)
    fill(ends, 500_000, 8_192, 8_196, 2)
    // Hour, first page, three pages: all 1, nothing, runs of 4 times 2 and 4,092 times 0.
    expect(Buffer.from([...ends.encode()][0]!).toString('hex')).toBe('20a1070000000000030000000100050380fb0f')
  })

  test('a chunk cut anywhere but between groups is refused', () => {
    const bytes = sample()
    let whole = 0
    for (let length = 0; length < bytes.length; length++) {
      try {
        new EndStates().decodeInto(bytes.subarray(0, length))
        whole++
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedBytes)
      }
    }
    expect(whole).toBe(2)
  })

  test('20,000 mutations are refused or read, without taking memory', () => {
    const before = sample()
    let state = 99
    const random = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return (state >>> 8) % below
    }
    for (let i = 0; i < 20_000; i++) {
      const bytes = Buffer.from(before.subarray(0, random(4) === 0 ? random(before.length) : 40 + random(60)))
      for (let n = random(3); n >= 0; n--) if (bytes.length > 0) bytes[random(Math.min(bytes.length, 60))] = random(256)
      const ends = new EndStates()
      try {
        ends.decodeInto(bytes)
      } catch (error) {
        if (!(error instanceof MalformedBytes)) throw error
      }
      expect(ends.bytesHeld).toBeLessThanOrEqual(bytes.length * 512)
    }
  })
})

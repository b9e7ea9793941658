import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { describe, expect, test } from 'vitest'
import { decodeExtras } from '../../src/model/extras.ts'
import { MalformedBytes } from '../../src/model/msgpack.ts'
import { encodeHead, writeDead, writeLease, writeNew, writePut, writeQueue } from '../../src/model/record-writers.ts'
import { decodeRecord, newBytesMax, type DeadRecord, type PutRecord, type TaskRecord } from '../../src/model/records.ts'
import { anyRecord, bytesOf, goldenRecords } from './records-samples.ts'

const packr = new Packr({ useRecords: false })

function decode(bytes: Buffer): TaskRecord {
  return decodeRecord(bytes, 0, bytes.length)
}

function tryDecode(bytes: Buffer): TaskRecord | undefined {
  try {
    return decode(bytes)
  } catch (error) {
    if (!(error instanceof MalformedBytes)) throw error
    return undefined
  }
}

/** What another msgpack library must read: the array of docs/format.md. */
function asArray(record: TaskRecord): unknown[] {
  const numberIn = (word: string, ...words: string[]): number => words.indexOf(word)
  const from = 'from' in record ? numberIn(record.from, 'pending', 'leased', 'dead') : -1
  const extrasOf = (extras: Uint8Array | undefined): unknown => (extras === undefined ? null : packr.unpack(extras))
  switch (record.kind) {
    case 'new': {
      const { homeHour, ordinal, queue, fireAt, payloadKind, payload, extras } = record
      return [1, homeHour, ordinal, queue, fireAt, payloadKind, payload, extrasOf(extras)]
    }
    case 'put': {
      const { homeHour, ordinal, queue, fireAt, placeHour, leftHour, attempt, generation, payloadKind, payload } =
        record
      const cause = 1 + numberIn(record.cause, 'retry', 'reschedule', 'redrive', 'replace')
      const task = [homeHour, ordinal, queue, fireAt, placeHour, leftHour, attempt, generation, payloadKind, payload]
      return [2, cause, from, ...task, extrasOf(record.extras)]
    }
    case 'lease':
      return [3, record.homeHour, record.ordinal, record.queue, record.fence, record.losses]
    case 'end': {
      const how = 1 + numberIn(record.how, 'succeeded', 'cancelled', 'expired', 'damaged', 'replaced')
      const { released } = record
      const key = released === undefined ? [] : [released.key, released.endedAt, released.fireAt, released.generation]
      return [4, how, from, record.homeHour, record.ordinal, record.queue, record.placeHour, ...key]
    }
    case 'unlease':
      return [5, record.homeHour, record.ordinal, record.queue, record.losses]
    case 'stop':
      return [6, record.homeHour, record.ordinal, record.queue]
    case 'dead': {
      const { homeHour, ordinal, queue, fireAt, placeHour, attempt, generation, payloadKind, payload } = record
      const reason = 1 + numberIn(record.reason, 'attempts', 'lost', 'asked', 'damaged', 'maxAge')
      const task = [homeHour, ordinal, queue, fireAt, placeHour, attempt, generation, payloadKind, payload]
      return [7, reason, from, record.diedAt, record.error, ...task, extrasOf(record.extras)]
    }
    case 'purge':
      return [8, record.homeHour, record.ordinal, record.queue]
    case 'queue':
      return [9, record.queue, record.name, record.paused ? 1 : 0]
    case 'retire':
      return [10, record.oldestHour]
    case 'head': {
      const queues = record.queues.map((q) => [q.queue, q.name, q.paused ? 1 : 0, ...q.counters])
      const hours = record.hours.map((h) => [h.hour, h.nextOrdinal, h.live])
      return [11, record.openCount, record.wallMs, record.oldestHour, queues, hours]
    }
    case 'clean':
      return [12, record.wallMs]
    case 'seal':
      return [13, record.nextFileNumber]
  }
}

describe('bytes on disk', () => {
  for (const { record, hex } of goldenRecords) {
    test(`${record.kind} has the bytes it has always had`, () => {
      expect(bytesOf(record).toString('hex')).toBe(hex)
      expect(decode(Buffer.from(hex, 'hex'))).toEqual(record)
    })
  }

  test('there is a golden record of each of the 13 kinds, and of an end with a key', () => {
    expect(goldenRecords.map(({ hex }) => parseInt(hex.slice(2, 4), 16))).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 4,
    ])
  })

  test('any msgpack library reads them', () => {
    fc.assert(
      fc.property(anyRecord, (record) => {
        expect(packr.unpack(bytesOf(record))).toEqual(asArray(record))
      }),
      { numRuns: 300 },
    )
  })
})

describe('round trips', () => {
  test('every record comes back, wherever in a buffer it lies', () => {
    fc.assert(
      fc.property(anyRecord, fc.nat(20), (record, shift) => {
        const bytes = bytesOf(record)
        const around = Buffer.concat([Buffer.alloc(shift, 0xc1), bytes, Buffer.alloc(9, 0xc1)])
        expect(decodeRecord(around, shift, shift + bytes.length)).toEqual(record)
      }),
      { numRuns: 500 },
    )
  })

  test('text payloads are UTF-8, whatever is in them and however long', () => {
    const filler = 'x'.repeat(21_843)
    for (const payload of ['""', '"é"', '"\u{1f600}"', `"${filler}"`, `"${filler}é"`, `"${'é'.repeat(70_000)}"`]) {
      const into = Buffer.alloc(newBytesMax(payload, undefined) + 8)
      const end = writeNew(into, 8, 500_000, 1, 2, 1_800_000_000_000, payload, undefined)
      const record = decodeRecord(into, 8, end)
      expect(record.kind === 'new' && Buffer.from(record.payload).toString() === payload).toBe(true)
    }
  })

  test('text and the same text as bytes differ in nothing but the kind, unless long', () => {
    const asText = Buffer.alloc(200)
    const asBytes = Buffer.alloc(200)
    const end = writeNew(asText, 0, 1, 2, 3, 4, '{"a":"é"}', undefined)
    expect(writeNew(asBytes, 0, 1, 2, 3, 4, Buffer.from('{"a":"é"}'), undefined)).toBe(end)
    asText[24] = 2
    expect(asText).toEqual(asBytes)
  })

  test('shared memory is written and read as any other', () => {
    const into = Buffer.from(new SharedArrayBuffer(4_096))
    const golden = goldenRecords[6]!
    const end = writeDead(into, 100, golden.record as DeadRecord)
    expect(decodeRecord(into, 100, end)).toEqual(golden.record)
  })

  test('a head of 10,000 queues and 20,000 hours comes back', () => {
    const counters = Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 2 ** 53 - 1)
    const queues = Array.from({ length: 10_000 }, (_, queue) => ({
      queue,
      name: `queue${queue}`,
      paused: false,
      counters,
    }))
    const hours = Array.from({ length: 20_000 }, (_, i) => ({ hour: 500_000 + i, nextOrdinal: i, live: i }))
    const head = { kind: 'head' as const, openCount: 1, wallMs: 1, oldestHour: 2, queues, hours }
    const bytes = Buffer.from(encodeHead(head))
    expect(decode(bytes)).toEqual(head)
  })
})

describe('writers throw rather than write what cannot be read', () => {
  const into = Buffer.alloc(1_000)
  const put = goldenRecords[1]!.record as PutRecord
  const dead = goldenRecords[6]!.record as DeadRecord
  const cases: Record<string, () => unknown> = {
    'no room': () => writeNew(into, 990, 1, 2, 3, 4, '"hello"', undefined),
    'before the buffer': () => writeNew(into, -1, 1, 2, 3, 4, undefined, undefined),
    'an hour too late': () => writeNew(into, 0, 2 ** 20, 2, 3, 4, undefined, undefined),
    'an ordinal too large': () => writeNew(into, 0, 1, 2 ** 32, 3, 4, undefined, undefined),
    'a queue too large': () => writeNew(into, 0, 1, 2, 65_536, 4, undefined, undefined),
    'a fire time with a fraction': () => writeNew(into, 0, 1, 2, 3, 4.5, undefined, undefined),
    'no fire time': () => writeNew(into, 0, 1, 2, 3, NaN, undefined, undefined),
    'a fire time past the end': () => writeNew(into, 0, 1, 2, 3, 3_774_873_600_000, undefined, undefined),
    'an attempt too large': () => writePut(into, 0, { ...put, attempt: 65_536 }),
    'a generation too large': () => writePut(into, 0, { ...put, generation: 2 ** 32 }),
    'a place too late': () => writePut(into, 0, { ...put, placeHour: 2 ** 20 }),
    'a kind that is none': () => writePut(into, 0, { ...put, payloadKind: 3 }),
    'a payload of no kind': () => writePut(into, 0, { ...put, payloadKind: 0 }),
    'an error too long': () => writeDead(Buffer.alloc(300_000), 0, { ...dead, error: 'x'.repeat(65_536) }),
    'a time of death with a fraction': () => writeDead(into, 0, { ...dead, diedAt: 0.5 }),
    'a negative fence': () => writeLease(into, 0, 1, 2, 3, -1, 0),
    'losses too many': () => writeLease(into, 0, 1, 2, 3, 1, 2 ** 32),
    'a queue without name': () => writeQueue(into, 0, 1, '', false),
  }
  for (const [what, write] of Object.entries(cases)) test(`${what} is refused`, () => expect(write).toThrow(RangeError))
})

describe('damage', () => {
  test('no record survives the loss of its end, or something behind it', () => {
    for (const { hex } of goldenRecords) {
      const bytes = Buffer.from(hex, 'hex')
      for (let length = 0; length < bytes.length; length++) {
        expect(tryDecode(bytes.subarray(0, length)), `${hex} cut to ${length}`).toBeUndefined()
        // What follows in the buffer does not count.
        expect(() => decodeRecord(bytes, 0, length)).toThrow(MalformedBytes)
      }
      expect(tryDecode(Buffer.concat([bytes, Buffer.from([0xc0])]))).toBeUndefined()
      expect(() => decodeRecord(bytes, 0, bytes.length + 1)).toThrow(MalformedBytes)
    }
  })

  test('values out of range are refused', () => {
    const spoil = (index: number, at: number, ...values: number[]): Buffer => {
      const bytes = Buffer.from(goldenRecords[index]!.hex, 'hex')
      bytes.set(values, at)
      return bytes
    }
    const spoiled = {
      'home hour': spoil(0, 3, 0, 0x10),
      'fire time not a number': spoil(0, 16, 0x7f, 0xf8),
      'fire time with a fraction': spoil(0, 16, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0),
      'fire time past the end': spoil(0, 16, 0x42, 0xff),
      'payload kind': spoil(0, 24, 3),
      'payload with kind none': spoil(0, 24, 0),
      cause: spoil(1, 2, 5),
      'cause 0': spoil(1, 2, 0),
      'state left': spoil(1, 3, 3),
      'hour left': spoil(1, 32, 0, 0x10),
      how: spoil(3, 2, 6),
      reason: spoil(6, 2, 0),
      'error not UTF-8': spoil(6, 17, 0x28),
      'a switch of 2': spoil(8, 11, 2),
      'a longer form than needed': spoil(12, 3, 0x7f),
      'kind 0': spoil(0, 1, 0),
      'kind 14': spoil(12, 1, 14),
    }
    for (const [what, bytes] of Object.entries(spoiled)) expect(tryDecode(bytes), what).toBeUndefined()
  })

  test('claimed lengths are not believed', () => {
    const huge = {
      'head with 2 ** 32 - 1 queues': '960b07cb427a3185c5000000ce0007a120ddffffffff',
      'head with 65,535 hours': '960b07cb427a3185c5000000ce0007a12090dcffff',
      'payload of 2 ** 32 - 1 bytes': '9801ce0007a120ce00011170cd0003cb427a3185c507b00002c6ffffffffc0',
      'extras of arrays in arrays': `9801ce0007a120ce00011170cd0003cb427a3185c507b00002c50000${'91'.repeat(100_000)}`,
      'extras of 2 ** 32 - 1 items': '9801ce0007a120ce00011170cd0003cb427a3185c507b00002c5000091ddffffffff00',
    }
    for (const [what, hex] of Object.entries(huge)) expect(tryDecode(Buffer.from(hex, 'hex')), what).toBeUndefined()
  })

  test('20,000 mutations are refused or read as a record that could have been written', () => {
    const seed = fc.sample(anyRecord, { numRuns: 400, seed: 11 }).map(bytesOf)
    let state = 12_345
    const random = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return (state >>> 8) % below
    }
    const interesting = [0x00, 0x7f, 0x80, 0x90, 0xc0, 0xc1, 0xc4, 0xc6, 0xc7, 0xcf, 0xd6, 0xda, 0xdd, 0xdf, 0xff]
    let read = 0
    for (let i = 0; i < 20_000; i++) {
      const bytes = Buffer.from(seed[i % seed.length]!)
      for (let n = random(3); n >= 0; n--) {
        const value = random(2) === 0 ? random(256) : interesting[random(interesting.length)]!
        // Mostly in front, where the structure is.
        bytes[random(random(2) === 0 ? Math.min(bytes.length, 60) : bytes.length)] = value
      }
      const cut = random(8) === 0 ? bytes.subarray(0, random(bytes.length + 1)) : bytes
      const record = tryDecode(cut)
      if (record === undefined) continue
      read++
      if ('extras' in record && record.extras !== undefined) {
        // Only passed over so far: to read them may fail, in no other way.
        try {
          decodeExtras(record.extras as Buffer, 0, record.extras.length)
        } catch (error) {
          if (!(error instanceof MalformedBytes)) throw error
        }
      }
      // Payload text that is no UTF-8 is for who decodes it.
      if (record.kind === 'new' && record.payloadKind === 1) continue
      const again = bytesOf(record)
      if (!again.equals(bytesOf(decode(again))))
        throw new Error(`${cut.toString('hex')} is read, but not as what it is`)
    }
    expect(read).toBeGreaterThan(1_000)
    expect(read).toBeLessThan(19_000)
  }, 30_000)
})

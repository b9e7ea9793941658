/** One record of each kind, with the bytes it must have for ever; and ways to write and to make up records. */

import fc from 'fast-check'
import { encodeExtras } from '../../src/model/extras.ts'
import {
  encodeHead,
  writeClean,
  writeDead,
  writeEnd,
  writeLease,
  writeNew,
  writePurge,
  writePut,
  writeQueue,
  writeRetire,
  writeSeal,
  writeStop,
  writeUnlease,
} from '../../src/model/record-writers.ts'
import type { NewRecord, TaskRecord } from '../../src/model/records.ts'
import { instantMsLimit } from '../../src/model/units.ts'

/** A record written at an odd offset of a dirty buffer, and cut out of it. */
export function bytesOf(record: TaskRecord): Buffer {
  if (record.kind === 'head') return Buffer.from(encodeHead(record))
  const into = Buffer.alloc(40_000, 0xa5)
  const end = write(into, 3, record)
  if (into[end] !== 0xa5) throw new Error('wrote beyond its end')
  return Buffer.from(into.subarray(3, end))
}

function write(into: Buffer, at: number, record: Exclude<TaskRecord, { kind: 'head' }>): number {
  switch (record.kind) {
    case 'new':
      return writeNew(
        into,
        at,
        record.homeHour,
        record.ordinal,
        record.queue,
        record.fireAt,
        payloadOf(record),
        record.extras,
      )
    case 'put':
      return writePut(into, at, record)
    case 'dead':
      return writeDead(into, at, record)
    case 'lease':
      return writeLease(into, at, record.homeHour, record.ordinal, record.queue, record.fence, record.losses)
    case 'end': {
      const { how, from, homeHour, ordinal, queue, placeHour, released } = record
      return writeEnd(into, at, how, from, homeHour, ordinal, queue, placeHour, released)
    }
    case 'unlease':
      return writeUnlease(into, at, record.homeHour, record.ordinal, record.queue, record.losses)
    case 'stop':
      return writeStop(into, at, record.homeHour, record.ordinal, record.queue)
    case 'purge':
      return writePurge(into, at, record.homeHour, record.ordinal, record.queue)
    case 'queue':
      return writeQueue(into, at, record.queue, record.name, record.paused)
    case 'retire':
      return writeRetire(into, at, record.oldestHour)
    case 'clean':
      return writeClean(into, at, record.wallMs)
    case 'seal':
      return writeSeal(into, at, record.nextFileNumber)
  }
}

function payloadOf(record: NewRecord): string | Uint8Array | undefined {
  if (record.payloadKind === 0) return undefined
  return record.payloadKind === 1 ? Buffer.from(record.payload).toString('utf8') : record.payload
}

const hello = Buffer.from('{"a":"é"}')
const extras = encodeExtras({ timeoutMs: 30_000 })
const task = { homeHour: 500_000, ordinal: 70_000, queue: 3, fireAt: 1_800_000_000_123 }
const counters = Float64Array.of(5_000_000_000, 300, 0, 4_999_999_699, 1, 0, 0, 0, 0, 0)

export const goldenRecords: readonly { readonly record: TaskRecord; readonly hex: string }[] = [
  {
    record: { kind: 'new', ...task, payloadKind: 1, payload: hello, extras: undefined },
    hex: '9801ce0007a120ce00011170cd0003cb427a3185c507b00001c5000a7b2261223a22c3a9227dc0',
  },
  {
    record: {
      kind: 'put',
      cause: 'retry',
      from: 'leased',
      ...task,
      placeHour: 500_001,
      leftHour: 500_000,
      attempt: 2,
      generation: 1,
      payloadKind: 2,
      payload: Buffer.from([1, 2, 3]),
      extras,
    },
    hex: '9e020101ce0007a120ce00011170cd0003cb427a3185c507b000ce0007a121ce0007a120cd0002ce0000000102c5000301020393c0c0cd7530',
  },
  {
    record: { kind: 'lease', homeHour: 500_000, ordinal: 1, queue: 3, fence: 300, losses: 0 },
    hex: '9603ce0007a120ce00000001cd0003cd012c00',
  },
  {
    record: {
      kind: 'end',
      how: 'succeeded',
      from: 'leased',
      homeHour: 500_000,
      ordinal: 1,
      queue: 3,
      placeHour: 500_002,
    },
    hex: '97040101ce0007a120ce00000001cd0003ce0007a122',
  },
  {
    record: { kind: 'unlease', homeHour: 500_000, ordinal: 1, queue: 3, losses: 4 },
    hex: '9505ce0007a120ce00000001cd000304',
  },
  {
    record: { kind: 'stop', homeHour: 500_000, ordinal: 4_294_967_295, queue: 65_535 },
    hex: '9406ce0007a120ceffffffffcdffff',
  },
  {
    record: {
      kind: 'dead',
      reason: 'attempts',
      from: 'leased',
      diedAt: 1_800_000_001_000,
      error: 'héllo',
      ...task,
      placeHour: 500_001,
      attempt: 10,
      generation: 0,
      payloadKind: 0,
      payload: Buffer.alloc(0),
      extras: undefined,
    },
    hex: '9f070101cb427a3185c53e8000da000668c3a96c6c6fce0007a120ce00011170cd0003cb427a3185c507b000ce0007a121cd000ace0000000000c50000c0',
  },
  { record: { kind: 'purge', homeHour: 500_000, ordinal: 1, queue: 3 }, hex: '9408ce0007a120ce00000001cd0003' },
  { record: { kind: 'queue', queue: 3, name: 'email', paused: true }, hex: '9409cd0003a5656d61696c01' },
  { record: { kind: 'retire', oldestHour: 500_000 }, hex: '920ace0007a120' },
  {
    record: {
      kind: 'head',
      openCount: 7,
      wallMs: 1_800_000_000_000,
      oldestHour: 500_000,
      queues: [{ queue: 3, name: 'email', paused: false, counters }],
      hours: [{ hour: 500_000, nextOrdinal: 70_001, live: 12 }],
    },
    hex: '960b07cb427a3185c5000000ce0007a120919dcd0003a5656d61696c00cb41f2a05f20000000cd012c00cb41f2a05f0d3000000100000000009193ce0007a120ce000111710c',
  },
  { record: { kind: 'clean', wallMs: 1_800_000_000_000 }, hex: '920ccb427a3185c5000000' },
  { record: { kind: 'seal', nextFileNumber: 200 }, hex: '920dccc8' },
  {
    record: {
      kind: 'end',
      how: 'cancelled',
      from: 'pending',
      homeHour: 500_000,
      ordinal: 1,
      queue: 3,
      placeHour: 500_002,
      released: { key: 'é-1', endedAt: 1_800_000_001_000, fireAt: 1_800_000_000_123, generation: 2 },
    },
    hex: '9b040200ce0007a120ce00000001cd0003ce0007a122a4c3a92d31cb427a3185c53e8000cb427a3185c507b000ce00000002',
  },
]

const hour = fc.integer({ min: 0, max: 2 ** 20 - 1 })
const uint16 = fc.integer({ min: 0, max: 65_535 })
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const whole = fc.maxSafeNat()
const wallMs = fc.maxSafeInteger().map((ms) => ms + 0)
const text = fc.string({ unit: 'binary', maxLength: 60 })
const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 })
const from = fc.constantFrom('pending' as const, 'leased' as const, 'dead' as const)

export const anyExtras = fc.record(
  {
    key: text,
    expiresAt: whole,
    timeoutMs: whole,
    retry: fc.record(
      {
        attempts: whole,
        backoff: fc.constantFrom('fixed' as const, 'exponential' as const),
        delayMs: whole,
        maxDelayMs: whole,
        jitter: fc.double({ min: 0, max: 1, noNaN: true }).map((share) => share + 0),
        maxAgeMs: whole,
      },
      { requiredKeys: [] },
    ),
    headers: fc.dictionary(fc.oneof(text, fc.constant('__proto__')), text, { maxKeys: 20, noNullPrototype: true }),
    firstFireAt: whole,
    lastError: fc.string({ unit: 'binary', maxLength: 400 }),
  },
  { requiredKeys: [] },
)

const ref = { homeHour: hour, ordinal: uint32, queue: uint16 }
const payload = fc.oneof(
  fc.constant({ payloadKind: 0, payload: Buffer.alloc(0) }),
  fc.string({ unit: 'binary', maxLength: 200 }).map((t) => ({ payloadKind: 1, payload: Buffer.from(t) })),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => ({ payloadKind: 2, payload: Buffer.from(bytes) })),
)
const encodedExtras = anyExtras.map((value) => ({ extras: encodeExtras(value) }))
const body = { ...ref, fireAt: fc.integer({ min: 0, max: instantMsLimit - 1 }) }
const version = { placeHour: hour, attempt: uint16, generation: uint32 }

function merged<A extends object, B extends object, C extends object>(a: A, b: B, c: C): A & B & C {
  return { ...a, ...b, ...c }
}

/** Any record there can be, of moderate size. */
export const anyRecord: fc.Arbitrary<TaskRecord> = fc.oneof(
  fc.tuple(fc.record({ kind: fc.constant('new' as const), ...body }), payload, encodedExtras).map((p) => merged(...p)),
  fc
    .tuple(
      fc.record({
        kind: fc.constant('put' as const),
        cause: fc.constantFrom('retry' as const, 'reschedule' as const, 'redrive' as const, 'replace' as const),
        from,
        ...body,
        ...version,
        leftHour: hour,
      }),
      payload,
      encodedExtras,
    )
    .map((p) => merged(...p)),
  fc
    .tuple(
      fc.record({
        kind: fc.constant('dead' as const),
        reason: fc.constantFrom(
          'attempts' as const,
          'lost' as const,
          'asked' as const,
          'damaged' as const,
          'maxAge' as const,
        ),
        from,
        diedAt: wallMs,
        error: text,
        ...body,
        ...version,
      }),
      payload,
      encodedExtras,
    )
    .map((p) => merged(...p)),
  fc.record({ kind: fc.constant('lease' as const), ...ref, fence: whole, losses: uint32 }),
  fc.record(
    {
      kind: fc.constant('end' as const),
      how: fc.constantFrom(
        'succeeded' as const,
        'cancelled' as const,
        'expired' as const,
        'damaged' as const,
        'replaced' as const,
      ),
      from,
      ...ref,
      placeHour: hour,
      released: fc.record({ key: name, endedAt: wallMs, fireAt: body.fireAt, generation: uint32 }),
    },
    { requiredKeys: ['kind', 'how', 'from', 'homeHour', 'ordinal', 'queue', 'placeHour'] },
  ),
  fc.record({ kind: fc.constant('unlease' as const), ...ref, losses: uint32 }),
  fc.record({ kind: fc.constantFrom('stop' as const, 'purge' as const), ...ref }) as fc.Arbitrary<TaskRecord>,
  fc.record({ kind: fc.constant('queue' as const), queue: uint16, name, paused: fc.boolean() }),
  fc.record({ kind: fc.constant('retire' as const), oldestHour: hour }),
  fc.record({
    kind: fc.constant('head' as const),
    openCount: uint32,
    wallMs,
    oldestHour: hour,
    queues: fc.array(
      fc.record({
        queue: uint16,
        name,
        paused: fc.boolean(),
        counters: fc.array(whole, { minLength: 10, maxLength: 10 }).map((values) => Float64Array.from(values)),
      }),
      { maxLength: 20 },
    ),
    hours: fc.array(fc.record({ hour, nextOrdinal: fc.integer({ min: 0, max: 2 ** 32 }), live: whole }), {
      maxLength: 40,
    }),
  }),
  fc.record({ kind: fc.constant('clean' as const), wallMs }),
  fc.record({ kind: fc.constant('seal' as const), nextFileNumber: whole }),
)

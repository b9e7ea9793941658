import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeExtras, encodeExtras } from '../../src/model/extras.ts'
import { MalformedBytes } from '../../src/model/msgpack.ts'
import {
  writeDeadFromBody,
  writePut,
  writePutFromBody,
  writePutFromParts,
  type DeadChanges,
  type PutChanges,
} from '../../src/model/record-writers.ts'
import {
  bodyAttempt,
  bodyFireAt,
  bodyGeneration,
  bodyHasExtras,
  bodyPayloadAt,
  bodyPayloadBytes,
  deadBytesMax,
  decodeRecord,
  putBytesMax,
  readBody,
  type DeadRecord,
  type NewRecord,
  type PutRecord,
} from '../../src/model/records.ts'
import { anyRecord, bytesOf, goldenRecords } from './records-samples.ts'

type BodyRecord = NewRecord | PutRecord | DeadRecord

const anyBody = anyRecord.filter(
  (record): record is BodyRecord => record.kind === 'new' || record.kind === 'put' || record.kind === 'dead',
)

function versionOf(record: BodyRecord): { placeHour: number; attempt: number; generation: number } {
  if (record.kind === 'new') return { placeHour: record.homeHour, attempt: 0, generation: 0 }
  const { placeHour, attempt, generation } = record
  return { placeHour, attempt, generation }
}

test('a body read in place is the record that was written', () => {
  fc.assert(
    fc.property(anyBody, fc.nat(9), (record, shift) => {
      const bytes = bytesOf(record)
      // Bytes behind it belong to other tasks: the body finds its own end.
      const block = Buffer.concat([Buffer.alloc(shift, 0xff), bytes, Buffer.alloc(40, 0xff)])
      const body = readBody(block, shift)
      const { homeHour, ordinal, queue, fireAt, payloadKind } = record
      expect(body).toMatchObject({
        kind: record.kind,
        homeHour,
        ordinal,
        queue,
        fireAt,
        payloadKind,
        ...versionOf(record),
      })
      expect(Buffer.from(body.payload)).toEqual(Buffer.from(record.payload))
      expect(body.end).toBe(shift + bytes.length)
      expect(body.hasExtras).toBe(record.extras !== undefined)
      expect(body.extrasBytes()).toEqual(record.extras)
      const extras = record.extras as Buffer | undefined
      expect(body.extras()).toEqual(extras === undefined ? {} : decodeExtras(extras, 0, extras.length))

      expect(bodyFireAt(block, shift)).toBe(fireAt)
      expect(bodyAttempt(block, shift)).toBe(body.attempt)
      expect(bodyGeneration(block, shift)).toBe(body.generation)
      expect(bodyPayloadAt(block, shift)).toBe(body.payloadAt)
      expect(bodyPayloadBytes(block, shift)).toBe(record.payload.length)
      expect(bodyHasExtras(block, shift)).toBe(body.hasExtras)
    }),
    { numRuns: 300 },
  )
})

test('a block of shared memory holds bodies as well', () => {
  const put = goldenRecords[1]!.record as PutRecord
  const block = Buffer.from(new SharedArrayBuffer(1_000))
  writePut(block, 500, put)
  const body = readBody(block, 500)
  expect(body.attempt).toBe(2)
  expect(Buffer.from(body.payload)).toEqual(put.payload)
  expect(body.extras()).toMatchObject({ timeoutMs: 30_000 })
})

describe('the next record of a body', () => {
  const changes: PutChanges = {
    cause: 'reschedule',
    from: 'pending',
    fireAt: 1_900_000_000_000,
    placeHour: 527_777,
    leftHour: 500_000,
    attempt: 3,
    generation: 9,
    extras: encodeExtras({ key: 'k' }),
  }

  test('a put keeps id, queue and payload, and takes over the rest', () => {
    fc.assert(
      fc.property(anyBody, (record) => {
        const into = Buffer.alloc(putBytesMax(record.payload, changes.extras) + 5)
        const end = writePutFromBody(into, 5, bytesOf(record), 0, changes)
        const { homeHour, ordinal, queue, payloadKind, payload } = record
        expect(decodeRecord(into, 5, end)).toEqual({
          kind: 'put',
          homeHour,
          ordinal,
          queue,
          payloadKind,
          payload,
          ...changes,
        })
      }),
      { numRuns: 200 },
    )
  })

  test('a death keeps all but the attempt', () => {
    const death: DeadChanges = {
      reason: 'asked',
      from: 'leased',
      diedAt: 5,
      error: 'nö',
      placeHour: 500_000,
      attempt: 4,
    }
    fc.assert(
      fc.property(anyBody, (record) => {
        const into = Buffer.alloc(deadBytesMax(death.error, record.payload, record.extras))
        const end = writeDeadFromBody(into, 0, bytesOf(record), 0, death)
        const { homeHour, ordinal, queue, fireAt, payloadKind, payload, extras } = record
        const { generation } = versionOf(record)
        const task = { homeHour, ordinal, queue, fireAt, payloadKind, payload, extras, generation }
        expect(decodeRecord(into, 0, end)).toEqual({ kind: 'dead', ...task, ...death })
      }),
      { numRuns: 200 },
    )
  })

  test('within one block, source and target may be the same memory', () => {
    const block = Buffer.alloc(2_000)
    const put = goldenRecords[1]!.record as PutRecord
    writePut(block, 0, put)
    const end = writePutFromBody(block, 0, block, 0, changes)
    expect(decodeRecord(block, 0, end)).toMatchObject({
      kind: 'put',
      ordinal: put.ordinal,
      payload: put.payload,
      generation: 9,
    })
  })

  test('a task from a segment becomes a body with its version', () => {
    const dead = goldenRecords[6]!.record as DeadRecord
    const into = Buffer.alloc(500)
    const end = writePutFromParts(into, 0, dead, 500_005)
    const body = readBody(into, 0)
    expect(body).toMatchObject({
      kind: 'put',
      placeHour: 500_005,
      attempt: 10,
      generation: 0,
      fireAt: dead.fireAt,
      end,
    })
  })
})

test('what is no body, or ends too early, is refused', () => {
  for (const { hex, record } of goldenRecords) {
    const bytes = Buffer.from(hex, 'hex')
    if (record.kind === 'new' || record.kind === 'put' || record.kind === 'dead') {
      for (let length = 0; length < bytes.length; length++) {
        expect(() => readBody(bytes.subarray(0, length), 0).end, `${record.kind} cut to ${length}`).toThrow(
          MalformedBytes,
        )
        expect(() => readBody(bytes, 0, length).end).toThrow(MalformedBytes)
      }
      expect(() => readBody(bytes, 1)).toThrow(MalformedBytes)
    } else expect(() => readBody(bytes, 0)).toThrow(MalformedBytes)
  }
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeExtras } from '../../src/model/extras.ts'
import { MalformedBytes } from '../../src/model/msgpack.ts'
import { writePut, writePutFromParts } from '../../src/model/record-writers.ts'
import { bodyHasExtras, readBody, type DeadRecord, type NewRecord, type PutRecord } from '../../src/model/records.ts'
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

/**
 * Reads records: the entries of the log, one plain msgpack array each (docs/format.md, "Records"). This is the front door
 * to their shapes and bodies as well; their writers are in record-writers.ts.
 *
 * Strict: a record is exactly what a writer makes of some values in range, and fills its bytes; anything else is MalformedBytes.
 * Two things are left to who uses them: what is inside payload and extras, and whether records fit each other.
 */

import type { EndHow, FromState } from './ledger.ts'
import { MalformedBytes, uint16At, uint32At } from './msgpack.ts'
import { MsgpackReader } from './msgpack-reader.ts'
import { isFireAt, TaskBody } from './record-bodies.ts'
import {
  deadErrorAt,
  deadReason,
  endHow,
  fromState,
  putCause,
  putFields,
  putFieldsAt,
  recordKind,
  type DeadReasonName,
  type HeadHour,
  type HeadQueue,
  type HeadRecord,
  type PutCause,
  type ReleasedKey,
  type TaskRecord,
} from './record-shapes.ts'
import { textAt, float64At } from './msgpack.ts'
import { counterNames } from './stats.ts'
import { hourLimit } from './units.ts'

export type * from './record-shapes.ts'
export { deadBytesMax, newBytesMax, putBytesMax, releasedBytesMax, smallRecordBytesMax } from './record-shapes.ts'
export { bodyHasExtras, readBody, TaskBody } from './record-bodies.ts'

/** Words by their number on disk. */
const causes = byNumber<PutCause>(putCause)
const reasons = byNumber<DeadReasonName>(deadReason)
const hows = byNumber<EndHow>(endHow)
const froms = byNumber<FromState>(fromState)

const uint32Limit = 2 ** 32
const wholeLimit = 2 ** 53
/** The least bytes of a queue and of an hour in a head record. */
const headQueueBytesMin = 1 + 3 + 2 + 1 + counterNames.length
const headHourBytesMin = 1 + 5 + 1 + 1

/** The record that fills `at` to `end`. Its payload and extras are views of `bytes`. */
export function decodeRecord(bytes: Buffer, at: number, end: number): TaskRecord {
  if (!(at >= 0 && at + 2 <= end && end <= bytes.length)) throw new MalformedBytes(at)
  const kind = bytes[at + 1]!
  if (kind === recordKind.new) {
    const body = new TaskBody(bytes, at, end)
    checkEnd(body, end)
    const { homeHour, ordinal, queue, fireAt, payloadKind, payload } = body
    return { kind: 'new', homeHour, ordinal, queue, fireAt, payloadKind, payload, extras: body.extrasBytes() }
  }
  if (kind === recordKind.put) return decodePut(bytes, at, end)
  if (kind === recordKind.dead) return decodeDead(bytes, at, end)
  return decodeSmall(bytes, at, end, kind)
}

function checkEnd(body: TaskBody, end: number): void {
  if (body.end !== end) throw new MalformedBytes(body.extrasAt)
}

function decodePut(bytes: Buffer, at: number, end: number): TaskRecord {
  const body = new TaskBody(bytes, at, end)
  checkEnd(body, end)
  const cause = wordOf(causes, bytes, at + 2)
  const from = wordOf(froms, bytes, at + 3)
  const leftHour = uint32At(bytes, at + putFieldsAt + putFields.leftHour + 1)
  if (leftHour >= hourLimit) throw new MalformedBytes(at)
  const { homeHour, ordinal, queue, fireAt, placeHour, attempt, generation, payloadKind, payload } = body
  return {
    kind: 'put',
    cause,
    from,
    homeHour,
    ordinal,
    queue,
    fireAt,
    placeHour,
    leftHour,
    attempt,
    generation,
    payloadKind,
    payload,
    extras: body.extrasBytes(),
  }
}

function decodeDead(bytes: Buffer, at: number, end: number): TaskRecord {
  const body = new TaskBody(bytes, at, end)
  checkEnd(body, end)
  const reason = wordOf(reasons, bytes, at + 2)
  const from = wordOf(froms, bytes, at + 3)
  const diedAt = float64At(bytes, at + 5)
  if (bytes[at + 4] !== 0xcb || !isWallMs(diedAt)) throw new MalformedBytes(at + 4)
  const errorAt = at + deadErrorAt
  const error = textAt(bytes, errorAt, errorAt + uint16At(bytes, errorAt - 2))
  const { homeHour, ordinal, queue, fireAt, placeHour, attempt, generation, payloadKind, payload } = body
  return {
    kind: 'dead',
    reason,
    from,
    diedAt,
    error,
    homeHour,
    ordinal,
    queue,
    fireAt,
    placeHour,
    attempt,
    generation,
    payloadKind,
    payload,
    extras: body.extrasBytes(),
  }
}

function decodeSmall(bytes: Buffer, at: number, end: number, kind: number): TaskRecord {
  const reader = new MsgpackReader(bytes, at, end)
  const count = reader.arrayHeader(1)
  reader.at = at + 2
  const record = readFields(reader, kind, count)
  reader.finish()
  return record
}

function readFields(reader: MsgpackReader, kind: number, count: number): TaskRecord {
  switch (kind) {
    case recordKind.lease: {
      checkCount(reader, count, 6)
      const homeHour = readHour(reader)
      const ordinal = reader.uint32()
      const queue = reader.uint16()
      return {
        kind: 'lease',
        homeHour,
        ordinal,
        queue,
        fence: reader.uint(wholeLimit),
        losses: reader.uint(uint32Limit),
      }
    }
    case recordKind.end: {
      if (count !== 11) checkCount(reader, count, 7)
      const how = wordOf(hows, reader.bytes, reader.at++)
      const from = wordOf(froms, reader.bytes, reader.at++)
      const homeHour = readHour(reader)
      const ordinal = reader.uint32()
      const queue = reader.uint16()
      const placeHour = readHour(reader)
      const end = { kind: 'end', how, from, homeHour, ordinal, queue, placeHour } as const
      return count === 7 ? end : { ...end, released: readReleased(reader) }
    }
    case recordKind.unlease: {
      checkCount(reader, count, 5)
      const homeHour = readHour(reader)
      const ordinal = reader.uint32()
      const queue = reader.uint16()
      return { kind: 'unlease', homeHour, ordinal, queue, losses: reader.uint(uint32Limit) }
    }
    case recordKind.stop:
      checkCount(reader, count, 4)
      return { kind: 'stop', homeHour: readHour(reader), ordinal: reader.uint32(), queue: reader.uint16() }
    case recordKind.purge:
      checkCount(reader, count, 4)
      return { kind: 'purge', homeHour: readHour(reader), ordinal: reader.uint32(), queue: reader.uint16() }
    case recordKind.queue:
      checkCount(reader, count, 4)
      return { kind: 'queue', queue: reader.uint16(), name: readName(reader), paused: reader.uint(2) === 1 }
    case recordKind.retire:
      checkCount(reader, count, 2)
      return { kind: 'retire', oldestHour: readHour(reader) }
    case recordKind.head:
      checkCount(reader, count, 6)
      return readHead(reader)
    case recordKind.clean:
      checkCount(reader, count, 2)
      return { kind: 'clean', wallMs: readWallMs(reader) }
    case recordKind.seal:
      checkCount(reader, count, 2)
      return { kind: 'seal', nextFileNumber: reader.uint(wholeLimit) }
    default:
      throw new MalformedBytes(reader.at - 1)
  }
}

function readReleased(reader: MsgpackReader): ReleasedKey {
  const key = readName(reader)
  const endedAt = readWallMs(reader)
  const fireAt = reader.float64()
  if (!isFireAt(fireAt)) throw new MalformedBytes(reader.at)
  return { key, endedAt, fireAt, generation: reader.uint32() }
}

function readHead(reader: MsgpackReader): HeadRecord {
  const openCount = reader.uint(uint32Limit)
  const wallMs = readWallMs(reader)
  const oldestHour = readHour(reader)
  const queues: HeadQueue[] = []
  const queueCount = reader.arrayHeader(headQueueBytesMin)
  for (let i = 0; i < queueCount; i++) {
    checkCount(reader, reader.arrayHeader(1), 3 + counterNames.length)
    const queue = reader.uint16()
    const name = readName(reader)
    const paused = reader.uint(2) === 1
    const counters = new Float64Array(counterNames.length)
    for (let j = 0; j < counters.length; j++) counters[j] = reader.uint(wholeLimit)
    queues.push({ queue, name, paused, counters })
  }
  const hours: HeadHour[] = []
  const hourCount = reader.arrayHeader(headHourBytesMin)
  for (let i = 0; i < hourCount; i++) {
    checkCount(reader, reader.arrayHeader(1), 3)
    // An hour all of whose ordinals are used has 2 ** 32 as its next one.
    hours.push({ hour: readHour(reader), nextOrdinal: reader.uint(uint32Limit + 1), live: reader.uint(wholeLimit) })
  }
  return { kind: 'head', openCount, wallMs, oldestHour, queues, hours }
}

function readHour(reader: MsgpackReader): number {
  const hour = reader.uint32()
  if (hour >= hourLimit) throw new MalformedBytes(reader.at)
  return hour
}

function readName(reader: MsgpackReader): string {
  const name = reader.text()
  if (name === '') throw new MalformedBytes(reader.at)
  return name
}

function readWallMs(reader: MsgpackReader): number {
  const wallMs = reader.float64()
  if (!isWallMs(wallMs)) throw new MalformedBytes(reader.at)
  return wallMs
}

/** What a clock says may be any whole number, right or wrong. */
function isWallMs(ms: number): boolean {
  return Number.isSafeInteger(ms)
}

function checkCount(reader: MsgpackReader, count: number, expected: number): void {
  if (count !== expected) throw new MalformedBytes(reader.at)
}

function wordOf<T extends string>(words: readonly (T | undefined)[], bytes: Buffer, at: number): T {
  const word = words[bytes[at]!]
  if (word === undefined) throw new MalformedBytes(at)
  return word
}

function byNumber<T extends string>(numbers: { readonly [word in T]: number }): readonly (T | undefined)[] {
  const words: (T | undefined)[] = new Array<T | undefined>(256).fill(undefined)
  for (const word of Object.keys(numbers) as T[]) words[numbers[word]] = word
  return words
}

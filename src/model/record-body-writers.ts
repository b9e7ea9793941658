/**
 * Writes the records that carry a whole task: `new`, `put`, `dead`. For the rules see record-writers.ts, their front door.
 */

import type { FromState } from './ledger.ts'
import { checkTextBytes, nilByte, writeFloat64, writeUint16, writeUint32 } from './msgpack.ts'
import { isFireAt } from './record-bodies.ts'
import { checkRef, checkRoom, writeHour, writeWallMs } from './record-field-writers.ts'
import {
  deadBytesMax,
  deadErrorAt,
  deadReason,
  fromState,
  newBytesAround,
  newFields,
  newFieldsAt,
  payloadBytesBound,
  payloadKindLimit,
  putBytesMax,
  putCause,
  putFieldsAt,
  recordKind,
  type BodyParts,
  type DeadRecord,
  type PutCause,
  type PutRecord,
} from './record-shapes.ts'

const bin16Limit = 2 ** 16

/** A task as it is accepted. Text is JSON and becomes payload kind 1, bytes kind 2, undefined kind 0. */
export function writeNew(
  into: Buffer,
  at: number,
  homeHour: number,
  ordinal: number,
  queue: number,
  fireAt: number,
  payload: string | Uint8Array | undefined,
  extras: Uint8Array | undefined,
): number {
  const bound = payloadBytesBound(payload)
  checkRoom(into, at, newBytesAround(bound, extras))
  checkBody(homeHour, ordinal, queue, fireAt)
  into[at] = 0x98
  into[at + 1] = recordKind.new
  writeCommon(into, at + newFieldsAt, homeHour, ordinal, queue, fireAt)
  const payloadKindAt = at + newFieldsAt + newFields.payloadKind
  into[payloadKindAt] = payload === undefined ? 0 : typeof payload === 'string' ? 1 : 2
  // Short text is measured by being written: its header is chosen before by what it may take at most.
  const isLong = bound >= bin16Limit
  const payloadAt = payloadKindAt + (isLong ? 6 : 4)
  let payloadBytes = 0
  if (typeof payload === 'string') payloadBytes = into.write(payload, payloadAt, 'utf8')
  else if (payload !== undefined) {
    into.set(payload, payloadAt)
    payloadBytes = payload.length
  }
  if (isLong) {
    into[payloadKindAt + 1] = 0xc6
    writeUint32(into, payloadKindAt + 2, payloadBytes)
  } else {
    into[payloadKindAt + 1] = 0xc5
    writeUint16(into, payloadKindAt + 2, payloadBytes)
  }
  return writeExtras(into, payloadAt + payloadBytes, extras)
}

export function writePut(into: Buffer, at: number, put: PutRecord): number {
  return putParts(into, at, put.cause, put.from, put, put.placeHour, put.leftHour)
}

/**
 * A task read from a segment as a body in memory. It is a `put` that no log has, so cause and state left say nothing.
 */
export function writePutFromParts(into: Buffer, at: number, parts: BodyParts, placeHour: number): number {
  return putParts(into, at, 'retry', 'pending', parts, placeHour, placeHour)
}

export function writeDead(into: Buffer, at: number, dead: DeadRecord): number {
  const { error, homeHour, ordinal, queue, fireAt, payload, extras } = dead
  checkRoom(into, at, deadBytesMax(error, payload, extras))
  checkBody(homeHour, ordinal, queue, fireAt)
  const errorBytes = into.write(error, at + deadErrorAt, 'utf8')
  checkTextBytes(errorBytes)
  into[at] = 0x9f
  into[at + 1] = recordKind.dead
  into[at + 2] = deadReason[dead.reason]
  into[at + 3] = fromState[dead.from]
  at = writeWallMs(into, at + 4, dead.diedAt)
  into[at] = 0xda
  writeUint16(into, at + 1, errorBytes)
  at = writeCommon(into, at + 3 + errorBytes, homeHour, ordinal, queue, fireAt)
  return writeVersion(into, writeHour(into, at, dead.placeHour), dead)
}

function putParts(
  into: Buffer,
  at: number,
  cause: PutCause,
  from: FromState,
  parts: BodyParts,
  placeHour: number,
  leftHour: number,
): number {
  const { homeHour, ordinal, queue, fireAt, payload, extras } = parts
  checkRoom(into, at, putBytesMax(payload, extras))
  checkBody(homeHour, ordinal, queue, fireAt)
  into[at] = 0x9e
  into[at + 1] = recordKind.put
  into[at + 2] = putCause[cause]
  into[at + 3] = fromState[from]
  at = writeCommon(into, at + putFieldsAt, homeHour, ordinal, queue, fireAt)
  return writeVersion(into, writeHour(into, writeHour(into, at, placeHour), leftHour), parts)
}

/** What `put` and `dead` end with. */
function writeVersion(into: Buffer, at: number, parts: BodyParts): number {
  const { attempt, generation, payloadKind, payload, extras } = parts
  const { length } = payload
  if ((attempt & 0xffff) !== attempt) throw new RangeError(`attempt ${attempt} is out of range`)
  if (generation >>> 0 !== generation) throw new RangeError(`generation ${generation} is out of range`)
  if (payloadKind >>> 0 !== payloadKind || payloadKind >= payloadKindLimit || (payloadKind === 0 && length > 0)) {
    throw new RangeError(`a payload of kind ${payloadKind} with ${length} bytes is not possible`)
  }
  into[at] = 0xcd
  writeUint16(into, at + 1, attempt)
  into[at + 3] = 0xce
  writeUint32(into, at + 4, generation)
  into[at + 8] = payloadKind
  if (length < bin16Limit) {
    into[at + 9] = 0xc5
    writeUint16(into, at + 10, length)
    at += 12
  } else {
    into[at + 9] = 0xc6
    writeUint32(into, at + 10, length)
    at += 14
  }
  into.set(payload, at)
  return writeExtras(into, at + length, extras)
}

function writeExtras(into: Buffer, at: number, extras: Uint8Array | undefined): number {
  if (extras === undefined) {
    into[at] = nilByte
    return at + 1
  }
  into.set(extras, at)
  return at + extras.length
}

function writeCommon(
  into: Buffer,
  at: number,
  homeHour: number,
  ordinal: number,
  queue: number,
  fireAt: number,
): number {
  into[at] = 0xce
  writeUint32(into, at + 1, homeHour)
  into[at + 5] = 0xce
  writeUint32(into, at + 6, ordinal)
  into[at + 10] = 0xcd
  writeUint16(into, at + 11, queue)
  return writeFloat64(into, at + 13, fireAt)
}

function checkBody(homeHour: number, ordinal: number, queue: number, fireAt: number): void {
  checkRef(homeHour, ordinal, queue)
  if (!isFireAt(fireAt)) throw new RangeError(`a fire time of ${fireAt} is out of range`)
}

/**
 * Writes records (docs/format.md, "Records") into a buffer at an offset; each writer answers the end offset. Kinds that carry
 * a body need the room that `newBytesMax`, `putBytesMax` or `deadBytesMax` says, the others `smallRecordBytesMax`.
 *
 * A writer throws rather than write what a reader would refuse, or beyond its room: that would be found at the next start,
 * when it is too late. Nothing that counts has been written then.
 */

import type { EndHow, FromState } from './ledger.ts'
import { textBytesMax, writeArrayHeader, writeFloat64, writeText, writeUint, writeUint32 } from './msgpack.ts'
import { isFireAt } from './record-bodies.ts'
import { checkRoom, writeHour, writeQueueNumber, writeRef, writeWallMs } from './record-field-writers.ts'
import {
  endHow,
  fromState,
  recordKind,
  releasedBytesMax,
  smallRecordBytesMax,
  type HeadRecord,
  type ReleasedKey,
} from './record-shapes.ts'
import { counterNames } from './stats.ts'

export { writeDead, writeNew, writePut, writePutFromParts } from './record-body-writers.ts'

const uint32Limit = 2 ** 32

export function writeLease(
  into: Buffer,
  at: number,
  homeHour: number,
  ordinal: number,
  queue: number,
  fence: number,
  losses: number,
): number {
  at = writeUint(into, writeTaskRef(into, at, 6, recordKind.lease, homeHour, ordinal, queue), fence)
  return writeUint32Shortest(into, at, losses)
}

export function writeEnd(
  into: Buffer,
  at: number,
  how: EndHow,
  from: FromState,
  homeHour: number,
  ordinal: number,
  queue: number,
  placeHour: number,
  released?: ReleasedKey,
): number {
  checkRoom(into, at, smallRecordBytesMax + releasedBytesMax(released))
  into[at] = released === undefined ? 0x97 : 0x9b
  into[at + 1] = recordKind.end
  into[at + 2] = endHow[how]
  into[at + 3] = fromState[from]
  at = writeHour(into, writeRef(into, at + 4, homeHour, ordinal, queue), placeHour)
  return released === undefined ? at : writeReleased(into, at, released)
}

function writeReleased(into: Buffer, at: number, { key, endedAt, fireAt, generation }: ReleasedKey): number {
  if (key === '') throw new RangeError('a key is empty')
  if (!isFireAt(fireAt)) throw new RangeError(`a fire time of ${fireAt} is out of range`)
  if (generation >>> 0 !== generation) throw new RangeError(`a generation of ${generation} is out of range`)
  at = writeWallMs(into, writeText(into, at, key), endedAt)
  at = writeFloat64(into, at, fireAt)
  into[at] = 0xce
  writeUint32(into, at + 1, generation)
  return at + 5
}

export function writeUnlease(
  into: Buffer,
  at: number,
  homeHour: number,
  ordinal: number,
  queue: number,
  losses: number,
): number {
  at = writeTaskRef(into, at, 5, recordKind.unlease, homeHour, ordinal, queue)
  return writeUint32Shortest(into, at, losses)
}

export function writeStop(into: Buffer, at: number, homeHour: number, ordinal: number, queue: number): number {
  return writeTaskRef(into, at, 4, recordKind.stop, homeHour, ordinal, queue)
}

export function writePurge(into: Buffer, at: number, homeHour: number, ordinal: number, queue: number): number {
  return writeTaskRef(into, at, 4, recordKind.purge, homeHour, ordinal, queue)
}

/** Takes `smallRecordBytesMax` and three times the name's length at most. */
export function writeQueue(into: Buffer, at: number, queue: number, name: string, paused: boolean): number {
  checkRoom(into, at, smallRecordBytesMax + name.length * 3)
  into[at] = 0x94
  into[at + 1] = recordKind.queue
  return writeQueueFields(into, at + 2, queue, name, paused)
}

export function writeRetire(into: Buffer, at: number, oldestHour: number): number {
  checkRoom(into, at, smallRecordBytesMax)
  into[at] = 0x92
  into[at + 1] = recordKind.retire
  return writeHour(into, at + 2, oldestHour)
}

/** Takes 11 bytes. */
export function writeClean(into: Buffer, at: number, wallMs: number): number {
  checkRoom(into, at, 11)
  into[at] = 0x92
  into[at + 1] = recordKind.clean
  return writeWallMs(into, at + 2, wallMs)
}

/** Takes 11 bytes at most. */
export function writeSeal(into: Buffer, at: number, nextFileNumber: number): number {
  checkRoom(into, at, 11)
  into[at] = 0x92
  into[at + 1] = recordKind.seal
  return writeUint(into, at + 2, nextFileNumber)
}

/** Of any size: it grows with the number of queues and hours. */
export function encodeHead(head: Omit<HeadRecord, 'kind'>): Uint8Array {
  let bytesMax = smallRecordBytesMax
  for (const { name, counters } of head.queues) bytesMax += 5 + textBytesMax(name) + counters.length * 9
  bytesMax += head.hours.length * 24
  const into = Buffer.allocUnsafeSlow(bytesMax)
  into[0] = 0x96
  into[1] = recordKind.head
  let at = writeUint32Shortest(into, 2, head.openCount)
  at = writeWallMs(into, at, head.wallMs)
  at = writeHour(into, at, head.oldestHour)
  at = writeArrayHeader(into, at, head.queues.length)
  for (const { queue, name, paused, counters } of head.queues) {
    if (counters.length !== counterNames.length) throw new RangeError(`queue ${name} has ${counters.length} counters`)
    at = writeArrayHeader(into, at, 3 + counters.length)
    at = writeQueueFields(into, at, queue, name, paused)
    for (const value of counters) at = writeUint(into, at, value)
  }
  at = writeArrayHeader(into, at, head.hours.length)
  for (const { hour, nextOrdinal, live } of head.hours) {
    at = writeArrayHeader(into, at, 3)
    at = writeHour(into, at, hour)
    at = writeUint(into, at, nextOrdinal)
    at = writeUint(into, at, live)
  }
  return into.subarray(0, at)
}

/** A small record that begins with the task it is about. */
function writeTaskRef(
  into: Buffer,
  at: number,
  count: number,
  kind: number,
  homeHour: number,
  ordinal: number,
  queue: number,
): number {
  checkRoom(into, at, smallRecordBytesMax)
  into[at] = 0x90 | count
  into[at + 1] = kind
  return writeRef(into, at + 2, homeHour, ordinal, queue)
}

function writeQueueFields(into: Buffer, at: number, queue: number, name: string, paused: boolean): number {
  if (name === '') throw new RangeError('a queue has an empty name')
  at = writeText(into, writeQueueNumber(into, at, queue), name)
  return writeUint(into, at, paused ? 1 : 0)
}

function writeUint32Shortest(into: Buffer, at: number, value: number): number {
  if (value >= uint32Limit) throw new RangeError(`${value} is out of range`)
  return writeUint(into, at, value)
}

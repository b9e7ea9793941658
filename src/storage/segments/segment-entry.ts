/**
 * Entries of a segment: one task each, as a compact msgpack array (docs/format.md, "Segment", "Entry"); their shape and
 * their writer. `EntryReader` reads them.
 */

import {
  textBytesMax,
  writeArrayHeader,
  writeNil,
  writeText,
  writeUint,
  writeUint16,
  writeUint32,
} from '../../model/msgpack.ts'
import { deadReason, type DeadReasonName } from '../../model/record-shapes.ts'
import { hourMs } from '../../model/units.ts'

export interface SegmentEntry {
  readonly placeHour: number
  readonly homeHour: number
  readonly ordinal: number
  /** Of the task's newest whole record. */
  readonly lsn: number
  readonly queue: number
  readonly fireAt: number
  readonly attempt: number
  readonly generation: number
  readonly payloadKind: number
  readonly payload: Uint8Array
  /** One msgpack value (model/extras.ts); undefined for none. */
  readonly extras: Uint8Array | undefined
  /** In segments of dead letters, and only there. */
  readonly dead: DeadPart | undefined
}

export interface DeadPart {
  readonly reason: DeadReasonName
  readonly diedAt: number
  readonly error: string
}

/** What entries are sorted by. */
export interface SegmentKey {
  /** The place hour. */
  readonly hour: number
  readonly orderAt: number
  readonly homeHour: number
  readonly ordinal: number
}

/** Values of an entry with nothing but what every task has; with all that a task can have; of a dead letter. */
export const plainCount = 6
export const fullCount = 10
export const deadCount = 13

export function orderAtOf(entry: SegmentEntry): number {
  return Math.max(entry.fireAt, entry.placeHour * hourMs)
}

/** The most bytes that an entry takes. */
export function entryBytesMax(entry: SegmentEntry): number {
  const { payload, extras, dead } = entry
  return 64 + payload.length + (extras?.length ?? 1) + (dead === undefined ? 0 : 16 + textBytesMax(dead.error))
}

/** Answers where the entry ends. There must be room for `entryBytesMax`. */
export function writeEntry(into: Buffer, at: number, entry: SegmentEntry, lsnBase: number): number {
  const { placeHour, homeHour, attempt, generation, payload, extras, dead } = entry
  let count = plainCount
  if (dead !== undefined) count = deadCount
  else if (homeHour !== placeHour) count = fullCount
  else if (extras !== undefined) count = fullCount - 1
  else if (generation !== 0) count = fullCount - 2
  else if (attempt !== 0) count = fullCount - 3
  const away = entry.lsn - lsnBase
  at = writeArrayHeader(into, at, count)
  at = writeUint(into, at, entry.ordinal)
  at = writeUint(into, at, away >= 0 ? away * 2 : away * -2 - 1)
  at = writeUint(into, at, (placeHour + 1) * hourMs - 1 - entry.fireAt)
  at = writeUint(into, at, entry.queue)
  at = writeUint(into, at, entry.payloadKind)
  at = writeBytes(into, at, payload)
  if (count > plainCount) at = writeUint(into, at, attempt)
  if (count > plainCount + 1) at = writeUint(into, at, generation)
  if (count > plainCount + 2) {
    if (extras === undefined) at = writeNil(into, at)
    else {
      into.set(extras, at)
      at += extras.length
    }
  }
  if (count > plainCount + 3) at = homeHour === placeHour ? writeNil(into, at) : writeUint(into, at, homeHour)
  if (dead !== undefined) {
    at = writeUint(into, at, deadReason[dead.reason])
    at = writeUint(into, at, dead.diedAt)
    at = writeText(into, at, dead.error)
  }
  return at
}

function writeBytes(into: Buffer, at: number, bytes: Uint8Array): number {
  const { length } = bytes
  if (length < 256) {
    into[at] = 0xc4
    into[at + 1] = length
    at += 2
  } else if (length < 65_536) {
    into[at] = 0xc5
    writeUint16(into, at + 1, length)
    at += 3
  } else {
    into[at] = 0xc6
    writeUint32(into, at + 1, length)
    at += 5
  }
  into.set(bytes, at)
  return at + length
}

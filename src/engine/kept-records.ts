/**
 * The records of a log file that a checkpoint keeps: their bytes in a few large buffers, what they are sorted by in columns. An
 * entry of a segment is made of one only when it is written: a hundred thousand at once would take ten times their bytes.
 */

import { refuse } from '../model/errors.ts'
import { decodeRecord, readBody, type DeadRecord, type NewRecord, type PutRecord } from '../model/records.ts'
import { recordKind } from '../model/record-shapes.ts'
import { hourMs } from '../model/units.ts'
import { spareBuffers } from '../storage/spare-buffers.ts'
import type { SegmentEntry } from '../storage/segments/segment-reader.ts'

const bufferBytes = 1 << 20
const bytesPerRecord = 43

interface ColumnType<T> {
  readonly BYTES_PER_ELEMENT: number
  new (buffer: ArrayBufferLike, at: number, length: number): T
}

export class KeptRecords {
  count = 0
  readonly #buffers: Buffer[] = []
  /** Bytes used of the last buffer. */
  #used = bufferBytes
  readonly #buffer: Uint16Array
  readonly #at: Uint32Array
  readonly #length: Uint32Array
  readonly #lsn: Float64Array
  readonly #isDead: Uint8Array
  readonly #placeHour: Uint32Array
  readonly #orderAt: Float64Array
  readonly #homeHour: Uint32Array
  readonly #ordinal: Uint32Array
  /** What was sorted last. */
  readonly #order: Uint32Array

  /** All of the columns. */
  readonly #columns: Buffer

  constructor(countMax: number) {
    this.#columns = spareBuffers.take(countMax * bytesPerRecord)
    const { buffer } = this.#columns
    let at = 0
    const column = <T>(Cells: ColumnType<T>): T => {
      const cells = new Cells(buffer, at, countMax)
      at += countMax * Cells.BYTES_PER_ELEMENT
      return cells
    }
    // The widest first, so that each is aligned.
    this.#lsn = column(Float64Array)
    this.#orderAt = column(Float64Array)
    this.#at = column(Uint32Array)
    this.#length = column(Uint32Array)
    this.#placeHour = column(Uint32Array)
    this.#homeHour = column(Uint32Array)
    this.#ordinal = column(Uint32Array)
    this.#order = column(Uint32Array)
    this.#buffer = column(Uint16Array)
    this.#isDead = column(Uint8Array)
  }

  /** Copies the record, which must carry a task; answers whether it does. */
  add(bytes: Buffer, at: number, end: number, lsn: number): boolean {
    const kind = bytes[at + 1]!
    if (kind !== recordKind.new && kind !== recordKind.put && kind !== recordKind.dead) return false
    const { placeHour, fireAt, homeHour, ordinal } = readBody(bytes, at, end)
    const index = this.count++
    const length = end - at
    if (this.#used + length > (this.#buffers.at(-1)?.length ?? 0)) {
      this.#buffers.push(spareBuffers.take(Math.max(bufferBytes, length)))
      this.#used = 0
    }
    bytes.copy(this.#buffers.at(-1)!, this.#used, at, end)
    this.#buffer[index] = this.#buffers.length - 1
    this.#at[index] = this.#used
    this.#length[index] = length
    this.#used += length
    this.#lsn[index] = lsn
    this.#isDead[index] = kind === recordKind.dead ? 1 : 0
    this.#placeHour[index] = placeHour
    this.#orderAt[index] = Math.max(fireAt, placeHour * hourMs)
    this.#homeHour[index] = homeHour
    this.#ordinal[index] = ordinal
    return true
  }

  /** Lets go of the records: from here on this holds none. */
  release(): void {
    for (const buffer of this.#buffers.splice(0)) spareBuffers.give(buffer)
    spareBuffers.give(this.#columns)
    this.count = 0
  }

  /** Indexes of the live tasks or of the dead letters, in the order of segments; until it is asked for again. */
  sorted(kind: 'tasks' | 'dead'): Uint32Array {
    const wanted = kind === 'dead' ? 1 : 0
    const indexes = this.#order
    let count = 0
    for (let index = 0; index < this.count; index++) if (this.#isDead[index] === wanted) indexes[count++] = index
    const hours = this.#placeHour
    const orderAts = this.#orderAt
    const homes = this.#homeHour
    const ordinals = this.#ordinal
    return indexes
      .subarray(0, count)
      .sort(
        (a, b) =>
          hours[a]! - hours[b]! || orderAts[a]! - orderAts[b]! || homes[a]! - homes[b]! || ordinals[a]! - ordinals[b]!,
      )
  }

  placeHour(index: number): number {
    return this.#placeHour[index]!
  }

  *entries(indexes: Uint32Array): Generator<SegmentEntry, void, undefined> {
    for (const index of indexes) {
      const at = this.#at[index]!
      const record = decodeRecord(this.#buffers[this.#buffer[index]!]!, at, at + this.#length[index]!)
      if (record.kind !== 'new' && record.kind !== 'put' && record.kind !== 'dead') {
        throw refuse('HW_INTERNAL', `a record of kind ${record.kind} carries no task`)
      }
      yield entryOf(record, this.#lsn[index]!)
    }
  }
}

function entryOf(record: NewRecord | PutRecord | DeadRecord, lsn: number): SegmentEntry {
  const { homeHour, ordinal, queue, fireAt, payloadKind, payload, extras } = record
  const moved = record.kind === 'new' ? undefined : record
  return {
    placeHour: moved?.placeHour ?? homeHour,
    homeHour,
    ordinal,
    lsn,
    queue,
    fireAt,
    attempt: moved?.attempt ?? 0,
    generation: moved?.generation ?? 0,
    payloadKind,
    payload,
    extras,
    dead: record.kind === 'dead' ? deathOf(record) : undefined,
  }
}

function deathOf({ reason, diedAt, error }: DeadRecord): SegmentEntry['dead'] {
  return { reason, diedAt, error }
}

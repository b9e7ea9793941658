/**
 * Reads entries of a segment (segment-entry.ts), one after the other, into its own fields: no object per entry.
 *
 * Payload and extras are views, made when asked for, that hold until the bytes they are in are read over. What was read has
 * been checked to be in range and within the given end; anything else is MalformedBytes.
 */

import { float64At, MalformedBytes, nilByte, skip, uint16At, uint32At } from '../../model/msgpack.ts'
import { MsgpackReader } from '../../model/msgpack-reader.ts'
import { deadReason, payloadKindLimit, type DeadReasonName } from '../../model/record-shapes.ts'
import { hourLimit, hourMs } from '../../model/units.ts'
import { deadCount, fullCount, plainCount, type DeadPart, type SegmentEntry, type SegmentKey } from './segment-entry.ts'

/** In the order of their numbers, from 1. */
const reasonNames = Object.keys(deadReason) as DeadReasonName[]

export class EntryReader implements SegmentEntry, SegmentKey {
  /** The hour and instant of what is read, set with `start`. */
  hour = 0
  orderAt = 0
  homeHour = 0
  ordinal = 0
  lsn = 0
  queue = 0
  fireAt = 0
  attempt = 0
  generation = 0
  payloadKind = 0
  payloadAt = 0
  payloadBytes = 0
  /** Where the next entry begins. */
  at = 0
  readonly #lsnBase: number
  readonly #isDead: boolean
  #bytes: Buffer = Buffer.alloc(0)
  #end = 0
  #hourStart = 0
  #extrasAt = 0
  #extrasEnd = 0
  #deadAt = 0

  constructor(lsnBase: number, isDead: boolean) {
    this.#lsnBase = lsnBase
    this.#isDead = isDead
  }

  get placeHour(): number {
    return this.hour
  }

  get payload(): Buffer {
    return this.#bytes.subarray(this.payloadAt, this.payloadAt + this.payloadBytes)
  }

  get extras(): Buffer | undefined {
    return this.#extrasEnd === 0 ? undefined : this.#bytes.subarray(this.#extrasAt, this.#extrasEnd)
  }

  get dead(): DeadPart | undefined {
    return this.#isDead ? readDead(this.#bytes, this.#deadAt, this.at) : undefined
  }

  /** Entries of an hour lie from `at` to `end`. */
  start(bytes: Buffer, at: number, end: number, hour: number): void {
    this.#bytes = bytes
    this.at = at
    this.#end = end
    this.hour = hour
    this.#hourStart = hour * hourMs
  }

  get isAtEnd(): boolean {
    return this.at >= this.#end
  }

  /** Reads the entry at `at`. */
  next(): void {
    const bytes = this.#bytes
    const at = this.at
    // Without a look at the end for every value: what lies behind it may be read, but is not accepted.
    const count = bytes[at]! - 0x90
    if (this.#isDead ? count !== deadCount : !(count >= plainCount && count <= fullCount)) throw new MalformedBytes(at)
    this.at = at + 1
    const ordinal = this.#uint()
    const away = this.#uint()
    const beforeEnd = this.#uint()
    const queue = this.#uint()
    const payloadKind = bytes[this.at++]!
    this.#payload()
    const lsn = this.#lsnBase + ((away & 1) === 0 ? away / 2 : (away + 1) / -2)
    const fireAt = this.#hourStart + (hourMs - 1) - beforeEnd
    if (count === plainCount) {
      this.attempt = 0
      this.generation = 0
      this.homeHour = this.hour
      this.#extrasEnd = 0
    } else this.#rest(count)
    if (
      this.at > this.#end ||
      ordinal >= 2 ** 32 ||
      queue >= 65_536 ||
      payloadKind >= payloadKindLimit ||
      !(lsn > 0 && lsn <= Number.MAX_SAFE_INTEGER && fireAt >= 0)
    ) {
      throw new MalformedBytes(at)
    }
    this.ordinal = ordinal
    this.lsn = lsn
    this.queue = queue
    this.fireAt = fireAt
    this.orderAt = fireAt > this.#hourStart ? fireAt : this.#hourStart
    this.payloadKind = payloadKind
  }

  /** A copy that stays when the reader goes on; payload and extras are still views. */
  copy(): SegmentEntry {
    const { placeHour, homeHour, ordinal, lsn, queue, fireAt, attempt, generation, payloadKind, payload, extras } = this
    const { dead } = this
    return { placeHour, homeHour, ordinal, lsn, queue, fireAt, attempt, generation, payloadKind, payload, extras, dead }
  }

  #rest(count: number): void {
    const start = this.at
    const attempt = this.#uint()
    const generation = count > plainCount + 1 ? this.#uint() : 0
    this.#extrasEnd = 0
    if (count > plainCount + 2) {
      this.#extrasAt = this.at
      this.at = skip(this.#bytes, this.at, this.#end)
      if (this.#bytes[this.#extrasAt] !== nilByte) this.#extrasEnd = this.at
    }
    this.homeHour = this.hour
    if (count > plainCount + 3) {
      if (this.#bytes[this.at] === nilByte) this.at++
      else {
        this.homeHour = this.#uint()
        if (this.homeHour === this.hour) throw new MalformedBytes(start)
      }
    }
    if (count === deadCount) {
      this.#deadAt = this.at
      for (let part = fullCount; part < deadCount; part++) this.at = skip(this.#bytes, this.at, this.#end)
      readDead(this.#bytes, this.#deadAt, this.at)
    } else if (!this.#endsInMore(count, attempt, generation)) throw new MalformedBytes(start)
    if (attempt >= 65_536 || generation >= 2 ** 32 || this.homeHour >= hourLimit) throw new MalformedBytes(start)
    this.attempt = attempt
    this.generation = generation
  }

  /** Whether the last value is not one that would have been left out. */
  #endsInMore(count: number, attempt: number, generation: number): boolean {
    if (count === plainCount + 1) return attempt !== 0
    if (count === plainCount + 2) return generation !== 0
    return count === plainCount + 3 ? this.#extrasEnd !== 0 : this.homeHour !== this.hour
  }

  #payload(): void {
    const bytes = this.#bytes
    const at = this.at
    const first = bytes[at]
    if (first === 0xc4) {
      this.payloadBytes = bytes[at + 1]!
      this.payloadAt = at + 2
    } else if (first === 0xc5) {
      this.payloadBytes = uint16At(bytes, at + 1)
      this.payloadAt = at + 3
    } else if (first === 0xc6) {
      this.payloadBytes = uint32At(bytes, at + 1)
      this.payloadAt = at + 5
    } else throw new MalformedBytes(at)
    this.at = this.payloadAt + this.payloadBytes
    if (!(this.at <= this.#end)) throw new MalformedBytes(at)
  }

  #uint(): number {
    const bytes = this.#bytes
    const at = this.at
    const first = bytes[at]!
    if (first < 128) {
      this.at = at + 1
      return first
    }
    if (first === 0xce) {
      this.at = at + 5
      return uint32At(bytes, at + 1)
    }
    if (first === 0xcd) {
      this.at = at + 3
      return uint16At(bytes, at + 1)
    }
    if (first === 0xcc) {
      this.at = at + 2
      return bytes[at + 1]!
    }
    if (first !== 0xcb) throw new MalformedBytes(at)
    this.at = at + 9
    const value = float64At(bytes, at + 1)
    if (!Number.isSafeInteger(value) || value < 0) throw new MalformedBytes(at)
    return value
  }
}

function readDead(bytes: Buffer, at: number, end: number): DeadPart {
  const reader = new MsgpackReader(bytes, at, end)
  const reason = reasonNames[reader.uint(reasonNames.length + 1) - 1]
  if (reason === undefined) throw new MalformedBytes(at)
  const diedAt = reader.uint(2 ** 53)
  const error = reader.text()
  reader.finish()
  return { reason, diedAt, error }
}

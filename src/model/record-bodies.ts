/**
 * Reads the bodies of tasks in place: a `new`, `put` or `dead` record in a buffer, without decoding what nobody asks for.
 *
 * `readBody` checks everything up to the extras, since what comes back from a disk has not been checked since it was written.
 * The single-field readers check nothing: they are for records that this process wrote or has read before.
 */

import { decodeExtras, extrasKey, type Extras } from './extras.ts'
import { float64At, MalformedBytes, nilByte, skip, uint16At, uint32At } from './msgpack.ts'
import {
  deadErrorAt,
  deadFields,
  newFields,
  newFieldsAt,
  payloadKindLimit,
  putFields,
  putFieldsAt,
  recordKind,
} from './record-shapes.ts'
import { hourLimit, instantMsLimit } from './units.ts'

/** The task that a record carries. Everything in it is a view: it holds as long as the bytes stay as they are. */
export class TaskBody {
  readonly bytes: Buffer
  readonly kind: 'new' | 'put' | 'dead'
  readonly homeHour: number
  readonly ordinal: number
  readonly queue: number
  readonly fireAt: number
  readonly placeHour: number
  readonly attempt: number
  readonly generation: number
  readonly payloadKind: number
  readonly payloadAt: number
  readonly payloadBytes: number
  /** Where the extras are, or the nil in their place. */
  readonly extrasAt: number
  readonly hasExtras: boolean
  readonly #limit: number

  /** Throws MalformedBytes unless there is a body at `at` up to its extras. */
  constructor(bytes: Buffer, at: number, limit: number) {
    const kind = at + 2 > limit ? 0 : bytes[at + 1]
    let fieldsAt: number
    let payloadKindAt: number
    if (kind === recordKind.new) {
      fieldsAt = at + newFieldsAt
      payloadKindAt = fieldsAt + newFields.payloadKind
      expect(bytes, at, limit, payloadKindAt, 0x98)
      checkCommon(bytes, fieldsAt)
      this.kind = 'new'
      this.placeHour = uint32At(bytes, fieldsAt + 1)
      this.attempt = 0
      this.generation = 0
    } else if (kind === recordKind.put) {
      fieldsAt = at + putFieldsAt
      payloadKindAt = fieldsAt + putFields.payloadKind
      expect(bytes, at, limit, payloadKindAt, 0x9e)
      checkCommon(bytes, fieldsAt)
      checkNumber(bytes, fieldsAt + putFields.placeHour, 0xce)
      checkNumber(bytes, fieldsAt + putFields.leftHour, 0xce)
      checkNumber(bytes, fieldsAt + putFields.attempt, 0xcd)
      checkNumber(bytes, fieldsAt + putFields.generation, 0xce)
      this.kind = 'put'
      this.placeHour = uint32At(bytes, fieldsAt + putFields.placeHour + 1)
      this.attempt = uint16At(bytes, fieldsAt + putFields.attempt + 1)
      this.generation = uint32At(bytes, fieldsAt + putFields.generation + 1)
    } else if (kind === recordKind.dead) {
      expect(bytes, at, limit, at + deadErrorAt, 0x9f)
      checkNumber(bytes, at + deadErrorAt - 3, 0xda)
      fieldsAt = deadFieldsAt(bytes, at)
      payloadKindAt = fieldsAt + deadFields.payloadKind
      expect(bytes, at, limit, payloadKindAt, 0x9f)
      checkCommon(bytes, fieldsAt)
      checkNumber(bytes, fieldsAt + deadFields.placeHour, 0xce)
      checkNumber(bytes, fieldsAt + deadFields.attempt, 0xcd)
      checkNumber(bytes, fieldsAt + deadFields.generation, 0xce)
      this.kind = 'dead'
      this.placeHour = uint32At(bytes, fieldsAt + deadFields.placeHour + 1)
      this.attempt = uint16At(bytes, fieldsAt + deadFields.attempt + 1)
      this.generation = uint32At(bytes, fieldsAt + deadFields.generation + 1)
    } else throw new MalformedBytes(at)
    this.homeHour = uint32At(bytes, fieldsAt + 1)
    this.ordinal = uint32At(bytes, fieldsAt + newFields.ordinal + 1)
    this.queue = uint16At(bytes, fieldsAt + newFields.queue + 1)
    this.fireAt = float64At(bytes, fieldsAt + newFields.fireAt + 1)
    if (this.homeHour >= hourLimit || this.placeHour >= hourLimit || !isFireAt(this.fireAt)) {
      throw new MalformedBytes(fieldsAt)
    }
    const payloadKind = bytes[payloadKindAt]!
    const header = bytes[payloadKindAt + 1]!
    let payloadAt = payloadKindAt + 4
    if (header === 0xc6) payloadAt += 2
    else if (header !== 0xc5) throw new MalformedBytes(payloadKindAt + 1)
    if (payloadKind >= payloadKindLimit || payloadAt >= limit) throw new MalformedBytes(payloadKindAt)
    const payloadBytes = header === 0xc5 ? uint16At(bytes, payloadAt - 2) : uint32At(bytes, payloadAt - 4)
    const extrasAt = payloadAt + payloadBytes
    if (extrasAt >= limit || (payloadKind === 0 && payloadBytes > 0)) throw new MalformedBytes(payloadAt)
    this.bytes = bytes
    this.payloadKind = payloadKind
    this.payloadAt = payloadAt
    this.payloadBytes = payloadBytes
    this.extrasAt = extrasAt
    this.hasExtras = bytes[extrasAt] !== nilByte
    this.#limit = limit
  }

  get payload(): Uint8Array {
    return this.bytes.subarray(this.payloadAt, this.extrasAt)
  }

  /** The end of the record, and of the extras. */
  get end(): number {
    if (!this.hasExtras) return this.extrasAt + 1
    const first = this.bytes[this.extrasAt]!
    if (first < 0x91 || first > 0x97) throw new MalformedBytes(this.extrasAt)
    return skip(this.bytes, this.extrasAt, this.#limit)
  }

  extrasBytes(): Uint8Array | undefined {
    return this.hasExtras ? this.bytes.subarray(this.extrasAt, this.end) : undefined
  }

  extras(): Extras {
    return this.hasExtras ? decodeExtras(this.bytes, this.extrasAt, this.end) : {}
  }

  /** The key among the extras, without decoding the rest. */
  key(): string | undefined {
    return this.hasExtras ? extrasKey(this.bytes, this.extrasAt, this.end) : undefined
  }
}

/** The task that the `new`, `put` or `dead` record at `at` carries; MalformedBytes if it is none or reaches beyond `limit`. */
export function readBody(bytes: Buffer, at: number, limit: number = bytes.length): TaskBody {
  return new TaskBody(bytes, at, limit)
}

/** The same as `readBody` says, without reading the rest of it. */
export function bodyHasExtras(bytes: Buffer, at: number): boolean {
  const headerAt = payloadHeaderAt(bytes, at)
  const isShort = bytes[headerAt] === 0xc5
  const payloadBytes = isShort ? uint16At(bytes, headerAt + 1) : uint32At(bytes, headerAt + 1)
  return bytes[headerAt + (isShort ? 3 : 5) + payloadBytes] !== nilByte
}

/** Whole, and in an hour that exists. The engine takes less from callers: the past before 2001 only comes from wrong clocks. */
export function isFireAt(ms: number): boolean {
  return ms >= 0 && ms < instantMsLimit && Math.floor(ms) === ms && !Object.is(ms, -0)
}

function payloadHeaderAt(bytes: Buffer, at: number): number {
  const kind = bytes[at + 1]
  const fields = kind === recordKind.new ? newFields : kind === recordKind.put ? putFields : deadFields
  return fieldsAtOf(bytes, at) + fields.payloadKind + 1
}

function fieldsAtOf(bytes: Buffer, at: number): number {
  const kind = bytes[at + 1]
  if (kind === recordKind.new) return at + newFieldsAt
  return kind === recordKind.put ? at + putFieldsAt : deadFieldsAt(bytes, at)
}

function deadFieldsAt(bytes: Buffer, at: number): number {
  return at + deadErrorAt + uint16At(bytes, at + deadErrorAt - 2)
}

/** The array's header, and that all up to the payload's 16-bit header lies within the limit. */
function expect(bytes: Buffer, at: number, limit: number, payloadKindAt: number, header: number): void {
  if (payloadKindAt + 4 > limit || limit > bytes.length || bytes[at] !== header) throw new MalformedBytes(at)
}

function checkCommon(bytes: Buffer, fieldsAt: number): void {
  checkNumber(bytes, fieldsAt, 0xce)
  checkNumber(bytes, fieldsAt + newFields.ordinal, 0xce)
  checkNumber(bytes, fieldsAt + newFields.queue, 0xcd)
  checkNumber(bytes, fieldsAt + newFields.fireAt, 0xcb)
}

function checkNumber(bytes: Buffer, at: number, first: number): void {
  if (bytes[at] !== first) throw new MalformedBytes(at)
}

/**
 * The thirteen kinds of records: what each says, its number and those of its words, where its fields lie, and how large
 * it can get. docs/format.md, "Records", has them as a table.
 *
 * `new`, `put` and `dead` carry a whole task, its body. Their fields have fixed widths, so that everything up to the payload
 * lies at a constant distance from the start (for `dead`: from the end of its error text).
 */

import type { EndHow, FromState } from './ledger.ts'

export const recordKind = {
  new: 1,
  put: 2,
  lease: 3,
  end: 4,
  unlease: 5,
  stop: 6,
  dead: 7,
  purge: 8,
  queue: 9,
  retire: 10,
  head: 11,
  clean: 12,
  seal: 13,
} as const

export const putCause = { retry: 1, reschedule: 2, redrive: 3, replace: 4 } as const
export type PutCause = keyof typeof putCause

export const deadReason = { attempts: 1, lost: 2, asked: 3, damaged: 4, maxAge: 5 } as const
export type DeadReasonName = keyof typeof deadReason

export const endHow: { readonly [how in EndHow]: number } = {
  succeeded: 1,
  cancelled: 2,
  expired: 3,
  damaged: 4,
  replaced: 5,
}

export const fromState: { readonly [from in FromState]: number } = { pending: 0, leased: 1, dead: 2 }

/** Payload kinds are below this (payload.ts). */
export const payloadKindLimit = 3

/** What the records that carry a whole task have in common. */
interface Body {
  readonly homeHour: number
  readonly ordinal: number
  readonly queue: number
  readonly fireAt: number
  /** 0 none, 1 JSON text, 2 bytes. */
  readonly payloadKind: number
  readonly payload: Uint8Array
  /** As encoded by extras.ts; undefined for none. */
  readonly extras: Uint8Array | undefined
}

/** A body with what changes while a task lives. */
export interface BodyParts extends Body {
  readonly attempt: number
  readonly generation: number
}

/** A task is accepted: attempt 0, generation 0, filed under its home hour. */
export interface NewRecord extends Body {
  readonly kind: 'new'
}

/** A task has a new version, which carries all of it. */
export interface PutRecord extends BodyParts {
  readonly kind: 'put'
  readonly cause: PutCause
  readonly from: FromState
  readonly placeHour: number
  /** The hour it was filed under before; 0 if it was dead. */
  readonly leftHour: number
}

/** Pending to leased. */
export interface LeaseRecord {
  readonly kind: 'lease'
  readonly homeHour: number
  readonly ordinal: number
  readonly queue: number
  readonly fence: number
  readonly losses: number
}

/** The key that a task had until it ended, and what is remembered with it. */
export interface ReleasedKey {
  readonly key: string
  readonly endedAt: number
  readonly fireAt: number
  readonly generation: number
}

/** A live task ends. */
export interface EndRecord {
  readonly kind: 'end'
  readonly how: EndHow
  readonly from: FromState
  readonly homeHour: number
  readonly ordinal: number
  readonly queue: number
  readonly placeHour: number
  /** Only of a task that had a key. */
  readonly released?: ReleasedKey | undefined
}

/** Leased to pending, as if it had not been leased. */
export interface UnleaseRecord {
  readonly kind: 'unlease'
  readonly homeHour: number
  readonly ordinal: number
  readonly queue: number
  /** How often leases of the task were lost with the engine's process, in all. */
  readonly losses: number
}

/** A cancel of a leased task: no attempt after this one. */
export interface StopRecord {
  readonly kind: 'stop'
  readonly homeHour: number
  readonly ordinal: number
  readonly queue: number
}

/** A live task becomes a dead letter, and is carried whole. */
export interface DeadRecord extends BodyParts {
  readonly kind: 'dead'
  readonly reason: DeadReasonName
  readonly from: FromState
  readonly diedAt: number
  readonly error: string
  readonly placeHour: number
}

/** A dead letter is thrown away. */
export interface PurgeRecord {
  readonly kind: 'purge'
  readonly homeHour: number
  readonly ordinal: number
  readonly queue: number
}

/** Names a queue, or changes its durable switch. */
export interface QueueRecord {
  readonly kind: 'queue'
  readonly queue: number
  readonly name: string
  readonly paused: boolean
}

/** Hours before `oldestHour` are retired. */
export interface RetireRecord {
  readonly kind: 'retire'
  readonly oldestHour: number
}

export interface HeadQueue {
  readonly queue: number
  readonly name: string
  readonly paused: boolean
  /** Ten, in the order of stats.ts. */
  readonly counters: Float64Array
}

export interface HeadHour {
  readonly hour: number
  readonly nextOrdinal: number
  readonly live: number
}

/** The first record of a log file: counters and calendar as of there. */
export interface HeadRecord {
  readonly kind: 'head'
  readonly openCount: number
  readonly wallMs: number
  readonly oldestHour: number
  readonly queues: readonly HeadQueue[]
  readonly hours: readonly HeadHour[]
}

/** The last record at an orderly close. */
export interface CleanRecord {
  readonly kind: 'clean'
  readonly wallMs: number
}

/** The last record of a full log file. */
export interface SealRecord {
  readonly kind: 'seal'
  readonly nextFileNumber: number
}

export type TaskRecord =
  | NewRecord
  | PutRecord
  | LeaseRecord
  | EndRecord
  | UnleaseRecord
  | StopRecord
  | DeadRecord
  | PurgeRecord
  | QueueRecord
  | RetireRecord
  | HeadRecord
  | CleanRecord
  | SealRecord

/** Distances from the start of a `new` or `put`, and (`dead`) from the end of its error text. */
export const newFieldsAt = 2
export const putFieldsAt = 4
export const deadErrorAt = 16

/**
 * Distances from there on; the first byte of a number included, so that values are one further. All three begin as `new` does, with
 * home hour, ordinal, queue and fire time; `payloadKind` is followed by the payload's header.
 */
export const newFields = { ordinal: 5, queue: 10, fireAt: 13, payloadKind: 22 } as const
export const putFields = { placeHour: 22, leftHour: 27, attempt: 32, generation: 35, payloadKind: 40 } as const
export const deadFields = { placeHour: 22, attempt: 27, generation: 30, payloadKind: 35 } as const

/** The header of the largest payload, and nil for extras. */
const bodyTailBytes = 1 + 5 + 1

/** The most bytes of any record but `new`, `put`, `dead`, `queue` and `head`; of `queue` without its name, `end` without a key. */
export const smallRecordBytesMax = 32

/** The most bytes that the key of an `end` takes on top: a text header, the key, a clock, a fire time, a generation. */
export function releasedBytesMax(released: ReleasedKey | undefined): number {
  return released === undefined ? 0 : 3 + released.key.length * 3 + 9 + 9 + 5
}

/** Short text is not measured: that would cost more than the room is worth, and 10,000 such tasks fit into a batch all the same. */
const unmeasuredUnitsMax = 256

/** The most bytes a payload takes, without its header. A UTF-16 unit takes 1 to 3. */
export function payloadBytesBound(payload: string | Uint8Array | undefined): number {
  if (payload === undefined) return 0
  if (typeof payload !== 'string') return payload.length
  return payload.length <= unmeasuredUnitsMax ? payload.length * 3 : Buffer.byteLength(payload)
}

/** The most bytes of a `new`: the room that its writer needs. */
export function newBytesMax(payload: string | Uint8Array | undefined, extras: Uint8Array | undefined): number {
  return newBytesAround(payloadBytesBound(payload), extras)
}

/** The same, of a payload that takes at most so many bytes. */
export function newBytesAround(payloadBytes: number, extras: Uint8Array | undefined): number {
  return newFieldsAt + newFields.payloadKind + tailBytesMax(payloadBytes, extras)
}

/** The most bytes of a `put`. */
export function putBytesMax(payload: Uint8Array, extras: Uint8Array | undefined): number {
  return putFieldsAt + putFields.payloadKind + tailBytesMax(payload.length, extras)
}

/** The most bytes of a `dead`. */
export function deadBytesMax(error: string, payload: Uint8Array, extras: Uint8Array | undefined): number {
  return deadErrorAt + error.length * 3 + deadFields.payloadKind + tailBytesMax(payload.length, extras)
}

function tailBytesMax(payloadBytes: number, extras: Uint8Array | undefined): number {
  return bodyTailBytes + payloadBytes + (extras === undefined ? 0 : extras.length)
}

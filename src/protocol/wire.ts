/**
 * What a task and its answers look like on the wire, where they differ from model/hourwheel.ts: JSON knows no bytes, so a payload
 * of bytes is `payloadBase64`, and an absent payload is absent. Everything else is the same: instants in answers are UTC epoch
 * milliseconds, instants and durations in requests are what the library takes as numbers and text.
 *
 * Checks only what is the wire's own; the engine checks the rest.
 */

import { refuse } from '../model/errors.ts'
import type { ErrorOutcome } from '../model/errors.ts'
import type { LeasedTask, ListedTask, TaskInput } from '../model/hourwheel.ts'

/** A task in a request: `payload` is JSON data (in msgpack also bytes), or `payloadBase64` has the bytes. */
export interface WireTask extends Omit<TaskInput, 'at' | 'expiresAt'> {
  at?: number | string | undefined
  expiresAt?: number | string | undefined
  payloadBase64?: string | undefined
}

/** An answer whose payload, if it is bytes, is `payloadBase64`. */
export type Wired<T> = Omit<T, 'payload'> & { readonly payload?: unknown; readonly payloadBase64?: string | undefined }

export type WireListed = Wired<ListedTask>
export type WireLeased = Wired<LeasedTask>

/** An RFC 9457 problem. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: string
  readonly outcome: ErrorOutcome
  readonly retryAfterMs?: number | undefined
  readonly index?: number | undefined
  readonly details?: Readonly<Record<string, string | number | boolean>> | undefined
  /** What the call answers when nothing was done because of the task's state. */
  readonly answer?: { readonly outcome: string; readonly [field: string]: unknown } | undefined
  readonly requestId?: string | undefined
}

const base64Form = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/u

/** What the engine is given for a task of a request; what is no object is left to be refused there. */
export function taskFromWire(wire: unknown): TaskInput {
  if (typeof wire !== 'object' || wire === null || !('payloadBase64' in wire)) return wire as TaskInput
  const { payloadBase64, ...task } = wire as WireTask
  if (payloadBase64 === undefined) return task
  if (task.payload !== undefined) {
    throw refuse('HW_INVALID_PAYLOAD', 'both payload and payloadBase64 are given; give one of them')
  }
  return { ...task, payload: bytesFromBase64(payloadBase64) }
}

/** The same for what a caller of the library gives: the way a client takes. Instants of other forms are the client's to convert. */
export function payloadToWire(payload: unknown): { payload?: unknown; payloadBase64?: string } {
  if (payload === undefined) return {}
  return isBytes(payload) ? { payloadBase64: base64Of(payload) } : { payload }
}

/** An answer of the engine as it is sent. */
export function toWire<T extends { readonly payload: unknown }>(answer: T): Wired<T> {
  const { payload } = answer
  if (!isBytes(payload)) return answer
  const { payload: _bytes, ...rest } = answer
  return { ...rest, payloadBase64: base64Of(payload) }
}

/** An answer as the library gives it. */
export function fromWire<T extends { readonly payload: unknown }>(wire: Wired<T>): T {
  const { payloadBase64, ...rest } = wire
  const payload = payloadBase64 === undefined ? wire.payload : bytesFromBase64(payloadBase64)
  return { ...rest, payload } as unknown as T
}

function bytesFromBase64(text: unknown): Uint8Array {
  if (typeof text !== 'string' || !base64Form.test(text)) {
    throw refuse('HW_INVALID_PAYLOAD', 'payloadBase64 is not base64 text (RFC 4648, with padding)', {
      details: { path: 'payloadBase64' },
    })
  }
  const bytes = Buffer.from(text, 'base64')
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array
}

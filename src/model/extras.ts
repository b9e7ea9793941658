/**
 * Extras of a task: what most tasks do not have. In a record they are nil, or (docs/format.md, "Extras")
 *
 *     [key, expiresAt, timeoutMs, retry, headers, firstFireAt, lastError]   each or nil, trailing nils cut
 *     retry = [attempts, backoff, delayMs, maxDelayMs, jitter, maxAgeMs]    the same
 *
 * An empty retry or no headers are the same as none. Values were checked by who took them from a caller; writing refuses
 * only what could not be read back.
 */

import { MalformedBytes, textBytesMax, writeArrayHeader, writeFloat64, writeMapHeader, writeNil } from './msgpack.ts'
import { writeText, writeUint } from './msgpack.ts'
import { MsgpackReader } from './msgpack-reader.ts'
import type { RetryOverride } from './retry.ts'

export interface Extras {
  readonly key?: string | undefined
  readonly expiresAt?: number | undefined
  readonly timeoutMs?: number | undefined
  readonly retry?: RetryOverride | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The fire time of the first attempt, once a retry has moved the task. */
  readonly firstFireAt?: number | undefined
  /** What the attempt before said. */
  readonly lastError?: string | undefined
}

const fieldCount = 7
const retryFieldCount = 6
const wholeLimit = 2 ** 53
const numberBytesMax = 9

/** Undefined when there is nothing in them. */
export function encodeExtras(extras: Extras): Uint8Array | undefined {
  const count = countOf(extras)
  if (count === 0) return undefined
  const { key, expiresAt, timeoutMs, retry, headers, firstFireAt, lastError } = extras
  const into = Buffer.allocUnsafe(extrasBytesMax(extras))
  let at = writeArrayHeader(into, 0, count)
  at = key === undefined ? writeNil(into, at) : writeText(into, at, key)
  if (count > 1) at = writeOptional(into, at, expiresAt)
  if (count > 2) at = writeOptional(into, at, timeoutMs)
  if (count > 3) at = retryCountOf(retry) === 0 ? writeNil(into, at) : writeRetry(into, at, retry!)
  if (count > 4) at = hasHeaders(headers) ? writeHeaders(into, at, headers!) : writeNil(into, at)
  if (count > 5) at = writeOptional(into, at, firstFireAt)
  if (count > 6) at = writeText(into, at, lastError!)
  return into.subarray(0, at)
}

/** `at` to `end` is what `encodeExtras` made. */
export function decodeExtras(bytes: Buffer, at: number, end: number): Extras {
  const reader = new MsgpackReader(bytes, at, end)
  const count = readCount(reader)
  const key = reader.nil() ? undefined : reader.text()
  const expiresAt = count > 1 ? readOptional(reader) : undefined
  const timeoutMs = count > 2 ? readOptional(reader) : undefined
  const retry = count > 3 && !reader.nil() ? readRetry(reader) : undefined
  const headers = count > 4 && !reader.nil() ? readHeaders(reader) : undefined
  const firstFireAt = count > 5 ? readOptional(reader) : undefined
  const lastError = count > 6 && !reader.nil() ? reader.text() : undefined
  reader.finish()
  return { key, expiresAt, timeoutMs, retry, headers, firstFireAt, lastError }
}

/** Only the key, without looking at the rest. */
export function extrasKey(bytes: Buffer, at: number, end: number): string | undefined {
  const reader = new MsgpackReader(bytes, at, end)
  readCount(reader)
  return reader.nil() ? undefined : reader.text()
}

/** How many fields there are up to the last one that says something. */
function countOf(extras: Extras): number {
  if (extras.lastError !== undefined) return 7
  if (extras.firstFireAt !== undefined) return 6
  if (hasHeaders(extras.headers)) return 5
  if (retryCountOf(extras.retry) > 0) return 4
  if (extras.timeoutMs !== undefined) return 3
  if (extras.expiresAt !== undefined) return 2
  return extras.key === undefined ? 0 : 1
}

function retryCountOf(retry: RetryOverride | undefined): number {
  if (retry === undefined) return 0
  if (retry.maxAgeMs !== undefined) return 6
  if (retry.jitter !== undefined) return 5
  if (retry.maxDelayMs !== undefined) return 4
  if (retry.delayMs !== undefined) return 3
  if (retry.backoff !== undefined) return 2
  return retry.attempts === undefined ? 0 : 1
}

function hasHeaders(headers: Readonly<Record<string, string>> | undefined): boolean {
  return headers !== undefined && Object.keys(headers).length > 0
}

function extrasBytesMax({ key, headers, lastError }: Extras): number {
  let bytes = 1 + (fieldCount + retryFieldCount + 1) * numberBytesMax
  if (key !== undefined) bytes += textBytesMax(key)
  if (lastError !== undefined) bytes += textBytesMax(lastError)
  if (headers !== undefined) {
    for (const name of Object.keys(headers)) bytes += textBytesMax(name) + textBytesMax(headers[name]!)
  }
  return bytes
}

function writeOptional(into: Buffer, at: number, value: number | undefined): number {
  return value === undefined ? writeNil(into, at) : writeUint(into, at, value)
}

function readOptional(reader: MsgpackReader): number | undefined {
  return reader.nil() ? undefined : reader.uint(wholeLimit)
}

function readCount(reader: MsgpackReader): number {
  const count = reader.arrayHeader(1)
  if (count === 0 || count > fieldCount) throw new MalformedBytes(reader.at)
  return count
}

function writeRetry(into: Buffer, at: number, retry: RetryOverride): number {
  const count = retryCountOf(retry)
  const { attempts, backoff, delayMs, maxDelayMs, jitter, maxAgeMs } = retry
  at = writeArrayHeader(into, at, count)
  at = writeOptional(into, at, attempts)
  if (count > 1) at = writeOptional(into, at, backoff === undefined ? undefined : backoff === 'fixed' ? 0 : 1)
  if (count > 2) at = writeOptional(into, at, delayMs)
  if (count > 3) at = writeOptional(into, at, maxDelayMs)
  if (count > 4) {
    if (jitter !== undefined && !isJitter(jitter)) throw new RangeError(`a jitter of ${jitter} is not a share`)
    at = jitter === undefined ? writeNil(into, at) : writeFloat64(into, at, jitter)
  }
  return count > 5 ? writeUint(into, at, maxAgeMs!) : at
}

function readRetry(reader: MsgpackReader): RetryOverride {
  const count = reader.arrayHeader(1)
  if (count === 0 || count > retryFieldCount) throw new MalformedBytes(reader.at)
  const attempts = readOptional(reader)
  const backoff = count < 2 || reader.nil() ? undefined : reader.uint(2) === 0 ? 'fixed' : 'exponential'
  const delayMs = count > 2 ? readOptional(reader) : undefined
  const maxDelayMs = count > 3 ? readOptional(reader) : undefined
  const jitter = count < 5 || reader.nil() ? undefined : reader.float64()
  if (jitter !== undefined && !isJitter(jitter)) throw new MalformedBytes(reader.at)
  const maxAgeMs = count > 5 ? readOptional(reader) : undefined
  return { attempts, backoff, delayMs, maxDelayMs, jitter, maxAgeMs }
}

function isJitter(value: number): boolean {
  return value >= 0 && value <= 1
}

function writeHeaders(into: Buffer, at: number, headers: Readonly<Record<string, string>>): number {
  const names = Object.keys(headers)
  at = writeMapHeader(into, at, names.length)
  for (const name of names) {
    at = writeText(into, at, name)
    at = writeText(into, at, headers[name]!)
  }
  return at
}

function readHeaders(reader: MsgpackReader): Record<string, string> {
  const count = reader.mapHeader()
  const entries: [string, string][] = []
  for (let i = 0; i < count; i++) entries.push([reader.text(), reader.text()])
  // Defines properties instead of setting them, so that a header may be called __proto__.
  const headers = Object.fromEntries(entries)
  if (count === 0 || Object.keys(headers).length !== count) throw new MalformedBytes(reader.at)
  return headers
}

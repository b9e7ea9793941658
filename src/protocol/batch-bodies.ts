/**
 * Bodies of batches: a JSON array, NDJSON (one task a line) or a msgpack array, from bytes to what the engine takes and back.
 * The tasks in it are not looked at: the engine does that, and its errors tell the index. Encoding is for clients.
 */

import { Packr, Unpackr } from 'msgpackr'
import { atIndex, refuse } from '../model/errors.ts'
import type { TaskInput } from '../model/hourwheel.ts'
import { limits } from '../model/limits.ts'
import { changedInteger, changedText } from './exact-json.ts'
import { checkMsgpack } from './msgpack-guard.ts'
import { taskFromWire } from './wire.ts'

export const jsonType = 'application/json'
export const ndjsonType = 'application/x-ndjson'
export const msgpackType = 'application/vnd.msgpack'

export type BatchFormat = 'json' | 'ndjson' | 'msgpack'

/** By media type; several are in use for msgpack and NDJSON. */
export const batchFormats: Readonly<Record<string, BatchFormat>> = {
  [jsonType]: 'json',
  [ndjsonType]: 'ndjson',
  'application/ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  [msgpackType]: 'msgpack',
  'application/msgpack': 'msgpack',
  'application/x-msgpack': 'msgpack',
}

/** Instants beyond 32 bits come as 64-bit integers from most encoders; the types of this version do not know 'auto'. */
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'auto' as 'number' })
const packr = new Packr({ useRecords: false, mapsAsObjects: true, variableMapSize: true })
/** BOM and bytes that are no UTF-8 are refused, not replaced. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function decodeBatch(format: BatchFormat, bytes: Uint8Array): TaskInput[] {
  const tasks = format === 'json' ? fromJson(bytes) : format === 'ndjson' ? fromLines(bytes) : fromMsgpack(bytes)
  for (let index = 0; index < tasks.length; index++) {
    const task = tasks[index]
    if (typeof task !== 'object' || task === null || !('payloadBase64' in task)) continue
    try {
      tasks[index] = taskFromWire(task)
    } catch (error) {
      throw atIndex(error, index)
    }
  }
  return tasks as TaskInput[]
}

export function encodeMsgpack(value: unknown): Uint8Array {
  return packr.pack(value)
}

/** Text of a body in UTF-8, or a refusal. The strict decoder is slow to start; most bodies never need it. */
export function bodyText(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  if (!text.includes('\ufffd')) return text
  try {
    return utf8.decode(bytes)
  } catch {
    throw refuse('HW_MALFORMED_BODY', 'the body is not UTF-8')
  }
}

export function parseJson(text: string, what: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw refuse('HW_MALFORMED_BODY', `${what} is not JSON: ${(error as Error).message}`)
  }
  const changed = changedInteger(text)
  // Elsewhere than in a payload such a number is wrong anyway, and its field says why.
  if (changed === undefined || !text.includes('"payload"')) return value
  throw refuse('HW_INVALID_PAYLOAD', `${what} ${changedText(changed)}`)
}

function fromJson(bytes: Uint8Array): unknown[] {
  return arrayOf(parseJson(bodyText(bytes), 'the body'), 'a JSON array of tasks')
}

function fromMsgpack(bytes: Uint8Array): unknown[] {
  checkMsgpack(bytes)
  return arrayOf(unpackr.unpack(bytes) as unknown, 'a msgpack array of tasks')
}

function fromLines(bytes: Uint8Array): unknown[] {
  const tasks: unknown[] = []
  const text = bodyText(bytes)
  for (let from = 0, line = 1; from < text.length; line++) {
    let to = text.indexOf('\n', from)
    if (to < 0) to = text.length
    const one = text.slice(from, to).trim()
    from = to + 1
    if (one === '') continue
    if (tasks.length === limits.batchTasksMax) {
      throw refuse('HW_BATCH_TOO_LARGE', `the body has more than ${limits.batchTasksMax} lines`)
    }
    tasks.push(parseJson(one, `line ${line}`))
  }
  return tasks
}

function arrayOf(value: unknown, what: string): unknown[] {
  if (Array.isArray(value)) return value
  throw refuse('HW_INVALID_REQUEST', `the body must be ${what}`)
}

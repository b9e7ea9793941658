/**
 * Payloads, encoded at the caller's side and decoded where the handler runs; between the two they are opaque bytes with a kind.
 *
 *     kind 0 none: undefined, no bytes    kind 1 JSON text in UTF-8    kind 2 bytes as they were given
 *
 * JSON data is strict: whatever JSON.stringify would drop or change in silence is refused with its path. Exceptions,
 * which everyone expects of JSON: object properties that are undefined, not enumerable or named by a symbol are left out, and
 * -0 becomes 0. Halves of surrogate pairs are written as escapes and come back as they were.
 * Getters are read twice, by the check and by JSON.stringify; a payload whose getters answer differently has only itself to blame.
 */

import { refuse, shown } from './errors.ts'
import type { HourwheelError } from './errors.ts'
import { isPlainPrototype } from './fields.ts'
import { limits } from './limits.ts'
import { fitsUtf8 } from './names.ts'

/** Half the time of wrapping the bytes in a Buffer, and reads shared memory. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The kind byte of a payload in records and segments. */
export const payloadKind = { none: 0, json: 1, bytes: 2 } as const

/**
 * Undefined for none, text for JSON, else the given bytes themselves: they are not copied, so the caller writes them into a
 * record before anyone else runs.
 */
export function encodePayload(value: unknown, payloadBytesMax: number): string | Uint8Array | undefined {
  if (value === undefined) return undefined
  if (isBytes(value)) {
    if (value.byteLength > payloadBytesMax) throw tooLarge(String(value.byteLength), payloadBytesMax)
    return value
  }
  if (walk(value, payloadBytesMax, 0) < 0) {
    const refusal = explain(value, payloadBytesMax)
    if (refusal !== undefined) throw refusal
  }
  const text = JSON.stringify(value)
  if (!fitsUtf8(text, payloadBytesMax)) throw tooLarge(String(Buffer.byteLength(text)), payloadBytesMax)
  return text
}

/** The value a handler sees. Bytes are copied: what they came from is part of a block that is used again. */
export function decodePayload(kind: number, bytes: Uint8Array): unknown {
  if (kind === payloadKind.none) return undefined
  if (kind === payloadKind.bytes) return new Uint8Array(bytes)
  if (kind !== payloadKind.json) throw refuse('HW_CORRUPT', `a payload is of kind ${kind}, which does not exist`)
  try {
    return JSON.parse(utf8.decode(bytes)) as unknown
  } catch (cause) {
    throw refuse('HW_CORRUPT', 'a payload of kind JSON is not JSON text in UTF-8', { cause })
  }
}

/** Also a Buffer, and a Uint8Array of another realm. */
function isBytes(value: unknown): value is Uint8Array {
  if (value instanceof Uint8Array) return true
  return ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === '[object Uint8Array]'
}

/**
 * The check of the usual case: fast, and without a word about what is wrong. Returns the bytes left of the budget, negative
 * when something may be wrong. What it takes from the budget is the least that each value needs as JSON, so that data which
 * cannot fit is found before it is turned into text, and so is a graph that is small in memory and endless as a tree.
 */
function walk(value: unknown, budget: number, depth: number): number {
  switch (typeof value) {
    case 'string':
      return budget - value.length - 2
    case 'number':
      return Number.isFinite(value) ? budget - 1 : -1
    case 'boolean':
      return budget - 4
    case 'object':
      break
    default:
      return -1
  }
  if (value === null) return budget - 4
  if (depth === limits.payloadDepthMax) return -1
  let left = budget - 2
  const prototype: unknown = Object.getPrototypeOf(value)
  if (Array.isArray(value)) {
    if (prototype !== Array.prototype) return -1
    for (let i = 0; i < value.length && left >= 0; i++) left = walk(value[i], left, depth + 1)
    return left
  }
  if (prototype !== Object.prototype && prototype !== null) return -1
  const record = value as Record<string, unknown>
  for (const name in record) {
    const item = record[name]
    if (item === undefined) continue
    left = walk(item, left - name.length - 3, depth + 1)
    if (left < 0) return -1
  }
  return left
}

/** The slow walk: keeps the path, names the first thing that is wrong, undefined when after all nothing is. */
function explain(root: unknown, payloadBytesMax: number): HourwheelError | undefined {
  const path: (string | number)[] = []
  const ancestors: object[] = []
  let budget = payloadBytesMax

  function visit(value: unknown): HourwheelError | undefined {
    if (budget < 0) return tooLarge(`more than ${payloadBytesMax}`, payloadBytesMax)
    const wrong = whatIsWrong(value)
    if (wrong !== undefined) return refused(path, wrong)
    budget -= typeof value === 'string' ? value.length + 2 : 1
    if (typeof value !== 'object' || value === null) return undefined
    if (ancestors.includes(value)) return refused(path, 'contains itself; give data without cycles')
    if (ancestors.length === limits.payloadDepthMax) {
      return refused([], `is nested deeper than ${limits.payloadDepthMax} levels; flatten it`)
    }
    ancestors.push(value)
    const entries: Iterable<[string | number, unknown]> = Array.isArray(value) ? value.entries() : Object.entries(value)
    for (const [name, item] of entries) {
      if (item === undefined && typeof name === 'string') continue
      if (typeof name === 'string') budget -= name.length + 3
      path.push(name)
      const refusal = visit(item)
      if (refusal !== undefined) return refusal
      path.pop()
    }
    ancestors.pop()
    return undefined
  }

  const refusal = visit(root)
  if (refusal !== undefined) return refusal
  return budget < 0 ? tooLarge(`more than ${payloadBytesMax}`, payloadBytesMax) : undefined
}

/** Why one value, without what it contains, is no JSON data, with what to write instead. */
function whatIsWrong(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined
    case 'number':
      return Number.isFinite(value) ? undefined : `is ${value}, which JSON cannot hold; give null or leave it out`
    case 'undefined':
      return 'is undefined inside an array; give null'
    case 'bigint':
      return 'is a bigint; give a number or text'
    case 'object':
      break
    default:
      return `is ${shown(value)}; give data`
  }
  if (value === null) return undefined
  if (isBytes(value)) return 'is bytes inside JSON data; give them as the whole payload, or as base64 text'
  const tag = Object.prototype.toString.call(value).slice(8, -1)
  if (Array.isArray(value)) return undefined
  if (tag === 'Date') return 'is a Date; give its toISOString() or getTime()'
  if (tag === 'Map') return 'is a Map; give Object.fromEntries(map)'
  if (tag === 'Set') return 'is a Set; give [...set]'
  if (ArrayBuffer.isView(value) || tag === 'ArrayBuffer' || tag === 'SharedArrayBuffer') {
    return `is a ${tag}; give a Uint8Array over its memory as the whole payload`
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (isPlainPrototype(prototype)) return undefined
  const name: unknown = (prototype as { constructor?: { name?: unknown } }).constructor?.name
  return `is an instance of ${typeof name === 'string' && name !== '' ? name : 'a class'}; give plain data, such as {...value}`
}

function refused(path: readonly (string | number)[], wrong: string): HourwheelError {
  const at = payloadPath(path)
  return refuse('HW_INVALID_PAYLOAD', `${at} ${wrong}`, { details: { path: at } })
}

/** How messages and details name a value inside a payload: `payload.user.tags[3]`. */
export function payloadPath(path: readonly PropertyKey[]): string {
  let at = 'payload'
  for (const step of path) {
    const isPlain = typeof step === 'string' && /^[A-Za-z_$][\w$]*$/.test(step)
    at += isPlain ? `.${step}` : `[${typeof step === 'number' ? step : shown(step)}]`
  }
  return at
}

function tooLarge(bytes: string, payloadBytesMax: number): HourwheelError {
  return refuse('HW_PAYLOAD_TOO_LARGE', `payload has ${bytes} bytes; at most ${payloadBytesMax} are allowed`, {
    details: { payloadBytesMax },
  })
}

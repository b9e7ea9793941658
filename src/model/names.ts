/**
 * Names that callers give: queues, keys, headers. Each check returns the value it accepted or throws a refusal. Names never
 * become file names; the pattern of queues is for logs, metrics and paths of the daemon.
 */

import { refuse, shown } from './errors.ts'
import { isPlainObject } from './fields.ts'
import { limits } from './limits.ts'

const queuePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
/** With the u flag a surrogate only matches when it is alone. */
const loneSurrogate = /[\ud800-\udfff]/u

export function checkQueueName(value: unknown): string {
  if (typeof value === 'string' && queuePattern.test(value)) return value
  throw refuse(
    'HW_INVALID_QUEUE',
    `${shown(value)} is not a queue name: give 1 to ${limits.nameLengthMax} letters, digits, '.', '_' or '-', starting with a letter or digit`,
  )
}

export function checkKey(value: unknown): string {
  if (typeof value !== 'string') throw refuse('HW_INVALID_KEY', `key is ${shown(value)}; give text`)
  if (value.length === 0) throw refuse('HW_INVALID_KEY', 'key is empty; leave it out for a task without key')
  if (!fitsUtf8(value, limits.keyBytesMax)) {
    const bytes = Buffer.byteLength(value)
    throw refuse(
      'HW_INVALID_KEY',
      `key has ${bytes} bytes of UTF-8; at most ${limits.keyBytesMax} are allowed: hash it`,
      {
        details: { bytes, bytesMax: limits.keyBytesMax },
      },
    )
  }
  if (loneSurrogate.test(value))
    throw refuse('HW_INVALID_KEY', 'key has half of a surrogate pair, which UTF-8 cannot hold')
  return value
}

/** A copy of the headers, or undefined when there are none. */
export function checkHeaders(value: unknown): Readonly<Record<string, string>> | undefined {
  if (value === undefined) return undefined
  if (!isPlainObject(value))
    throw refuse('HW_INVALID_HEADERS', `headers is ${shown(value)}; give a plain object of text to text`)
  const entries = Object.entries(value)
  if (entries.length === 0) return undefined
  if (entries.length > limits.headersCountMax) {
    throw refuse(
      'HW_INVALID_HEADERS',
      `there are ${entries.length} headers; at most ${limits.headersCountMax} are allowed`,
    )
  }
  let bytes = 0
  for (const [name, text] of entries) {
    if (name === '') throw refuse('HW_INVALID_HEADERS', 'a header has an empty name')
    if (typeof text !== 'string') {
      throw refuse('HW_INVALID_HEADERS', `headers[${shown(name)}] is ${shown(text)}; give text`)
    }
    if (loneSurrogate.test(name) || loneSurrogate.test(text)) {
      throw refuse(
        'HW_INVALID_HEADERS',
        `headers[${shown(name)}] has half of a surrogate pair, which UTF-8 cannot hold`,
      )
    }
    bytes += Buffer.byteLength(name) + Buffer.byteLength(text)
  }
  if (bytes > limits.headersBytesMax) {
    throw refuse(
      'HW_INVALID_HEADERS',
      `headers have ${bytes} bytes of UTF-8, names and values; at most ${limits.headersBytesMax} are allowed`,
      { details: { bytes, bytesMax: limits.headersBytesMax } },
    )
  }
  // Defines properties instead of setting them, so that a header may be called __proto__.
  return Object.fromEntries(entries) as Record<string, string>
}

/** Whether the text fits; measures only when its length leaves it open. */
export function fitsUtf8(text: string, bytesMax: number): boolean {
  // A UTF-16 unit takes 1 to 3 bytes.
  if (text.length > bytesMax) return false
  return text.length * 3 <= bytesMax || Buffer.byteLength(text) <= bytesMax
}

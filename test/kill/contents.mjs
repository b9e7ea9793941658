/** What tasks carry: payload and headers follow from the tag, so that whoever meets one can tell whether it is all there. */

import { isDeepStrictEqual } from 'node:util'

export function payloadOf(tag) {
  const length = tag % 50 === 0 ? 3_000 : (tag * 7919) % 160
  const value = { tag, fill: String(tag).padEnd(length, 'æx') }
  return tag % 4 === 3 ? new Uint8Array(Buffer.from(JSON.stringify(value))) : value
}

export function headersOf(tag) {
  return tag % 5 === 0 ? { tag: String(tag) } : undefined
}

export function tagOf(payload) {
  const value = payload instanceof Uint8Array ? JSON.parse(Buffer.from(payload).toString()) : payload
  return value?.tag ?? -1
}

export function isSame({ payload, headers }) {
  const tag = tagOf(payload)
  const expected = payloadOf(tag)
  const samePayload =
    expected instanceof Uint8Array
      ? payload instanceof Uint8Array && Buffer.from(expected).equals(Buffer.from(payload))
      : isDeepStrictEqual(payload, expected)
  return samePayload && isDeepStrictEqual({ ...headers }, { ...headersOf(tag) })
}

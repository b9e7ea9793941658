/** Bodies of batches in three formats, and what hostile ones meet. */

import { describe, expect, it } from 'vitest'
import { decodeBatch, encodeMsgpack } from '../../src/protocol/batch-bodies.ts'
import { refusalOf } from '../model/refusal.ts'

const at = 1_800_000_000_000
const tasks = [
  { queue: 'email', at, payload: { to: 'a@b.c' } },
  { queue: 'email', delay: '5s' },
]
const utf8 = new TextEncoder()

describe('a batch', () => {
  it('is the same from JSON, NDJSON and msgpack', () => {
    expect(decodeBatch('json', utf8.encode(JSON.stringify(tasks)))).toEqual(tasks)
    const lines = tasks.map((task) => JSON.stringify(task)).join('\n')
    expect(decodeBatch('ndjson', utf8.encode(lines))).toEqual(tasks)
    expect(decodeBatch('ndjson', utf8.encode(`\n${lines.replace('\n', '\r\n\r\n')}\n\n`))).toEqual(tasks)
    expect(decodeBatch('msgpack', encodeMsgpack(tasks))).toEqual(tasks)
  })

  it('may have bytes as base64, and in msgpack as they are', () => {
    const bytes = new Uint8Array([0, 1, 254, 255])
    const json = utf8.encode(JSON.stringify([{ queue: 'q', at, payloadBase64: 'AAH+/w==' }]))
    expect(decodeBatch('json', json)[0]).toEqual({ queue: 'q', at, payload: bytes })
    const [task] = decodeBatch('msgpack', encodeMsgpack([{ queue: 'q', at, payload: bytes }]))
    expect(new Uint8Array(task!.payload as Uint8Array)).toEqual(bytes)
  })

  it.each(['AAH+/w=', 'AAH+/w', 'AAH-_w==', 'AAH+/w==\n', 'A', 5, null])('refuses base64 %j by its index', (text) => {
    const body = utf8.encode(
      JSON.stringify([
        { queue: 'q', at },
        { queue: 'q', at, payloadBase64: text },
      ]),
    )
    expect(refusalOf(() => decodeBatch('json', body))).toMatchObject({ code: 'HW_INVALID_PAYLOAD', index: 1 })
  })

  it('takes 64-bit integers as numbers, since most encoders write times so', () => {
    const body = Buffer.concat([Buffer.from([0x91, 0x81, 0xa2]), Buffer.from('at'), Buffer.from([0xcf]), bigEndian(at)])
    expect(decodeBatch('msgpack', body)).toEqual([{ at }])
  })
})

describe('a body that is no batch', () => {
  it.each<['json' | 'ndjson', string]>([
    ['json', '[{"queue":'],
    ['json', '{"queue":"q"}'],
    ['json', ''],
    ['json', '\ufeff[]'],
    ['ndjson', '{"queue":"q"}\n{'],
  ])('%s %j is refused', (format, text) => {
    expect(refusalOf(() => decodeBatch(format, utf8.encode(text))).code).toMatch(
      /^HW_(MALFORMED_BODY|INVALID_REQUEST)$/,
    )
  })

  it('of bytes that are no UTF-8 is refused', () => {
    expect(refusalOf(() => decodeBatch('json', new Uint8Array([0x5b, 0xff, 0x5d]))).code).toBe('HW_MALFORMED_BODY')
  })

  it.each([
    ['a huge array', [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ['a huge map', [0xdf, 0x7f, 0xff, 0xff, 0xff, 0xc0]],
    ['nested huge arrays', Array.from({ length: 200 }, () => [0xdd, 0, 1, 0, 0]).flat()],
    ['a text that is cut', [0x91, 0xdb, 0, 0, 1, 0, 0x41]],
    ['bytes that are cut', [0x91, 0xc6, 0xff, 0xff, 0xff, 0xff]],
    ['nothing', []],
    ['two values', [0x90, 0x90]],
    ['an extension type', [0x91, 0xd4, 0x72, 0x40]],
    ['a reserved byte', [0x91, 0xc1]],
    ['a cut length', [0x91, 0xc5, 0x00]],
    ['a cut number', [0x91, 0xcf, 0, 0]],
  ])('in msgpack is refused before it is decoded: %s', (_name, bytes) => {
    expect(refusalOf(() => decodeBatch('msgpack', Uint8Array.from(bytes))).code).toBe('HW_MALFORMED_BODY')
  })

  it('nested deeper than any payload is refused', () => {
    const deep = new Uint8Array(1_000_000).fill(0x91)
    expect(refusalOf(() => decodeBatch('msgpack', deep)).code).toBe('HW_MALFORMED_BODY')
  })
})

function bigEndian(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

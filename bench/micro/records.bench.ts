/**
 * Records: encoding a new task with a 100-byte payload and decoding it, against msgpackr on the same positional array. The
 * floor moves as many bytes through a typed-array loop.
 */

import { pack, unpack } from 'msgpackr'
import { writeNew } from '../../src/model/record-writers.ts'
import { decodeRecord, readBody } from '../../src/model/records.ts'
import type { ResultRow } from '../shared/results-file.ts'
import { compare } from './compare.ts'

export const name = 'records'

const count = 1_000
const hour = 500_000
const fireAt = hour * 3_600_000 + 1_234_567

export function run(options: { tiny: boolean }): Promise<ResultRow[]> {
  const texts = Array.from({ length: count }, (_, index) => {
    const short = JSON.stringify({ to: `user-${index}@example.com`, template: 'reminder', note: '' })
    return `${short.slice(0, -2)}${'n'.repeat(100 - short.length)}"}`
  })
  const into = Buffer.allocUnsafeSlow(count * 256)
  const ends: number[] = []
  let at = 0
  for (const [ordinal, text] of texts.entries()) {
    at = writeNew(into, at, hour, ordinal, 1, fireAt, text, undefined)
    ends.push(at)
  }
  const records = Buffer.from(into.subarray(0, at))
  const source = new Uint8Array(records)
  const copy = new Uint8Array(records.length)
  const packed = texts.map((text, ordinal) => pack([1, hour, ordinal, 1, fireAt, 1, Buffer.from(text), null]))

  const contenders = [
    {
      operation: 'encode',
      subject: 'writeNew',
      run() {
        let end = 0
        for (let index = 0; index < count; index++)
          end = writeNew(into, end, hour, index, 1, fireAt, texts[index], undefined)
        return end
      },
    },
    {
      operation: 'encode',
      subject: 'msgpackr pack',
      run() {
        let bytes = 0
        for (let index = 0; index < count; index++) {
          bytes += pack([1, hour, index, 1, fireAt, 1, Buffer.from(texts[index]!), null]).length
        }
        return bytes
      },
    },
    {
      operation: 'encode',
      subject: '(bytes through a loop)',
      run() {
        for (let index = 0; index < source.length; index++) copy[index] = source[index]!
        return copy[0]!
      },
    },
    {
      operation: 'decode',
      subject: 'decodeRecord',
      run() {
        let sum = 0
        for (let index = 0; index < count; index++) {
          const record = decodeRecord(records, index === 0 ? 0 : ends[index - 1]!, ends[index]!)
          if (record.kind === 'new') sum += record.ordinal + record.payload.length
        }
        return sum
      },
    },
    {
      operation: 'decode',
      subject: 'readBody, as when firing',
      run() {
        let sum = 0
        for (let index = 0; index < count; index++) {
          const body = readBody(records, index === 0 ? 0 : ends[index - 1]!)
          sum += body.ordinal + body.payloadBytes
        }
        return sum
      },
    },
    {
      operation: 'decode',
      subject: 'msgpackr unpack',
      run() {
        let sum = 0
        for (let index = 0; index < count; index++) {
          const [, , ordinal, , , , payload] = unpack(packed[index]!) as [0, 0, number, 0, 0, 0, Uint8Array]
          sum += ordinal + payload.length
        }
        return sum
      },
    },
    {
      operation: 'decode',
      subject: '(bytes through a loop)',
      run() {
        let sum = 0
        for (let index = 0; index < source.length; index++) sum += source[index]!
        return sum
      },
    },
  ]
  const title = 'a new task with 100 bytes of payload as text'
  return compare({ name, title, operationsPerRun: count, contenders }, options)
}

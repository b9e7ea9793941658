/**
 * Frames: what a group commit of 1,000 records of 150 bytes costs before it goes to the disk. The engine seals in place what
 * lies in its block already; a log usually concatenates. Floors: the checksum alone, and the bytes through a typed-array loop.
 */

import { crc32 } from '../../src/platform/checksum.ts'
import { frameBytesOf, frameHeaderBytes, sealFrame } from '../../src/storage/wal/log-format.ts'
import type { ResultRow } from '../shared/results-file.ts'
import { compare } from './compare.ts'

export const name = 'frames'

const records = 1_000
const recordBytes = 150

export function run(options: { tiny: boolean }): Promise<ResultRow[]> {
  const payloadBytes = records * recordBytes
  const block = Buffer.from(new SharedArrayBuffer(frameBytesOf(payloadBytes)))
  for (let at = frameHeaderBytes; at < block.length; at++) block[at] = at * 31
  const parts = Array.from({ length: records }, (_, index) =>
    Buffer.from(block.subarray(frameHeaderBytes + index * recordBytes, frameHeaderBytes + (index + 1) * recordBytes)),
  )
  const source = new Uint8Array(block.subarray(frameHeaderBytes))
  const copy = new Uint8Array(source.length)
  const header = {
    payloadBytes,
    frameNumber: 7,
    syncedFrame: 6,
    firstLsn: 1_000_000,
    recordCount: records,
    previousCrc: 1,
    wallMs: 1_800_000_000_000,
    link: 0,
  }
  const contenders = [
    { operation: 'frame', subject: 'sealFrame, in place', run: () => sealFrame(block, 0, 12_345, header) },
    {
      operation: 'frame',
      subject: 'Buffer.concat and crc32',
      run() {
        const head = Buffer.alloc(frameHeaderBytes)
        const payload = Buffer.concat(parts)
        head.writeUInt32LE(payload.length, 0)
        head.writeUInt32LE(crc32(payload), 4)
        return Buffer.concat([head, payload]).length
      },
    },
    { operation: 'frame', subject: '(crc32 of the payload)', run: () => crc32(source) },
    {
      operation: 'frame',
      subject: '(bytes through a loop)',
      run() {
        for (let index = 0; index < source.length; index++) copy[index] = source[index]!
        return copy[0]!
      },
    },
  ]
  const title = '1,000 records of 150 bytes; a record is an operation'
  return compare({ name, title, operationsPerRun: records, contenders }, options)
}

// Made wal-v1.log, once: `npx vitest` reads that file for ever, so run this again only for a new format, with a new name.
// Written after docs/format.md and independent of the sources on purpose.

import { writeFileSync } from 'node:fs'
import { crc32 } from 'node:zlib'

const id = Buffer.from('101112131415161718191a1b1c1d1e1f', 'hex')
const seed = crc32(id)
const file = Buffer.alloc(1024)
file.write('HWwal\0\0\0', 0, 'latin1')
file.writeUInt32LE(1, 8)
id.copy(file, 16)
file.writeBigUInt64LE(7n, 32)
file.writeUInt32LE(3, 40)
file.writeBigUInt64LE(1024n, 48)
file.writeUInt32LE(crc32(file.subarray(0, 60), seed), 60)

let at = 64
let lsn = 101
let number = 0
let crc = file.readUInt32LE(60)

function frame(records, link = 0) {
  let end = at + 64
  for (const record of records) {
    file.writeUInt32LE(record.length, end)
    record.copy(file, end + 4)
    end += 4 + record.length
  }
  const payloadBytes = end - at - 64
  const padded = Math.ceil(payloadBytes / 8) * 8
  file.write('HWfr', at, 'latin1')
  file.writeUInt32LE(payloadBytes, at + 4)
  file.writeBigUInt64LE(BigInt(++number), at + 8)
  file.writeBigUInt64LE(BigInt(number - 1), at + 16)
  file.writeBigUInt64LE(BigInt(lsn), at + 24)
  file.writeUInt32LE(records.length, at + 32)
  file.writeUInt32LE(crc, at + 36)
  file.writeDoubleLE(1_800_000_000_000, at + 40)
  file.writeUInt32LE(crc32(file.subarray(at + 64, at + 64 + padded), seed), at + 48)
  file.writeUInt32LE(link, at + 52)
  crc = crc32(file.subarray(at, at + 60), seed)
  file.writeUInt32LE(crc, at + 60)
  lsn += records.length
  at += 64 + padded
}

const record = (value) => {
  const bytes = Buffer.alloc(16 + value, value)
  bytes[0] = 0xc4
  bytes.writeUInt32LE(value, 1)
  return bytes
}

frame([Buffer.from([0x92, 11, 3])], 0xc0ffee)
frame([record(1), record(2), record(3)])
frame([])
frame([record(4)])
frame([Buffer.from([0x92, 13, 8])])
writeFileSync(new URL('wal-v1.log', import.meta.url), file)

import { expect, test } from 'vitest'
import { crc32, fileSeed } from '../../src/platform/checksum.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

test('the checksum is the CRC-32 that everybody knows, unsigned', () => {
  expect(crc32(text('123456789'))).toBe(0xcbf43926)
  expect(crc32(text(''))).toBe(0)
})

test('a checksum can be continued', () => {
  expect(crc32(text('56789'), crc32(text('1234')))).toBe(0xcbf43926)
})

test('the same bytes in another file have another checksum', () => {
  const first = fileSeed(new Uint8Array(16).fill(1))
  const second = fileSeed(new Uint8Array(16).fill(2))
  expect(crc32(text('frame'), first)).not.toBe(crc32(text('frame'), second))
})

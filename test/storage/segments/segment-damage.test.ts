import { describe, expect, test } from 'vitest'
import { HourwheelError } from '../../../src/model/errors.ts'
import { hourMs } from '../../../src/model/units.ts'
import { crc32, fileSeed } from '../../../src/platform/checksum.ts'
import { fileHeaderBytes } from '../../../src/storage/file-header.ts'
import { fileIdOfHex, type SegmentMeta } from '../../../src/storage/file-meta.ts'
import type { SegmentEntry } from '../../../src/storage/segments/segment-entry.ts'
import { blockHeaderBytes, placeSeed } from '../../../src/storage/segments/segment-format.ts'
import { openSegment, type DamagedBlock, type Segment } from '../../../src/storage/segments/segment-reader.ts'
import { verifySegment } from '../../../src/storage/segments/segment-verify.ts'
import { SeededRandom } from '../../../src/testing/seeded-random.ts'
import { MemoryDisk } from '../wal/memory-disk.ts'
import {
  directory,
  drain,
  firstHour,
  idOf,
  openFilesOf,
  orderAtOf,
  plain,
  type PlainEntry,
  randomEntries,
  written,
} from './segment-rig.ts'

const path = `${directory}/seg-1.seg`

interface Made {
  readonly disk: MemoryDisk
  readonly entries: SegmentEntry[]
  readonly meta: SegmentMeta
  readonly bytes: Buffer
}

async function made(seed: string, count: number, payloadBytesMax: number, hours = 3): Promise<Made> {
  const random = new SeededRandom(seed)
  const disk = new MemoryDisk()
  const entries = randomEntries(random, { count, payloadBytesMax, hours })
  const meta = await written(disk, random, entries)
  return { disk, entries, meta, bytes: Buffer.from(disk.bytesOf(path)) }
}

function replace(disk: MemoryDisk, bytes: Buffer): void {
  disk.inodes.set(path, { bytes })
  disk.calls.length = 0
}

async function refusalOf(disk: MemoryDisk, meta: SegmentMeta): Promise<HourwheelError | Segment> {
  try {
    return await openSegment(disk, directory, meta)
  } catch (error) {
    if (error instanceof HourwheelError) return error
    throw error
  }
}

/** An id may be filed under several hours. */
const placed = (entry: SegmentEntry | PlainEntry): string => `${entry.placeHour}/${idOf(entry)}`

const idsOf = (damage: readonly DamagedBlock[]): string[] =>
  damage.flatMap((part) => part.ids.map((id) => `${part.hour}/${idOf(id)}`))

/** What a damaged segment must do: refuse, or give all tasks that it does not report as damaged. Answers which. */
async function judge({ disk, entries, meta }: Made, checkedFinds: number): Promise<'refused' | 'block' | 'directory'> {
  const opened = await refusalOf(disk, meta)
  if (opened instanceof HourwheelError) {
    expect(opened.code).toMatch(/^HW_(CORRUPT|FORMAT_NEWER)$/u)
    expect(opened.details).toMatchObject({ file: 'seg-1.seg', tasks: entries.length })
    expect(opened.details['offset']).toBeTypeOf('number')
    expect(openFilesOf(disk)).toBe(0)
    return 'refused'
  }
  const cursor = opened.cursor(undefined, { readAheadBytes: 4_096 })
  const read = await drain(cursor)
  const lost = new Map(cursor.damage.flatMap(({ hour, ids }) => ids.map((id) => [`${hour}/${idOf(id)}`, id.queue])))
  expect(read).toEqual(entries.filter((entry) => !lost.has(placed(entry))).map(plain))
  expect(cursor.damage.reduce((sum, part) => sum + part.count, 0)).toBe(entries.length - read.length)
  for (const entry of entries) if (lost.has(placed(entry))) expect(lost.get(placed(entry))).toBe(entry.queue)

  const step = Math.max(1, Math.floor(entries.length / checkedFinds))
  for (let index = 0; index < entries.length; index += step) {
    const entry = entries[index]!
    const found = await opened.find(entry.placeHour, entry.homeHour, entry.ordinal)
    if (lost.has(placed(entry))) expect(found).toBe('damaged')
    else expect(typeof found === 'object' ? plain(found) : found).toEqual(plain(entry))
  }
  const verified = await verifySegment(disk, directory, meta)
  expect(verified.count).toBe(read.length)
  expect(verified.damage.length).toBeGreaterThan(0)
  expect(verified.damage.every((part) => part.file === 'seg-1.seg' && part.offset >= fileHeaderBytes)).toBe(true)
  expect(openFilesOf(disk)).toBe(0)
  return lost.size > 0 ? 'block' : 'directory'
}

describe('a segment in which', () => {
  test('any byte is changed is refused, or names exactly the tasks it lost', async () => {
    const small = await made('flip', 24, 12)
    const outcomes = { refused: 0, block: 0, directory: 0 }
    const random = new SeededRandom('bits')
    for (let at = 0; at < small.bytes.length; at++) {
      const bytes = Buffer.from(small.bytes)
      bytes[at]! ^= random.between(1, 255)
      replace(small.disk, bytes)
      outcomes[await judge(small, 4)]++
    }
    expect(Object.values(outcomes).every((count) => count > 100)).toBe(true)
  })

  test('bytes of a large one are changed, zeroed or repeated: the same', async () => {
    const large = await made('large', 900, 1_500, 2)
    const random = new SeededRandom('large damage')
    for (let round = 0; round < 40; round++) {
      const bytes = Buffer.from(large.bytes)
      const at = random.below(bytes.length)
      const length = Math.min(random.pick([1, 2, 512, 4_096]), bytes.length - at)
      const kind = random.pick(['flip', 'zero', 'shift'])
      if (kind === 'flip') bytes[at]! ^= random.between(1, 255)
      else if (kind === 'zero') bytes.fill(0, at, at + length)
      else bytes.copyWithin(at, Math.max(0, at - length), at)
      if (bytes.equals(large.bytes)) continue
      replace(large.disk, bytes)
      await judge(large, 15)
    }
  })

  test('bytes are missing at the end, or too many, is refused', async () => {
    const { disk, meta, bytes } = await made('cut', 24, 12)
    const files = Array.from({ length: bytes.length }, (_, length) => bytes.subarray(0, length))
    for (const file of [...files, Buffer.concat([bytes, Buffer.alloc(1)])]) {
      replace(disk, file)
      const refusal = await refusalOf(disk, meta)
      expect(refusal).toMatchObject({ code: 'HW_CORRUPT', details: { file: 'seg-1.seg', tasks: 24 } })
    }
  })

  test('bytes go missing after it was opened reports the tasks behind', async () => {
    const { disk, meta, bytes, entries } = await made('later', 900, 1_500, 2)
    const segment = await openSegment(disk, directory, meta)
    const open = disk.open.bind(disk)
    disk.open = async (...call) => {
      const file = await open(...call)
      const read = file.read.bind(file)
      const left = (at: number): number => Math.max(0, (bytes.length >> 1) - at)
      file.read = async (into, at) => (left(at) === 0 ? 0 : read(into.subarray(0, left(at)), at))
      return file
    }
    const cursor = segment.cursor()
    const read = await drain(cursor)
    expect(read.length).toBeGreaterThan(100)
    expect(read).toEqual(entries.slice(0, read.length).map(plain))
    expect(cursor.damage.reduce((sum, part) => sum + part.count, 0)).toBe(900 - read.length)
  })

  test('two blocks, or two pages, have changed places reports both', async () => {
    const entries: SegmentEntry[] = Array.from({ length: 1_536 }, (_, index) => ({
      placeHour: firstHour,
      homeHour: firstHour,
      ordinal: 1_000 + index,
      lsn: 100_000 + index,
      queue: 1,
      fireAt: firstHour * hourMs,
      attempt: 0,
      generation: 0,
      payloadKind: 2,
      payload: Buffer.alloc(100, 1),
      extras: undefined,
      dead: undefined,
    }))
    const disk = new MemoryDisk()
    const meta = await written(disk, new SeededRandom(1), entries)
    const bytes = Buffer.from(disk.bytesOf(path))
    const blockBytes = blockHeaderBytes + bytes.readUInt32LE(fileHeaderBytes + 16 + 4)
    const swapped = (one: number, other: number, length: number): Buffer => {
      const copy = Buffer.from(bytes)
      bytes.copy(copy, one, other, other + length)
      bytes.copy(copy, other, one, one + length)
      return copy
    }
    const firstAt = fileHeaderBytes + 16
    replace(disk, swapped(firstAt + blockBytes, firstAt + 2 * blockBytes, blockBytes))
    expect(await judge({ disk, entries, meta, bytes }, 40)).toBe('block')

    replace(disk, bytes)
    const segment = await openSegment(disk, directory, meta)
    const directoryAt = bytes.length - 72 - 24 - 20 * blocksOf(bytes) - (1_536 * 8 + 3 * 4)
    replace(disk, swapped(directoryAt, directoryAt + 4_100, 4_100))
    expect((await segment.directory(firstHour)).damagedAt).toEqual([directoryAt, directoryAt + 4_100])
    expect(await judge({ disk, entries, meta, bytes }, 40)).toBe('directory')
  })

  test('entries are malformed behind a right checksum loses no more than those', async () => {
    const { disk, entries, meta, bytes } = await made('forged', 300, 600, 1)
    const random = new SeededRandom('forge')
    const seed = fileSeed(fileIdOfHex(meta.fileId))
    const start = fileHeaderBytes + 16
    const entriesBytes = bytes.readUInt32LE(start + 4)
    const inBlock = bytes.readUInt32LE(start + 8)
    let malformed = 0
    for (let round = 0; round < 150; round++) {
      const forged = Buffer.from(bytes)
      forged[start + blockHeaderBytes + random.below(entriesBytes)]! ^= random.between(1, 255)
      const end = start + blockHeaderBytes + entriesBytes
      forged.writeUInt32LE(crc32(forged.subarray(start + 4, end), placeSeed(seed, start)), start)
      replace(disk, forged)
      const cursor = (await openSegment(disk, directory, meta)).cursor()
      const read = await drain(cursor)
      expect(read.length + cursor.damage.reduce((sum, part) => sum + part.count, 0)).toBe(300)
      expect(read.slice(-300 + inBlock)).toEqual(entries.slice(inBlock).map(plain))
      for (let i = 1; i < read.length; i++) expect(orderOf(read[i]!)).toBeGreaterThanOrEqual(orderOf(read[i - 1]!))
      if (cursor.damage.length === 0) continue
      malformed++
      const got = new Set(read.map(placed))
      for (const id of idsOf(cursor.damage)) expect(got.has(id)).toBe(false)
    }
    expect(malformed).toBeGreaterThan(5)
  })
})

const orderOf = (entry: { fireAt: number; placeHour: number }): number =>
  Math.max(entry.fireAt, entry.placeHour * hourMs)
const blocksOf = (bytes: Buffer): number => bytes.readUInt32LE(bytes.length - 72 + 52)

describe('a segment that', () => {
  test('is missing, of another number, kind, life or format is refused', async () => {
    const { disk, meta, bytes } = await made('wrong', 24, 12)
    const refused = async (changed: Partial<SegmentMeta>): Promise<unknown> => refusalOf(disk, { ...meta, ...changed })
    expect(await refused({ number: 2 })).toMatchObject({
      code: 'HW_CORRUPT',
      details: { file: 'seg-2.seg', tasks: 24 },
    })
    for (const change of [
      { fileId: '00'.repeat(16) },
      { bytes: meta.bytes + 1 },
      { footerCrc: meta.footerCrc ^ 1 },
      { count: 23 },
      { lsnMin: meta.lsnMin - 1 },
      { hourTo: meta.hourTo + 1 },
    ]) {
      expect(await refused(change)).toMatchObject({ code: 'HW_CORRUPT', details: { file: 'seg-1.seg' } })
    }
    disk.inodes.set(`${directory}/seg-2.seg`, { bytes })
    disk.inodes.set(`${directory}/dead-1.seg`, { bytes })
    expect(await refused({ number: 2 })).toMatchObject({ code: 'HW_CORRUPT' })
    expect(await refused({ kind: 'dead' })).toMatchObject({ code: 'HW_CORRUPT' })
    const newer = Buffer.from(bytes)
    newer.writeUInt32LE(2, 8)
    newer.writeUInt32LE(crc32(newer.subarray(0, 60), fileSeed(fileIdOfHex(meta.fileId))), 60)
    replace(disk, newer)
    expect(await refused({})).toMatchObject({ code: 'HW_FORMAT_NEWER', details: { tasks: 24 } })
  })

  test('cannot be read rejects with the error of the disk, and is never taken for damaged', async () => {
    const { disk, entries, meta } = await made('eio', 300, 300)
    const readAll = async (): Promise<number> => {
      const segment = await openSegment(disk, directory, meta)
      const cursor = segment.cursor(undefined, { readAheadBytes: 1 })
      try {
        await segment.find(entries[7]!.placeHour, entries[7]!.homeHour, entries[7]!.ordinal)
        await segment.directory(meta.hourFrom)
        const read = await drain(cursor)
        return read.length
      } finally {
        expect(cursor.damage).toEqual([])
        expect(segment.takeDamage()).toEqual([])
        await cursor.close()
      }
    }
    disk.calls.length = 0
    expect(await readAll()).toBe(300)
    const calls = [...disk.calls]
    for (let failing = 0; failing < calls.length; failing++) {
      if (calls[failing]!.op === 'close') continue
      let call = 0
      disk.calls.length = 0
      disk.hook = () => {
        if (call++ === failing) throw Object.assign(new Error('cannot'), { code: 'EIO' })
      }
      await expect(readAll()).rejects.toMatchObject({ code: 'EIO' })
      disk.hook = undefined
      expect(openFilesOf(disk)).toBe(calls[failing]!.op === 'open' ? 1 : 0)
    }
  })

  test('reads on behind a damaged block, from a key within it', async () => {
    const large = await made('within', 300, 1_500, 1)
    const { disk, entries, meta, bytes } = large
    const damaged = Buffer.from(bytes)
    damaged[fileHeaderBytes + 16 + blockHeaderBytes + 9]! ^= 1
    replace(disk, damaged)
    const segment = await openSegment(disk, directory, meta)
    const inBlock = bytes.readUInt32LE(fileHeaderBytes + 16 + 8)
    const third = entries[2]!
    const key = { hour: third.placeHour, orderAt: orderAtOf(third), homeHour: third.homeHour, ordinal: third.ordinal }
    const cursor = segment.cursor(key)
    expect(await drain(cursor)).toEqual(entries.slice(inBlock).map(plain))
    expect(cursor.damage).toMatchObject([{ part: 'block', hour: firstHour, count: inBlock }])
    expect(idsOf(cursor.damage).sort()).toEqual(entries.slice(0, inBlock).map(placed).sort())
    expect(await segment.find(third.placeHour, third.homeHour, third.ordinal)).toBe('damaged')
    expect(segment.takeDamage()).toEqual(cursor.damage)
    expect(segment.takeDamage()).toEqual([])
  })
})

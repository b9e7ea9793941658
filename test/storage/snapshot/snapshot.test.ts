import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { HourwheelError } from '../../../src/model/errors.ts'
import { crc32, fileSeed } from '../../../src/platform/checksum.ts'
import { fileIdOfHex, type SnapshotMeta } from '../../../src/storage/file-meta.ts'
import { readSnapshot, writeSnapshot, type SnapshotSection } from '../../../src/storage/snapshot/snapshot.ts'
import { SeededRandom } from '../../../src/testing/seeded-random.ts'
import { MemoryDisk } from '../wal/memory-disk.ts'
import { openFilesOf, shortDisk } from '../segments/segment-rig.ts'

const directory = '/data'
const options = { directory, number: 14, openCount: 3 }
const path = `${directory}/snap-14.snap`

const goldenMeta: SnapshotMeta = {
  number: 14,
  fileId: '404142434445464748494a4b4c4d4e4f',
  bytes: 461,
  footerCrc: 3_562_533_513,
  sections: 3,
}
const goldenBytes = readFileSync(new URL('../../golden/snapshot-v1.snap', import.meta.url))
const section = (name: string, content: string): SnapshotSection => ({ name, bytes: Buffer.from(content, 'latin1') })
const goldenSections = [section('moved', 'abc'), section('dead', ''), section('moved', 'x'.repeat(300))]

const plain = (sections: readonly SnapshotSection[]): string[] =>
  sections.map(({ name, bytes }) => `${name}: ${Buffer.from(bytes).toString('latin1')}`)

async function refusalOf(bytes: Buffer, meta: SnapshotMeta = goldenMeta): Promise<HourwheelError> {
  const disk = new MemoryDisk()
  disk.inodes.set(path, { bytes })
  try {
    await readSnapshot(disk, directory, meta)
  } catch (error) {
    if (error instanceof HourwheelError) return error
    throw error
  }
  throw new Error('it was accepted')
}

describe('a snapshot', () => {
  test('is read as it was written, by a generator of either kind', async () => {
    const random = new SeededRandom('snapshots')
    for (let round = 0; round < 40; round++) {
      const disk = round % 2 === 0 ? new MemoryDisk() : shortDisk(random.fork('short'))
      const sections = Array.from({ length: random.below(8) }, () => ({
        name: random.pick(['moved', 'ends', 'a', 'x-9'.repeat(21)]),
        bytes: random.bytes(random.pick([0, 1, 1000, round < 2 ? 2_000_000 : 10])),
      }))
      async function* slowly(): AsyncGenerator<SnapshotSection> {
        yield* sections
      }
      const meta = await writeSnapshot(disk, random, options, round % 3 === 0 ? sections : slowly())
      expect(meta.sections).toBe(sections.length)
      expect(plain(await readSnapshot(disk, directory, meta))).toEqual(plain(sections))
      expect(disk.calls.filter(({ op }) => op === 'sync').length).toBe(1)
      expect(openFilesOf(disk)).toBe(0)
    }
  })

  test('of the first format is read, and written again the same', async () => {
    const disk = new MemoryDisk()
    disk.inodes.set(path, { bytes: goldenBytes })
    expect(plain(await readSnapshot(disk, directory, goldenMeta))).toEqual(plain(goldenSections))
    const again = new MemoryDisk()
    const random = { unit: () => 0, bytes: () => fileIdOfHex(goldenMeta.fileId) }
    expect(await writeSnapshot(again, random, options, goldenSections)).toEqual(goldenMeta)
    expect(again.bytesOf(path).equals(goldenBytes)).toBe(true)
  })

  test('with any byte changed, missing or added is refused', async () => {
    const random = new SeededRandom('bytes')
    for (let at = 0; at < goldenBytes.length; at++) {
      const changed = Buffer.from(goldenBytes)
      changed[at]! ^= random.between(1, 255)
      for (const bytes of [changed, goldenBytes.subarray(0, at)]) {
        const refusal = await refusalOf(bytes)
        expect(refusal).toMatchObject({ code: 'HW_CORRUPT', details: { file: 'snap-14.snap' } })
        expect(refusal.details['offset']).toBeTypeOf('number')
      }
      // Cut short together with what the manifest says of it.
      expect((await refusalOf(goldenBytes.subarray(0, at), { ...goldenMeta, bytes: at })).code).toBe('HW_CORRUPT')
    }
    expect((await refusalOf(Buffer.concat([goldenBytes, Buffer.alloc(1)]))).code).toBe('HW_CORRUPT')
  })

  test('that is missing, of another life, number or format is refused', async () => {
    expect(await readSnapshot(new MemoryDisk(), directory, goldenMeta).catch((error: unknown) => error)).toMatchObject({
      code: 'HW_CORRUPT',
      details: { file: 'snap-14.snap' },
    })
    for (const change of [{ fileId: '00'.repeat(16) }, { footerCrc: 1 }, { sections: 2 }]) {
      expect((await refusalOf(goldenBytes, { ...goldenMeta, ...change })).code).toBe('HW_CORRUPT')
    }
    const newer = Buffer.from(goldenBytes)
    newer.writeUInt32LE(2, 8)
    newer.writeUInt32LE(crc32(newer.subarray(0, 60), fileSeed(fileIdOfHex(goldenMeta.fileId))), 60)
    expect((await refusalOf(newer)).code).toBe('HW_FORMAT_NEWER')
  })

  test('that cannot be written leaves no file', async () => {
    const clean = new MemoryDisk()
    await writeSnapshot(clean, new SeededRandom(1), options, goldenSections)
    for (const { op } of clean.calls.filter((call) => call.op !== 'close')) {
      const disk = new MemoryDisk()
      disk.hook = (call) => {
        if (call.op === op) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
      }
      const writing = writeSnapshot(disk, new SeededRandom(1), options, goldenSections)
      await expect(writing).rejects.toMatchObject({ code: 'ENOSPC' })
      expect(disk.names()).toEqual([])
    }
    const disk = new MemoryDisk()
    const writing = writeSnapshot(disk, new SeededRandom(1), options, [section('no good', '')])
    await expect(writing).rejects.toMatchObject({ code: 'HW_INTERNAL' })
    expect([disk.names(), openFilesOf(disk)]).toEqual([[], 0])
  })
})

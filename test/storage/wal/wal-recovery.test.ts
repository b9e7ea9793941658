import { beforeEach, describe, expect, test } from 'vitest'
import type { LogFileInfo } from '../../../src/storage/wal/log.ts'
import {
  recoverLog,
  removeLeftovers,
  type KnownLogFile,
  type RecoveredLog,
  type RecoverLogOptions,
} from '../../../src/storage/wal/wal-recovery.ts'
import { append, appendSoon, directory, openLog, readBack, testRandom, until, type Rig } from './log-rig.ts'
import { MemoryDisk } from './memory-disk.ts'

type Recovery = RecoveredLog & { readonly values: number[] }

async function recover(disk: MemoryDisk, options: Partial<RecoverLogOptions> = {}): Promise<Recovery> {
  const values: number[] = []
  const recovered = await recoverLog({
    disk,
    random: testRandom(77),
    directory,
    knownOpenCount: 1,
    known: [],
    openCount: 2,
    onRecord: (_file, bytes, at) => {
      if (bytes[at] === 0xc4) values.push(bytes.readUInt32LE(at + 1))
    },
    ...options,
  })
  return { ...recovered, values }
}

const path = (name: string): string => `${directory}/${name}`
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)
const corrupt = (file: string): object => ({ code: 'HW_CORRUPT', message: expect.stringContaining(file) })

/** A disk as a killed process leaves it: three files and a bit, and what is in the manifest if that knows all but the last. */
let disk: MemoryDisk
let known: KnownLogFile[]
let count: number
let last: string

async function stopped(rig: Rig): Promise<void> {
  await rig.log.whenSynced(rig.log.appendedLsn)
  const { files } = rig.log.stats()
  await until(() => rig.log.stats().freeBytes > 8_000 && files === rig.log.files().length)
  disk.hook = () => new Promise(() => undefined)
}

beforeEach(async () => {
  disk = new MemoryDisk()
  const rig = await openLog(disk, { readyFilesMax: 1 })
  count = 0
  while (rig.log.fileNumber < 4) await appendSoon(rig, ++count)
  await stopped(rig)
  known = rig.log.files().slice(0, 3)
  last = 'wal-1-4.log'
  const living = disk
  disk = new MemoryDisk()
  for (const [name, inode] of living.inodes) disk.inodes.set(name, { bytes: Buffer.from(inode.bytes) })
})

describe('the chain', () => {
  test('is what the manifest lists and what follows it by name', async () => {
    for (const listed of [0, 1, 3]) {
      const recovered = await recover(disk, { known: known.slice(0, listed) })
      expect(recovered.values).toEqual(upTo(count))
      expect(recovered.files.map(({ number }) => number)).toEqual([1, 2, 3, 4])
      expect(recovered).toMatchObject({ nextFileNumber: 5, endedCleanly: false, tornTails: [] })
      expect(recovered.leftovers).toEqual(['wal-1-5.log', last])
    }
  })

  test('ends in a sealed copy of the last file, which the next writer continues', async () => {
    const recovered = await recover(disk)
    expect(disk.calls.some(({ op, path: at }) => op === 'sync' && at === path('wal-2-4.log.tmp'))).toBe(true)
    expect(disk.calls.at(-1)).toMatchObject({ op: 'syncDirectory' })
    const copy = recovered.files.at(-1)!
    expect(copy).toMatchObject({ name: 'wal-2-4.log', number: 4, sealed: true })
    const before = await readBack(disk, last)
    const after = await readBack(disk, copy.name, { mustBeSealed: true, firstLsn: copy.firstLsn })
    expect(after.all.slice(0, -1)).toEqual(before.all)
    expect(after).toMatchObject({ lastLsn: before.lastLsn + 1, fileId: copy.fileId, wallMsMax: before.wallMsMax })
    expect(after.fileId).not.toBe(before.fileId)

    await removeLeftovers(disk, directory, recovered.leftovers)
    const { files, nextFileNumber: firstFileNumber, nextLsn: firstLsn, link } = recovered
    const rig = await openLog(disk, { openCount: 2, recovered: files, firstFileNumber, firstLsn, link })
    append(rig.log, count + 1)
    expect(rig.log.files().map(({ number }) => number)).toEqual([1, 2, 3, 4, 5])
    await rig.log.close()
    const again = await recover(disk, { knownOpenCount: 2, openCount: 3, known: files })
    expect(again.values).toEqual(upTo(count + 1))
    expect(again.endedCleanly).toBe(true)
  })

  test('of a directory that was never used is empty', async () => {
    const recovered = await recover(new MemoryDisk(), { knownOpenCount: 0, openCount: 1, firstLsn: 5 })
    expect(recovered).toMatchObject({ files: [], nextFileNumber: 1, nextLsn: 5, link: 0, leftovers: [], records: 0 })
  })

  test('recovery repeated gives the same, whatever an interrupted one left', async () => {
    const first = await recover(disk)
    const second = await recover(disk)
    expect(second.values).toEqual(first.values)
    expect(second).toMatchObject({ nextLsn: first.nextLsn, leftovers: first.leftovers })
    disk.inodes.set(path('wal-2-4.log.tmp'), { bytes: Buffer.from('unfinished') })
    expect((await recover(disk)).nextLsn).toBe(first.nextLsn)
  })

  test('a sealed last file that the manifest knows as sealed is not copied', async () => {
    const recovered = await recover(disk)
    await removeLeftovers(disk, directory, recovered.leftovers)
    const options = { knownOpenCount: 2, openCount: 3 }
    const again = await recover(disk, { ...options, known: recovered.files })
    expect(again.files).toEqual(recovered.files)
    expect(again.leftovers).toEqual([])
    const unsure = recovered.files.map(({ number, name, fileId, firstLsn }) => ({ number, name, fileId, firstLsn }))
    expect((await recover(disk, { ...options, known: unsure })).files.at(-1)!.name).toBe('wal-3-4.log')
  })
})

describe('a torn tail', () => {
  test('is saved aside, cut and reported', async () => {
    const bytes = disk.bytesOf(path(last))
    const { validBytes } = await readBack(disk, last)
    const garbage = Buffer.alloc(100, 0x5a)
    garbage.copy(bytes, validBytes)
    const recovered = await recover(disk)
    expect(recovered.values).toEqual(upTo(count))
    const savedAs = `${directory}/quarantine/${last}.${validBytes}.torn`
    expect(recovered.tornTails).toMatchObject([{ file: last, offset: validBytes, bytes: 100, savedAs }])
    expect(disk.bytesOf(savedAs)).toEqual(garbage)
    expect((await readBack(disk, 'wal-2-4.log')).ended).toBe('sealed')
  })

  test('in a file that was only prepared is saved too', async () => {
    disk.bytesOf(path('wal-1-5.log')).write('HWfr', 64)
    const recovered = await recover(disk)
    expect(recovered.tornTails).toMatchObject([{ file: 'wal-1-5.log', offset: 64, bytes: 4 }])
    expect(recovered).toMatchObject({ nextFileNumber: 5, leftovers: ['wal-1-5.log', last] })
  })

  test('of a file that is not the last is refused, and nothing is changed', async () => {
    disk.bytesOf(path('wal-1-2.log'))[5000]! ^= 1
    const before = disk.names()
    await expect(recover(disk)).rejects.toMatchObject(corrupt('wal-1-2.log'))
    expect(disk.names()).toEqual(before)
  })
})

describe('refused, naming the file', () => {
  test.each(['wal-1-1.log', 'wal-1-2.log', 'wal-1-3.log'])('%s missing', async (name) => {
    disk.inodes.delete(path(name))
    await expect(recover(disk, { known })).rejects.toMatchObject(corrupt(name))
    await expect(recover(disk)).rejects.toMatchObject({ code: 'HW_CORRUPT' })
  })

  test('two files swapped', async () => {
    const one = disk.inodes.get(path('wal-1-2.log'))!
    disk.inodes.set(path('wal-1-2.log'), disk.inodes.get(path('wal-1-3.log'))!)
    disk.inodes.set(path('wal-1-3.log'), one)
    await expect(recover(disk)).rejects.toMatchObject({ code: 'HW_CORRUPT' })
  })

  test('a file of another directory in the place of one, by its link alone', async () => {
    const living = new MemoryDisk()
    const other = await openLog(living, { readyFilesMax: 1, random: testRandom(99) })
    for (let value = 1; other.log.fileNumber < 4; value++) await appendSoon(other, value)
    await other.log.close()
    disk.inodes.set(path('wal-1-3.log'), living.inodes.get(path('wal-1-3.log'))!)
    await expect(recover(disk)).rejects.toMatchObject(corrupt('wal-1-3.log'))
    await expect(recover(disk, { known })).rejects.toMatchObject(corrupt('wal-1-3.log'))
  })

  test('a file that the manifest lists with a head that is gone', async () => {
    const all: LogFileInfo[] = (await recover(disk)).files
    const bytes = disk.bytesOf(path(last))
    bytes.fill(0, 64)
    const unsure = { ...all[3]!, name: last, fileId: bytes.subarray(16, 32).toString('hex'), sealed: false }
    await expect(recover(disk, { known: [...known, unsure] })).rejects.toMatchObject(corrupt(last))
  })

  test('the first LSN is not the one of the manifest', async () => {
    await expect(recover(disk, { known: [{ ...known[0]!, firstLsn: 2 }] })).rejects.toMatchObject(
      corrupt('wal-1-1.log'),
    )
  })

  test('a manifest older than the log', async () => {
    const recovered = await recover(disk)
    const { files, nextFileNumber: firstFileNumber, nextLsn: firstLsn, link } = recovered
    const rig = await openLog(disk, { openCount: 2, recovered: files, firstFileNumber, firstLsn, link })
    await rig.log.close()
    await expect(recover(disk, { known })).rejects.toMatchObject(corrupt('wal-2-5.log'))
  })

  test('an extra file', async () => {
    const used = { bytes: Buffer.from(disk.bytesOf(path('wal-1-3.log'))) }
    disk.inodes.set(path('wal-0-6.log'), used)
    await expect(recover(disk)).rejects.toMatchObject(corrupt('wal-0-6.log'))
    disk.inodes.delete(path('wal-0-6.log'))
    disk.inodes.set(path('wal-1-7.log'), used)
    await expect(recover(disk)).rejects.toMatchObject(corrupt('wal-1-6.log'))
  })

  test('a read error', async () => {
    disk.hook = ({ op, path: at }) => {
      if (op === 'read' && at === path('wal-1-2.log')) throw Object.assign(new Error('bad'), { code: 'EIO' })
    }
    await expect(recover(disk)).rejects.toMatchObject({ code: 'HW_DISK_FAILED' })
  })
})

test('retired files that a power cut brought back, and originals of copies, are leftovers', async () => {
  const recovered = await recover(disk)
  const leftovers = await recover(disk, { knownOpenCount: 2, openCount: 3, known: recovered.files.slice(2) })
  expect([...leftovers.leftovers].sort()).toEqual(['wal-1-1.log', 'wal-1-2.log', last, 'wal-1-5.log'].sort())
  expect(leftovers.files.map(({ name }) => name)).toEqual(['wal-1-3.log', 'wal-2-4.log'])
})

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { encodeFileHeader, fileHeaderBytes } from '../../../src/storage/file-header.ts'
import { fileSeed } from '../../../src/platform/checksum.ts'
import { alignUp, frameHeaderBytes, sealFrame } from '../../../src/storage/wal/log-format.ts'
import { append, directory, openLog, readBack, recordBytes, type ReadBack } from './log-rig.ts'
import { MemoryDisk } from './memory-disk.ts'

const name = 'wal-1-1.log'
const path = `${directory}/${name}`
const fileId = Uint8Array.from({ length: 16 }, (_, index) => index + 1)

interface FrameSpec {
  readonly values: readonly number[]
  readonly synced?: number
  readonly kind?: 'seal' | 'clean'
}

/** A file made by hand, after docs/format.md, and where its frames are. */
function makeFile(frames: readonly FrameSpec[], fileBytes = 4096, id = fileId): { bytes: Buffer; at: number[] } {
  const bytes = Buffer.alloc(fileBytes)
  const header = encodeFileHeader({ kind: 'wal', fileId: id, number: 1, openCount: 1, extent: fileBytes })
  header.copy(bytes)
  let crc = header.readUInt32LE(60)
  let at = fileHeaderBytes
  let lsn = 1
  const places: number[] = []
  for (const [index, { values, synced = index, kind }] of frames.entries()) {
    let end = at + frameHeaderBytes
    const records =
      kind === undefined
        ? values.map((value) => recordBytes(value, 20 + (value % 5)))
        : [Buffer.from([0x92, kind === 'seal' ? 13 : 12, 2])]
    for (const record of records) {
      bytes.writeUInt32LE(record.length, end)
      record.copy(bytes, end + 4)
      end += 4 + record.length
    }
    const payloadBytes = end - at - frameHeaderBytes
    places.push(at)
    crc = sealFrame(bytes, at, fileSeed(id), {
      payloadBytes,
      frameNumber: index + 1,
      syncedFrame: synced,
      firstLsn: lsn,
      recordCount: records.length,
      previousCrc: crc,
      wallMs: 1_000 + index,
      link: 0,
    })
    lsn += records.length
    at += frameHeaderBytes + alignUp(payloadBytes)
  }
  places.push(at)
  return { bytes, at: places }
}

async function read(bytes: Buffer, options = {}): Promise<ReadBack> {
  const disk = new MemoryDisk()
  disk.inodes.set(path, { bytes })
  return readBack(disk, name, options)
}

const corrupt = { code: 'HW_CORRUPT', details: { file: path } }
/** Three frames; the last one was built when only the first was known synced, as when two are under way at once. */
const three: FrameSpec[] = [{ values: [1] }, { values: [2, 3] }, { values: [4], synced: 1 }]

describe('the end of a file', () => {
  test('zeros behind the last frame are its end', async () => {
    const { bytes, at } = makeFile(three)
    const back = await read(bytes)
    expect(back).toMatchObject({ ended: 'open', lastLsn: 4, lastFrame: 3, validBytes: at[3], wallMsMax: 1_002 })
    expect(back.values).toEqual([1, 2, 3, 4])
    expect(back.torn).toBeUndefined()
  })

  test('a seal or a clean mark is its end', async () => {
    expect((await read(makeFile([...three, { values: [], kind: 'seal' }]).bytes)).ended).toBe('sealed')
    expect((await read(makeFile([...three, { values: [], kind: 'clean' }]).bytes)).ended).toBe('clean')
  })

  test.each([
    ['zeros from the middle of the header on', 20],
    ['zeros from the middle of the payload on', 70],
    ['a zeroed header before its payload', -64],
  ])('an unfinished last frame is cut and reported: %s', async (_what, from) => {
    const { bytes, at } = makeFile(three)
    if (from > 0) bytes.fill(0, at[2]! + from)
    else bytes.fill(0, at[2], at[2]! + 64)
    const back = await read(bytes)
    expect(back).toMatchObject({ ended: 'torn', lastLsn: 3, validBytes: at[2], torn: { offset: at[2] } })
    expect(back.values).toEqual([1, 2, 3])
    expect(bytes[at[2]! + back.torn!.bytes - 1]).not.toBe(0)
    expect(bytes.subarray(at[2]! + back.torn!.bytes).every((byte) => byte === 0)).toBe(true)
  })

  test('garbage behind the last frame is a torn tail', async () => {
    const { bytes, at } = makeFile(three)
    bytes.fill(0xa5, at[3], at[3]! + 1000)
    expect(await read(bytes)).toMatchObject({ ended: 'torn', torn: { offset: at[3], bytes: 1000 } })
  })

  test('frames of an earlier life of the file are never taken for its own', async () => {
    const old = makeFile(
      Array.from({ length: 12 }, (_, index) => ({ values: [index] })),
      4096,
      Uint8Array.from({ length: 16 }, () => 9),
    )
    const { bytes, at } = makeFile([{ values: [1] }])
    old.bytes.copy(bytes, at[1], at[1])
    const back = await read(bytes)
    expect(back.ended).toBe('torn')
    expect(back.values).toEqual([1])
  })

  test('several frames that were under way may be damaged in any order', async () => {
    const { bytes, at } = makeFile([{ values: [1] }, { values: [2], synced: 1 }, { values: [3], synced: 1 }])
    bytes.fill(0, at[1], at[1]! + 64)
    expect(await read(bytes)).toMatchObject({ ended: 'torn', lastFrame: 1 })
  })

  test('a bad frame before one that knows it synced is refused', async () => {
    const { bytes, at } = makeFile([{ values: [1] }, { values: [2] }, { values: [3] }])
    bytes[at[1]! + 70]! ^= 1
    await expect(read(bytes)).rejects.toMatchObject({ code: 'HW_CORRUPT', details: { file: path, offset: at[1] } })
  })

  test('a bad frame before a mark is refused', async () => {
    const { bytes, at } = makeFile([{ values: [1] }, { values: [2] }, { values: [], synced: 2 }])
    bytes[at[1]! + 70]! ^= 1
    await expect(read(bytes)).rejects.toMatchObject(corrupt)
  })

  test('evidence far behind the damage counts, in whatever pieces the file is read', async () => {
    const { bytes, at } = makeFile([{ values: [1] }, { values: [2] }], 1024 * 1024)
    const far = makeFile([{ values: [1] }, { values: [2] }, { values: [3] }])
    far.bytes.copy(bytes, 900_000, far.at[2], far.at[3])
    bytes.fill(0, at[1], at[1]! + 200)
    await expect(read(bytes, { chunkBytes: 4096 })).rejects.toMatchObject(corrupt)
  })

  test('a file that must be sealed may not end otherwise', async () => {
    await expect(read(makeFile(three).bytes, { mustBeSealed: true })).rejects.toMatchObject(corrupt)
    const clean = makeFile([...three, { values: [], kind: 'clean' }]).bytes
    await expect(read(clean, { mustBeSealed: true })).rejects.toMatchObject(corrupt)
  })

  test.each(['seal', 'clean'] as const)('anything behind a %s is refused', async (kind) => {
    const { bytes, at } = makeFile([{ values: [1] }, { values: [], kind }])
    bytes[at[2]! + 500] = 1
    await expect(read(bytes)).rejects.toMatchObject(corrupt)
    const more = makeFile([{ values: [1] }, { values: [], kind }, { values: [2] }])
    await expect(read(more.bytes)).rejects.toMatchObject(corrupt)
  })

  test('a file shorter than its header says was truncated, which no crash does', async () => {
    const { bytes } = makeFile(three)
    await expect(read(bytes.subarray(0, 4088))).rejects.toMatchObject(corrupt)
    await expect(read(bytes.subarray(0, 30))).rejects.toMatchObject(corrupt)
    await expect(read(bytes.subarray(0, 0))).rejects.toMatchObject(corrupt)
  })

  test('a read error is refused as one, not taken for the end', async () => {
    const disk = new MemoryDisk()
    disk.inodes.set(path, { bytes: makeFile(three, 1024 * 1024).bytes })
    let reads = 0
    disk.hook = ({ op }) => {
      if (op === 'read' && reads++ === 2) throw Object.assign(new Error('bad sector'), { code: 'EIO' })
    }
    await expect(readBack(disk, name, { chunkBytes: 4096 })).rejects.toMatchObject({ code: 'HW_DISK_FAILED' })
  })

  test('short reads change nothing', async () => {
    const disk = new MemoryDisk()
    disk.inodes.set(path, { bytes: makeFile(three).bytes })
    disk.hook = ({ op, bytes }) => (op === 'read' ? Math.min(bytes, 7) : undefined)
    expect((await readBack(disk, name, { chunkBytes: 64 })).values).toEqual([1, 2, 3, 4])
  })
})

describe('a sound frame that does not follow is refused', () => {
  const seed = fileSeed(fileId)
  const base = { payloadBytes: 0, syncedFrame: 0, recordCount: 0, wallMs: 0, link: 0 }
  const at = makeFile(three).at[3]!
  const crc = makeFile(three).bytes.readUInt32LE(makeFile(three).at[2]! + 60)
  const follows = { ...base, frameNumber: 4, firstLsn: 5, previousCrc: crc, syncedFrame: 1 }

  test('but one that does is taken', async () => {
    const { bytes } = makeFile(three)
    sealFrame(bytes, at, seed, follows)
    expect((await read(bytes)).lastFrame).toBe(4)
  })

  test.each([
    ['frame number', { frameNumber: 5 }],
    ['previous crc', { previousCrc: crc ^ 1 }],
    ['first LSN', { firstLsn: 6 }],
    ['synced frame', { syncedFrame: 0 }],
    ['link', { link: 7 }],
    ['record count', { recordCount: 1 }],
  ])('%s', async (_what, wrong) => {
    const { bytes } = makeFile(three)
    const header = { ...follows, ...wrong }
    sealFrame(bytes, at, seed, { ...header, previousCrc: header.previousCrc >>> 0 })
    await expect(read(bytes)).rejects.toMatchObject(corrupt)
  })

  test('records that do not fill the payload', async () => {
    const { bytes } = makeFile(three)
    bytes.writeUInt32LE(9, at + 64)
    sealFrame(bytes, at, seed, { ...follows, payloadBytes: 12, recordCount: 1 })
    await expect(read(bytes)).rejects.toMatchObject(corrupt)
  })

  test('first LSN and link of a file are held against what is known', async () => {
    const { bytes } = makeFile(three)
    await expect(read(bytes, { firstLsn: 2 })).rejects.toMatchObject(corrupt)
    expect((await read(bytes, { firstLsn: 1, link: 5 })).lastLsn).toBe(4)
  })
})

test('no changed byte of a file passes unnoticed', async () => {
  const { bytes, at } = makeFile(
    [{ values: [1] }, { values: [2, 3] }, { values: [4] }, { values: [5], synced: 2 }],
    1024,
  )
  const intact = await read(bytes)
  for (let offset = 0; offset < bytes.length; offset++) {
    const changed = Buffer.from(bytes)
    changed[offset]! ^= 1 << (offset % 8)
    const outcome = await read(changed).catch((error: { code: string }) => error.code)
    if (typeof outcome === 'string') {
      expect(outcome, `offset ${offset}`).toBe('HW_CORRUPT')
      expect(offset, `offset ${offset} was refused`).toBeLessThan(at[2]!)
      continue
    }
    // Only what nothing shows to have been synced may be torn, and then nothing else is changed.
    expect(outcome.ended, `offset ${offset}`).toBe('torn')
    expect(offset, `offset ${offset} was cut`).toBeGreaterThanOrEqual(at[2]!)
    expect(intact.values.slice(0, outcome.values.length)).toEqual(outcome.values)
    expect(outcome.values.length).toBe(offset < at[3]! ? 3 : offset < at[4]! ? 4 : 5)
  }
})

test('no changed byte of a closed file passes unnoticed or is taken for more than the clean mark torn off', async () => {
  const disk = new MemoryDisk()
  const { log } = await openLog(disk, { fileBytes: 4096, reserveBytes: 0 })
  for (let value = 1; value <= 20; value++) await log.whenSynced(append(log, value))
  await log.close()
  const bytes = disk.bytesOf(path)
  const { sealAt } = await read(bytes)
  for (let offset = 0; offset < bytes.length; offset += offset < sealAt + 100 ? 1 : 17) {
    const changed = Buffer.from(bytes)
    changed[offset]! ^= 0x10
    const outcome = await read(changed).catch((error: { code: string }) => error.code)
    const where = `offset ${offset}`
    if (offset < sealAt || offset >= sealAt + 80) expect(outcome, where).toBe('HW_CORRUPT')
    else if (typeof outcome !== 'string') {
      expect(outcome.ended, where).toBe('torn')
      expect(outcome.values, where).toHaveLength(20)
    }
  }
})

test('a frame at the limit of size is read in bounded memory, a larger one is no frame', async () => {
  const disk = new MemoryDisk()
  const rig = await openLog(disk, { fileBytes: 40 * 1024 * 1024, fillChunkBytes: 8 * 1024 * 1024, readyFilesMax: 1 })
  const size = 16 * 1024 * 1024 - 4
  expect(append(rig.log, 1, size)).toBe(2)
  expect(() => append(rig.log, 1, size + 1)).toThrow(expect.objectContaining({ code: 'HW_INTERNAL' }))
  await rig.log.close()
  expect((await readBack(disk, name)).values).toEqual([1])
})

test('a file written by the first version is still read', async () => {
  const bytes = readFileSync(new URL('../../golden/wal-v1.log', import.meta.url))
  const disk = new MemoryDisk()
  disk.inodes.set(`${directory}/wal-3-7.log`, { bytes })
  const back = await readBack(disk, 'wal-3-7.log', { firstLsn: 101, link: 0xc0ffee })
  expect(back).toMatchObject({
    ended: 'sealed',
    fileId: '101112131415161718191a1b1c1d1e1f',
    firstLsn: 101,
    lastLsn: 106,
    lastFrame: 5,
    records: 6,
    wallMsMax: 1_800_000_000_000,
  })
  expect(back.values).toEqual([1, 2, 3, 4])
  expect(back.all.at(-1)!.bytes).toEqual(Buffer.from([0x92, 13, 8]))
})

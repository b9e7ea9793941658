import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Packr } from 'msgpackr'
import { HourwheelError } from '../../../src/model/errors.ts'
import { crc32, fileSeed } from '../../../src/platform/checksum.ts'
import type { SegmentMeta } from '../../../src/storage/file-meta.ts'
import {
  checkListing,
  decodeManifest,
  encodeManifest,
  filesOf,
  loadManifest,
  publishManifest,
  type Manifest,
} from '../../../src/storage/manifest/manifest.ts'
import { SeededRandom } from '../../../src/testing/seeded-random.ts'
import { SimulatedDisk } from '../../../src/testing/simulated-disk.ts'
import { SimulationLoop } from '../../../src/testing/simulation-loop.ts'
import { refusalOf } from '../../model/refusal.ts'
import { MemoryDisk } from '../wal/memory-disk.ts'

const directory = '/data'

/** The manifest of manifest-v1.bin. */
const golden: Manifest = {
  format: 1,
  incarnation: 4242,
  openCount: 3,
  number: 77,
  clockMs: 1_800_000_000_123,
  wal: [
    { number: 8, name: 'wal-2-8.log', fileId: '10'.repeat(16), firstLsn: 1000, sealed: true },
    { number: 9, name: 'wal-3-9.log', fileId: '11'.repeat(16), firstLsn: 70_000, sealed: false },
  ],
  segments: [
    {
      number: 12,
      kind: 'tasks',
      fileId: '12'.repeat(16),
      bytes: 5_000_000_000,
      footerCrc: 4_000_000_000,
      hourFrom: 500_000,
      hourTo: 500_009,
      count: 5,
      lsnMin: 5,
      lsnMax: 6_000_000_000,
    },
    {
      number: 13,
      kind: 'dead',
      fileId: '13'.repeat(16),
      bytes: 600,
      footerCrc: 1,
      hourFrom: 500_000,
      hourTo: 500_000,
      count: 2,
      lsnMin: 43,
      lsnMax: 45,
    },
  ],
  snapshot: { number: 14, fileId: '14'.repeat(16), bytes: 4096, footerCrc: 99, sections: 6 },
  nextFileNumber: 15,
  clean: true,
}

const goldenBytes = readFileSync(new URL('../../golden/manifest-v1.bin', import.meta.url))

function randomManifest(random: SeededRandom): Manifest {
  const hex = (): string => Buffer.from(random.bytes(16)).toString('hex')
  const whole = (): number => Math.floor(random.unit() * 2 ** random.between(1, 53))
  const openCount = 1 + random.below(2 ** 31)
  const wal = []
  let number = 1 + random.below(100)
  let firstLsn = 1 + random.below(100)
  for (let count = random.below(20); count > 0; count--) {
    const name = `wal-${1 + random.below(openCount)}-${number}.log`
    wal.push({ number, name, fileId: hex(), firstLsn, sealed: random.chance(0.5) })
    number += 1 + random.below(300)
    firstLsn += random.below(100_000)
  }
  let file = 1
  const segments: SegmentMeta[] = []
  for (let count = random.pick([0, 1, 40]); count > 0; count--) {
    const hourFrom = random.below(1_000_000)
    const lsnMin = 1 + random.below(2 ** 40)
    segments.push({
      number: (file += 1 + random.below(100)),
      kind: random.pick(['tasks', 'dead']),
      fileId: hex(),
      bytes: whole(),
      footerCrc: random.u32(),
      hourFrom,
      hourTo: hourFrom + random.below(40_000),
      count: 1 + random.below(2 ** 50),
      lsnMin,
      lsnMax: lsnMin + random.below(1_000_000),
    })
  }
  const snapshot = random.chance(0.5)
    ? undefined
    : { number: ++file, fileId: hex(), bytes: whole(), footerCrc: random.u32(), sections: random.below(1000) }
  return {
    format: 1,
    incarnation: random.below(2 ** 18),
    openCount,
    number: 1 + whole(),
    clockMs: whole(),
    wal,
    segments: random.shuffle(segments),
    snapshot,
    nextFileNumber: file + 1 + random.below(100),
    clean: random.chance(0.5),
  }
}

describe('a manifest', () => {
  test('is read as it was published', async () => {
    const random = new SeededRandom('manifests')
    const disk = new MemoryDisk()
    expect(await loadManifest(disk, directory)).toBeUndefined()
    for (let round = 0; round < 200; round++) {
      const manifest = randomManifest(random)
      await publishManifest(disk, directory, manifest)
      expect(await loadManifest(disk, directory)).toEqual(manifest)
    }
    expect(disk.names()).toEqual([`${directory}/MANIFEST`])
  })

  test('of the first format is read, and written again the same', () => {
    expect(decodeManifest(goldenBytes)).toEqual(golden)
    expect(encodeManifest(golden).equals(goldenBytes)).toBe(true)
  })

  test('with any byte changed, missing or added is refused', () => {
    const random = new SeededRandom('bytes')
    for (let at = 0; at < goldenBytes.length; at++) {
      const changed = Buffer.from(goldenBytes)
      changed[at]! ^= random.between(1, 255)
      for (const bytes of [changed, goldenBytes.subarray(0, at)]) {
        const refusal = refusalOf(() => decodeManifest(bytes))
        expect(refusal).toMatchObject({ code: 'HW_CORRUPT', details: { file: 'MANIFEST' } })
        expect(refusal.details['offset']).toBeTypeOf('number')
      }
    }
    expect(refusalOf(() => decodeManifest(Buffer.concat([goldenBytes, Buffer.alloc(1)]))).code).toBe('HW_CORRUPT')
  })

  test('of a newer format says so', () => {
    const newer = Buffer.from(goldenBytes)
    newer.writeUInt32LE(2, 8)
    newer.writeUInt32LE(crc32(newer.subarray(0, 60), fileSeed(newer.subarray(16, 32))), 60)
    expect(refusalOf(() => decodeManifest(newer))).toMatchObject({ code: 'HW_FORMAT_NEWER' })
  })

  test('whose body is not that of a manifest is refused, whatever its checksum says', () => {
    const random = new SeededRandom('bodies')
    const body = goldenBytes.subarray(72)
    const withBody = (content: Buffer): Buffer => {
      const bytes = Buffer.concat([goldenBytes.subarray(0, 72), content])
      bytes.writeUInt32LE(content.length, 64)
      const seed = fileSeed(bytes.subarray(16, 32))
      bytes.writeUInt32LE(crc32(content, crc32(bytes.subarray(64, 68), seed)), 68)
      return bytes
    }
    expect(decodeManifest(withBody(body))).toEqual(golden)
    let refused = 0
    for (let round = 0; round < 3_000; round++) {
      const content = round % 3 === 0 ? Buffer.from(random.bytes(random.below(200))) : Buffer.from(body)
      if (round % 3 === 1) content[random.below(content.length)] = random.below(256)
      if (round % 3 === 2) content.set(random.bytes(1 + random.below(20)), random.below(content.length - 20))
      const bytes = withBody(content)
      try {
        // What is accepted is possible and has one form only.
        expect(encodeManifest(decodeManifest(bytes)).equals(bytes)).toBe(true)
      } catch (error) {
        if (!(error instanceof HourwheelError)) throw error
        expect(error.code).toBe('HW_CORRUPT')
        refused++
      }
    }
    expect(refused).toBeGreaterThan(1_500)
    const nested = Buffer.alloc(10_000, 0xdd)
    expect(refusalOf(() => decodeManifest(withBody(nested))).code).toBe('HW_CORRUPT')
    const packr = new Packr({ useRecords: false })
    for (const values of [[], [1, 2, 3], { number: 1 }, null, [77, 4242, 3, -1, 1, 15, [], [], null]]) {
      expect(refusalOf(() => decodeManifest(withBody(packr.pack(values)))).code).toBe('HW_CORRUPT')
    }
  })

  const [first, second] = golden.wal
  const [tasks, dead] = golden.segments
  const impossible: [string, Partial<Manifest>][] = [
    ['no number', { number: 0 }],
    ['log files out of order', { wal: [second!, first!] }],
    ['a log file under a name of another', { wal: [{ ...first!, name: 'wal-2-9.log' }] }],
    ['a log file of an opening to come', { wal: [{ ...first!, name: 'wal-4-8.log' }] }],
    ['a name that leaves the directory', { wal: [{ ...first!, name: '../wal-2-8.log' }] }],
    ['a file id that is none', { segments: [{ ...tasks!, fileId: 'x'.repeat(32) }] }],
    ['two files with a number', { segments: [tasks!, { ...dead!, number: 12 }] }],
    ['a file with the next number', { nextFileNumber: 14 }],
    ['a segment without tasks', { segments: [{ ...tasks!, count: 0 }] }],
    ['hours the wrong way round', { segments: [{ ...tasks!, hourTo: 400_000 }] }],
    ['LSNs the wrong way round', { segments: [{ ...tasks!, lsnMax: 4 }] }],
  ]
  test.each(impossible)('with %s is not published', async (_name, change) => {
    const disk = new MemoryDisk()
    await expect(publishManifest(disk, directory, { ...golden, ...change })).rejects.toMatchObject({
      code: 'HW_INTERNAL',
    })
    expect(disk.calls).toEqual([])
  })

  test('after a crash at any step of publishing is the old one or the new one, and the new one once that resolved', async () => {
    const next = { ...golden, number: 78 }
    for (let keep = 0; keep < 60; keep++) {
      const loop = new SimulationLoop()
      const random = new SeededRandom(`crash ${keep}`)
      const start = new SimulatedDisk({ loop, random, slowSyncChance: 0 })
      await loop.run(start.makeDirectory(directory).then(() => start.syncDirectory('/')))
      await loop.run(publishManifest(start, directory, golden))
      let disk = start
      let steps = 0
      let published = false
      const policy = random.pick(['loseAll', 'keepAll', 'random'] as const)
      start.calls.onDone = () => {
        if (++steps === 1 + (keep % 10)) disk = start.crash(policy)
      }
      void publishManifest(start, directory, next).then(() => (published = true))
      await loop.runUntil(() => published || disk !== start)
      if (disk === start) disk = start.crash(policy)
      const found = await loop.run(loadManifest(disk, directory))
      expect(published ? [next] : [golden, next]).toContainEqual(found)
      await loop.run(publishManifest(disk, directory, { ...next, number: 79 }))
      expect((await loop.run(loadManifest(disk, directory)))?.number).toBe(79)
    }
  })

  test('that cannot be read or written rejects with the error of the disk', async () => {
    const disk = new MemoryDisk()
    await publishManifest(disk, directory, golden)
    for (const op of ['stat', 'open', 'read', 'size']) {
      disk.hook = (call) => {
        if (call.op === op) throw Object.assign(new Error('cannot'), { code: 'EIO' })
      }
      await expect(loadManifest(disk, directory)).rejects.toMatchObject({ code: 'EIO' })
    }
    for (const op of ['open', 'write', 'sync', 'rename', 'syncDirectory']) {
      disk.hook = (call) => {
        if (call.op === op) throw Object.assign(new Error('cannot'), { code: 'ENOSPC' })
      }
      await expect(publishManifest(disk, directory, golden)).rejects.toMatchObject({ code: 'ENOSPC' })
    }
  })
})

describe('a directory', () => {
  const listed = ['wal-2-8.log', 'wal-3-9.log', 'seg-12.seg', 'dead-13.seg', 'snap-14.snap']

  test('agrees with the manifest that names its files', () => {
    expect(filesOf(golden)).toEqual(listed)
    expect(checkListing(golden, ['MANIFEST', ...listed])).toEqual({ leftovers: [], foreign: [] })
  })

  test.each(listed)('without %s is refused', (missing) => {
    const names = listed.filter((name) => name !== missing)
    expect(refusalOf(() => checkListing(golden, names))).toMatchObject({
      code: 'HW_CORRUPT',
      details: { file: missing },
    })
  })

  test('keeps what is foreign, and gives away what does not count', () => {
    const leftovers = ['seg-11.seg', 'dead-12.seg', 'seg-20.seg', 'snap-2.snap', 'MANIFEST.tmp', 'wal-4-10.log.tmp']
    const foreign = ['seg-012.seg', 'wal-1-07.log', 'snap-.snap', 'notes.txt', 'MANIFEST~', 'keys']
    const known = ['MANIFEST', 'wal-1-7.log', 'wal-4-10.log', 'quarantine', 'LOCK', 'lost+found']
    const names = [...listed, ...known, ...leftovers, ...foreign]
    expect(checkListing(golden, names)).toEqual({ leftovers, foreign })
    expect(checkListing(golden, names, ['keys', 'notes.txt']).foreign).toEqual(foreign.slice(0, 3).concat('MANIFEST~'))
  })
})

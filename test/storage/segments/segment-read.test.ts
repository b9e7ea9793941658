import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { packId } from '../../../src/model/ids.ts'
import { hourMs } from '../../../src/model/units.ts'
import type { SegmentEntry } from '../../../src/storage/segments/segment-entry.ts'
import { SegmentMerge } from '../../../src/storage/segments/segment-merge.ts'
import { openSegment } from '../../../src/storage/segments/segment-reader.ts'
import { verifySegment } from '../../../src/storage/segments/segment-verify.ts'
import { SegmentWriter } from '../../../src/storage/segments/segment-writer.ts'
import { SeededRandom } from '../../../src/testing/seeded-random.ts'
import { MemoryDisk } from '../wal/memory-disk.ts'
import {
  byKey,
  directory,
  drain,
  firstHour,
  openFilesOf,
  orderAtOf,
  plain,
  randomEntries,
  shortDisk,
  written,
} from './segment-rig.ts'

const keyOf = (entry: SegmentEntry): { hour: number; orderAt: number; homeHour: number; ordinal: number } => ({
  hour: entry.placeHour,
  orderAt: orderAtOf(entry),
  homeHour: entry.homeHour,
  ordinal: entry.ordinal,
})

describe('a segment', () => {
  test.each(Array.from({ length: 24 }, (_, seed) => seed))(
    'gives back what was written, from any key on (seed %i)',
    async (seed) => {
      const random = new SeededRandom(`read ${seed}`)
      const kind = seed % 4 === 3 ? 'dead' : 'tasks'
      const disk = seed % 2 === 0 ? new MemoryDisk() : shortDisk(random.fork('short'))
      const payloadBytesMax = random.pick([0, 120, 2_000, 50_000])
      const count = 1 + random.below(payloadBytesMax > 2_000 ? 60 : 400)
      const entries = randomEntries(random, { count, hours: 1 + random.below(5), kind, payloadBytesMax })
      const meta = await written(disk, random, entries, kind)
      expect(meta.count).toBe(count)
      expect(meta.bytes).toBe(disk.bytesOf(`${directory}/${kind === 'dead' ? 'dead' : 'seg'}-1.seg`).length)
      const segment = await openSegment(disk, directory, meta)
      const all = entries.map(plain)
      expect(await drain(segment.cursor(undefined, { readAheadBytes: 1 }))).toEqual(all)

      for (let i = 0; i < 12; i++) {
        const near = keyOf(random.pick(entries))
        const key = random.chance(0.5)
          ? near
          : {
              ...near,
              orderAt: near.orderAt + random.between(-1, 1),
              ordinal: random.pick([0, near.ordinal, 2 ** 32 - 1]),
            }
        const hourTo = random.chance(0.5) ? undefined : key.hour + random.below(4)
        const expected = entries.filter((entry) => {
          const own = keyOf(entry)
          if (hourTo !== undefined && own.hour > hourTo) return false
          const order =
            own.hour - key.hour || own.orderAt - key.orderAt || own.homeHour - key.homeHour || own.ordinal - key.ordinal
          return order > 0
        })
        const cursor = segment.cursor(key, { readAheadBytes: random.pick([1, 4_096, 262_144]), hourTo })
        expect(await drain(cursor)).toEqual(expected.map(plain))
        expect(cursor.damage).toEqual([])
      }

      const hourCounts = new Map<number, number>()
      for (const { placeHour } of entries) hourCounts.set(placeHour, (hourCounts.get(placeHour) ?? 0) + 1)
      expect(segment.hours).toEqual([...hourCounts].map(([hour, tasks]) => ({ hour, count: tasks })))
      for (const entry of entries.filter((_, index) => index % 5 === 0)) {
        const found = await segment.find(entry.placeHour, entry.homeHour, entry.ordinal)
        expect(typeof found === 'object' ? plain(found) : found).toEqual(plain(entry))
      }
      const known = new Set(entries.map((entry) => `${entry.placeHour}/${entry.homeHour}.${entry.ordinal}`))
      for (let i = 0; i < 40; i++) {
        const placeHour = firstHour + random.between(-1, 15)
        const homeHour = placeHour + random.pick([0, 0, 0, -1])
        const ordinal = random.below(count * 4)
        if (known.has(`${placeHour}/${homeHour}.${ordinal}`)) continue
        expect(await segment.find(placeHour, homeHour, ordinal)).toBeUndefined()
      }
      expect(segment.takeDamage()).toEqual([])

      const { hour } = segment.hours[0]!
      const listed = await segment.directory(hour)
      const ids = entries
        .filter(({ placeHour }) => placeHour === hour)
        .map((entry) => packId(entry.homeHour, entry.ordinal))
      expect([...listed.ids].sort((a, b) => a - b)).toEqual(ids.sort((a, b) => a - b))
      expect((await segment.directory(hour + 1)).count).toBe(0)

      const met: unknown[] = []
      expect(await verifySegment(disk, directory, meta, (entry) => met.push(plain(entry)))).toEqual({
        count,
        damage: [],
      })
      expect(met).toEqual(all)
      expect(openFilesOf(disk)).toBe(0)
    },
  )

  test('finds every task of an hour whose directory has many pages', async () => {
    const random = new SeededRandom('pages')
    const disk = new MemoryDisk()
    const entries = randomEntries(random, { count: 2_500, hours: 1, payloadBytesMax: 20 })
    const segment = await openSegment(disk, directory, await written(disk, random, entries))
    for (const entry of entries) {
      const found = await segment.find(entry.placeHour, entry.homeHour, entry.ordinal)
      expect(typeof found === 'object' ? plain(found) : found).toEqual(plain(entry))
    }
    expect(disk.calls.filter(({ op }) => op === 'read').length / entries.length).toBeLessThan(5)
  })

  test('costs at most 130 bytes for a task of 100 bytes in an hour of 28, and 127 in a full one', async () => {
    const entry = (hour: number, ordinal: number, lsn: number): SegmentEntry => ({
      placeHour: hour,
      homeHour: hour,
      ordinal,
      lsn,
      queue: 5,
      fireAt: hour * hourMs + ordinal * 1_000,
      attempt: 0,
      generation: 0,
      payloadKind: 1,
      payload: Buffer.alloc(100),
      extras: undefined,
      dead: undefined,
    })
    const bytesPerTask = async (hours: number, tasks: number): Promise<number> => {
      const entries: SegmentEntry[] = []
      for (let hour = 0; hour < hours; hour++) {
        for (let task = 0; task < tasks; task++) entries.push(entry(firstHour + hour, 300 + task, 1 + task * 100_000))
      }
      const meta = await written(new MemoryDisk(), new SeededRandom(1), entries)
      return meta.bytes / meta.count
    }
    expect(await bytesPerTask(200, 28)).toBeLessThan(130)
    expect(await bytesPerTask(1, 3_000)).toBeLessThan(127)
  })

  test('is read on by cursors under way after its close, and by nobody new', async () => {
    const random = new SeededRandom('close')
    const disk = new MemoryDisk()
    const entries = randomEntries(random, { count: 50 })
    const meta = await written(disk, random, entries)
    const segment = await openSegment(disk, directory, meta)
    const cursor = segment.cursor(undefined, { readAheadBytes: 1 })
    const late = segment.cursor()
    await cursor.fill()
    await segment.close()
    await disk.remove(`${directory}/seg-1.seg`)
    expect(await drain(cursor)).toEqual(entries.map(plain))
    await expect(late.fill()).rejects.toMatchObject({ code: 'HW_CLOSED' })
    await expect(segment.find(meta.hourFrom, meta.hourFrom, 1)).rejects.toMatchObject({ code: 'HW_CLOSED' })
    expect(openFilesOf(disk)).toBe(0)
  })

  test('lets go of its file when a cursor is closed half-way or while it fills', async () => {
    const random = new SeededRandom('close')
    const disk = new MemoryDisk()
    const segment = await openSegment(
      disk,
      directory,
      await written(disk, random, randomEntries(random, { count: 50 })),
    )
    const idle = segment.cursor()
    await idle.fill()
    expect(openFilesOf(disk)).toBe(1)
    await idle.close()
    await idle.close()
    expect([idle.current, idle.needsFill, openFilesOf(disk)]).toEqual([undefined, false, 0])
    const busy = segment.cursor()
    const filling = busy.fill()
    await busy.close()
    await filling
    expect([busy.current, busy.needsFill, openFilesOf(disk)]).toEqual([undefined, false, 0])
  })
})

describe('SegmentMerge', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])('of many segments is all of their entries in order (seed %i)', async (seed) => {
    const random = new SeededRandom(`merge ${seed}`)
    const disk = new MemoryDisk()
    const all: SegmentEntry[] = []
    const segments = []
    for (let number = 1; number <= 1 + random.below(12); number++) {
      const entries = randomEntries(random, { count: 1 + random.below(300), payloadBytesMax: 300 })
      all.push(...entries)
      segments.push(await openSegment(disk, directory, await written(disk, random, entries, 'tasks', number)))
    }
    all.sort(byKey)
    const options = { readAheadBytes: random.pick([1, 5_000, 100_000]) }
    const merge = new SegmentMerge(segments.map((segment) => segment.cursor(undefined, options)))
    expect(await drain(merge)).toEqual(all.map(plain))
    const from = random.pick(all)
    const rest = all.filter((entry) => byKey({ ...entry, lsn: 0 }, { ...from, lsn: 0 }) > 0)
    const later = new SegmentMerge(segments.map((segment) => segment.cursor(keyOf(from), options)))
    expect(await drain(later)).toEqual(rest.map(plain))
    expect(openFilesOf(disk)).toBe(0)
    const closed = new SegmentMerge(segments.map((segment) => segment.cursor(undefined, options)))
    await closed.fill()
    await closed.close()
    expect([closed.current, closed.needsFill, openFilesOf(disk)]).toEqual([undefined, false, 0])
  })

  test('of nothing is at its end', async () => {
    const merge = new SegmentMerge([])
    await merge.fill()
    merge.advance()
    expect([merge.needsFill, merge.current]).toEqual([false, undefined])
  })
})

describe('the writer', () => {
  const entriesOf = (change: (entry: SegmentEntry, index: number) => SegmentEntry): SegmentEntry[] =>
    randomEntries(new SeededRandom('writer'), { count: 5, hours: 1 }).map(change)

  test.each([
    ['entries out of order', entriesOf((entry) => entry).reverse()],
    ['no entry', []],
    ['an entry twice', entriesOf((entry) => entry).flatMap((entry) => [entry, entry])],
    [
      'one id twice in an hour',
      entriesOf((entry, i) => ({ ...entry, ordinal: 1, homeHour: firstHour, fireAt: firstHour * hourMs + i })),
    ],
    ['a fire time after its hour', entriesOf((entry) => ({ ...entry, fireAt: (firstHour + 1) * hourMs }))],
    ['a dead letter among tasks', randomEntries(new SeededRandom(1), { count: 2, kind: 'dead' })],
  ])('refuses %s, and leaves no file', async (_name, entries) => {
    const disk = new MemoryDisk()
    await expect(written(disk, new SeededRandom(1), entries)).rejects.toMatchObject({ code: 'HW_INTERNAL' })
    expect([disk.names(), openFilesOf(disk)]).toEqual([[], 0])
  })

  test('fails with the disk at any call, and leaves no file', async () => {
    const entries = randomEntries(new SeededRandom('faults'), { count: 300, payloadBytesMax: 30_000 })
    const clean = new MemoryDisk()
    await written(clean, new SeededRandom(1), entries)
    for (let failing = 0; failing < clean.calls.length; failing++) {
      const disk = new MemoryDisk()
      let call = 0
      disk.hook = ({ op }) => {
        if (op !== 'close' && op !== 'remove' && call++ === failing)
          throw Object.assign(new Error('full'), { code: 'ENOSPC' })
      }
      if (clean.calls[failing]!.op === 'close') continue
      await expect(written(disk, new SeededRandom(1), entries)).rejects.toMatchObject({ code: 'ENOSPC' })
      expect(disk.names()).toEqual([])
    }
  })

  test('holds no more than a few write buffers', async () => {
    const disk = new MemoryDisk()
    const options = { directory, number: 1, openCount: 1, kind: 'tasks' } as const
    const writer = await SegmentWriter.create(disk, new SeededRandom(1), options)
    const entries = randomEntries(new SeededRandom('large'), { count: 3_000, payloadBytesMax: 3_000 })
    for (const entry of entries) {
      if (writer.needsFlush) await writer.flush()
      writer.add(entry)
    }
    const meta = await writer.finish()
    const writes = disk.calls.filter(({ op }) => op === 'write').map(({ bytes }) => bytes)
    expect(writes.reduce((sum, bytes) => sum + bytes, 0)).toBe(meta.bytes)
    expect(Math.max(...writes)).toBeLessThan(1_300_000)
    expect(disk.calls.filter(({ op }) => op === 'sync').length).toBe(1)
  })
})

describe('golden files', () => {
  const golden = [
    ['seg-v1.seg', 'tasks', 12, '202122232425262728292a2b2c2d2e2f', 760, 504_654_952, 500_009, 5, 5, 6_000_000_000],
    ['dead-v1.seg', 'dead', 13, '303132333435363738393a3b3c3d3e3f', 328, 3_250_573_942, 500_000, 2, 43, 45],
  ] as const

  const start = 500_000 * hourMs
  const payload = '{"a":1}'
  const contents: Record<string, unknown[][]> = {
    'seg-v1.seg': [
      [500_000, 499_998, 7, 900, 1, start - 2 * hourMs + 5, 2, 0, 1, payload, undefined, undefined],
      [500_000, 500_000, 300, 899, 2, start, 0, 0, 1, payload, undefined, undefined],
      [500_000, 500_000, 2, 70_000, 1, start + 1_800_000, 0, 1, 1, payload, undefined, undefined],
      [500_000, 500_000, 3, 5, 500, start + 3_599_999, 0, 0, 1, payload, '\x91\xa3key', undefined],
      [500_009, 500_009, 4e9, 6e9, 0, start + 9 * hourMs + 60_000, 0, 0, 2, '\xe5'.repeat(300), undefined, undefined],
    ],
    'dead-v1.seg': [
      // prettier-ignore
      [500_000, 500_000, 13, 43, 3, start + 3, 0, 0, 1, payload, undefined, { reason: 'asked', diedAt: 1_800_000_000_003, error: '' }],
      // prettier-ignore
      [500_000, 499_999, 15, 45, 5, start + 5, 10, 0, 1, payload, undefined, { reason: 'maxAge', diedAt: 1_800_000_000_005, error: 'no reply: ü' }],
    ],
  }

  test.each(golden)('%s is read, and written again the same', async (...row) => {
    const [name, kind, number, fileId, bytes, footerCrc, hourTo, count, lsnMin, lsnMax] = row
    const file = readFileSync(new URL(`../../golden/${name}`, import.meta.url))
    const meta = { number, kind, fileId, bytes, footerCrc, hourFrom: 500_000, hourTo, count, lsnMin, lsnMax }
    const disk = new MemoryDisk()
    disk.inodes.set(`${directory}/${kind === 'dead' ? 'dead' : 'seg'}-${number}.seg`, { bytes: file })
    const entries = await drain((await openSegment(disk, directory, meta)).cursor())
    expect(entries.map((entry) => Object.values(entry))).toEqual(contents[name])
    expect(await verifySegment(disk, directory, meta)).toEqual({ count, damage: [] })
    const again = new MemoryDisk()
    const random = { unit: () => 0, bytes: () => Buffer.from(fileId, 'hex') }
    const options = { directory, number, openCount: 3, kind }
    const writer = await SegmentWriter.create(again, random, options)
    for (const entry of entries) {
      const { payload, extras } = entry
      writer.add({
        ...entry,
        payload: Buffer.from(payload, 'latin1'),
        extras: extras === undefined ? undefined : Buffer.from(extras, 'latin1'),
      })
    }
    expect(await writer.finish()).toEqual(meta)
    expect(again.bytesOf(again.names()[0]!).equals(file)).toBe(true)
  })
})

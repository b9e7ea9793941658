import { setTimeout as sleep } from 'node:timers/promises'
import { withFinalDirectorySyncs } from '../../../src/platform/directory-syncs.ts'
import { describe, expect, test } from 'vitest'
import { append, appendSoon, directory, headRecord, openLog, readBack, until, valuesOf } from './log-rig.ts'
import { MemoryDisk } from './memory-disk.ts'

const one = 'wal-1-1.log'

describe('appending', () => {
  test('records come back in order, with their LSNs and places', async () => {
    const disk = new MemoryDisk()
    const { log } = await openLog(disk, { fileBytes: 65_536 })
    const places: number[] = []
    for (let value = 0; value < 100; value++) {
      const at = log.begin(64, 'new')
      log.buffer.fill(value, at, at + 10 + (value % 7))
      const lsn = log.end(at, 10 + (value % 7))
      expect(lsn).toBe(value + 2)
      places.push(log.fileOffset(at))
      if (value % 10 === 0) await log.whenSynced(lsn)
    }
    await log.close()
    const back = await readBack(disk, one)
    expect(back.ended).toBe('clean')
    expect(back.all.map(({ lsn }) => lsn)).toEqual(Array.from({ length: 102 }, (_, index) => index + 1))
    expect(back.all.slice(1, -1).map(({ offset }) => offset)).toEqual(places)
    expect(back.all[8]!.bytes).toEqual(Buffer.alloc(10, 7))
  })

  test('a record is reported written, then synced, and never before its calls returned', async () => {
    const disk = new MemoryDisk()
    const { log, events } = await openLog(disk)
    let open: (() => void) | undefined
    disk.hook = ({ op, path }) => {
      if (op === 'sync' && path.endsWith(one)) return new Promise((resolve) => (open = resolve))
    }
    const lsn = append(log, 1)
    log.needSync()
    await log.whenWritten(lsn)
    await sleep(5)
    expect(events.written).toBe(lsn)
    expect(events.synced).toBe(lsn - 1)
    open!()
    await log.whenSynced(lsn)
    expect(events.synced).toBe(lsn)
  })

  test('records appended during a sync share the next one', async () => {
    const disk = new MemoryDisk()
    const { log } = await openLog(disk)
    const before = log.stats()
    append(log, 0)
    log.needSync()
    await until(() => log.stats().frames === before.frames + 1)
    for (let value = 1; value <= 20; value++) append(log, value)
    await log.whenSynced(log.appendedLsn)
    expect(log.stats().frames).toBe(before.frames + 2)
    expect(log.stats().syncs).toBe(before.syncs + 2)
  })

  test('records nobody waits for are written at once and synced together later', async () => {
    const disk = new MemoryDisk()
    const { log, events } = await openLog(disk, { lazySyncMs: 30 })
    const { syncs } = log.stats()
    for (let value = 0; value < 5; value++) await log.whenWritten(append(log, value))
    expect(log.stats().syncs).toBe(syncs)
    await until(() => events.synced === log.appendedLsn)
    expect(log.stats().syncs).toBe(syncs + 1)
  })

  test('waiting for a record that was written without haste hastens its sync', async () => {
    const disk = new MemoryDisk()
    const { log } = await openLog(disk, { lazySyncMs: 1_000 })
    const lsn = append(log, 1)
    await log.whenWritten(lsn)
    await log.whenSynced(lsn)
  })

  test('a begin without an end leaves no trace', async () => {
    const disk = new MemoryDisk()
    const { log } = await openLog(disk)
    log.begin(100, 'new')
    append(log, 1)
    log.begin(100, 'new')
    await log.whenSynced(2)
    log.begin(500, 'settle')
    await log.close()
    expect((await readBack(disk, one)).values).toEqual([1])
  })

  test('a record longer than it said is an internal error', async () => {
    const { log } = await openLog(new MemoryDisk())
    const at = log.begin(10, 'new')
    expect(() => log.end(at, 10_000)).toThrow(expect.objectContaining({ code: 'HW_INTERNAL' }))
    expect(() => log.end(at + 8, 4)).toThrow(expect.objectContaining({ code: 'HW_INTERNAL' }))
  })

  test('an idle log marks what is synced, once', async () => {
    const disk = new MemoryDisk()
    const { log } = await openLog(disk, { markAfterMs: 10 })
    await log.whenSynced(append(log, 1))
    const { frames } = log.stats()
    await until(() => log.stats().frames === frames + 1)
    await sleep(40)
    expect(log.stats().frames).toBe(frames + 1)
    await log.close()
    const back = await readBack(disk, one)
    expect(back.lastFrame).toBe(4)
    expect(back.values).toEqual([1])
  })
})

describe('groups', () => {
  test('a group is one frame even when the loop turns within it', async () => {
    const disk = new MemoryDisk()
    const { log } = await openLog(disk)
    expect(log.beginGroup(3, 120, 'new')).toBe(true)
    const { frames } = log.stats()
    append(log, 1)
    append(log, 2)
    log.needSync()
    await sleep(20)
    expect(log.stats().frames).toBe(frames)
    append(log, 3)
    log.endGroup()
    await log.whenSynced(log.appendedLsn)
    expect(log.stats().frames).toBe(frames + 1)
  })

  test('a group larger than a file gets a file that is long enough', async () => {
    const disk = new MemoryDisk()
    const rig = await openLog(disk)
    const { log, events } = rig
    await appendSoon(rig, 0)
    expect(log.beginGroup(1_000, 40_000, 'new')).toBe(false)
    await until(() => events.rooms > 0)
    while (!log.beginGroup(1_000, 40_000, 'new')) await sleep(1)
    for (let value = 1; value <= 1_000; value++) append(log, value)
    log.endGroup()
    await log.close()
    const back = await readBack(disk, 'wal-1-2.log')
    expect(back.values).toHaveLength(1_000)
    expect(back.lastFrame).toBe(3)
    expect((await readBack(disk, one)).ended).toBe('sealed')
  })

  test('a record larger than its group said is an internal error', async () => {
    const { log } = await openLog(new MemoryDisk())
    log.beginGroup(1, 40, 'new')
    append(log, 1)
    expect(() => log.begin(40, 'settle')).toThrow(expect.objectContaining({ code: 'HW_INTERNAL' }))
  })
})

describe('files', () => {
  test('a full file ends in a seal and the next begins with a head of that moment', async () => {
    const disk = new MemoryDisk()
    let heads = 0
    const rig = await openLog(disk, { headRecord: () => Buffer.from([0x92, 11, heads++]) })
    for (let value = 0; value < 600; value++) await appendSoon(rig, value)
    await rig.log.close()
    const values: number[] = []
    let lsn = 1
    let link: number | undefined
    for (let number = 1; number <= rig.log.fileNumber; number++) {
      const back = await readBack(disk, `wal-1-${number}.log`, { firstLsn: lsn, link })
      expect(back.ended).toBe(number === rig.log.fileNumber ? 'clean' : 'sealed')
      expect(back.all[0]!.bytes).toEqual(Buffer.from([0x92, 11, number - 1]))
      values.push(...back.values)
      lsn = back.lastLsn + 1
      link = back.lastCrc
    }
    expect(values).toEqual(Array.from({ length: 600 }, (_, index) => index))
    expect(rig.events.rotated).toEqual(Array.from({ length: rig.log.fileNumber - 1 }, (_, index) => index + 2))
  })

  test('nothing is written to the next file before the seal is synced', async () => {
    const disk = new MemoryDisk()
    const rig = await openLog(disk)
    for (let value = 0; value < 400; value++) await appendSoon(rig, value)
    await rig.log.whenSynced(rig.log.appendedLsn)
    const calls = disk.calls.filter(({ op }) => op === 'write' || op === 'sync')
    for (let number = 2; number <= rig.log.fileNumber; number++) {
      const before = `${directory}/wal-1-${number - 1}.log`
      const firstFrame = calls.findIndex(({ path, at }) => path === `${directory}/wal-1-${number}.log` && at === 64)
      expect(firstFrame).toBeGreaterThan(calls.findLastIndex(({ path }) => path === before))
    }
  })

  test('new records wait for trimming when there are too many files, those that settle do not', async () => {
    const rig = await openLog(new MemoryDisk(), { filesMax: () => 3 })
    const { log, events } = rig
    let value = 0
    for (let turns = 0; turns < 200; turns++) {
      while (append(log, value) > 0) value++
      await log.whenSynced(log.appendedLsn)
      await until(() => log.stats().freeBytes > 8_000)
    }
    expect(log.stats().files).toBe(3)
    const { rooms } = events
    await log.trim(1)
    expect(events.rooms).toBeGreaterThan(rooms)
    expect(append(log, value)).toBeGreaterThan(0)
    while (append(log, value) > 0) value++
    expect(log.stats().files).toBe(3)
    for (let settled = 0; settled < 300; settled++) append(log, value + settled, 40, 'settle')
    expect(log.stats().files).toBeGreaterThan(3)
    await log.close()
  })

  test('new records leave the reserve to those that settle', async () => {
    const disk = new MemoryDisk()
    const rig = await openLog(disk, { reserveBytes: 2048, readyFilesMax: 1 })
    const { log } = rig
    await until(() => log.stats().freeBytes > 8_000)
    disk.hook = ({ op, path }) => {
      if (path.endsWith('.tmp') && op === 'write') throw Object.assign(new Error('full'), { code: 'ENOSPC' })
    }
    let value = 0
    while (append(log, value) > 0) value++
    const { freeBytes } = log.stats()
    expect(freeBytes).toBeGreaterThanOrEqual(2048)
    let settled = 0
    while (append(log, value + settled, 40, 'settle') > 0) settled++
    expect(settled * 44).toBeGreaterThan(1700)
    await log.whenSynced(log.appendedLsn)
    expect(log.diskFull).toBe(true)
    expect(rig.events.failed).toEqual([])
    disk.hook = undefined
    await until(() => rig.events.rooms > 0 && append(log, value + settled) > 0)
    expect(log.diskFull).toBe(false)
    await log.close()
  })

  test('a full disk at open is refused as that, and leaves nothing behind', async () => {
    const disk = new MemoryDisk()
    disk.hook = ({ op }) => {
      if (op === 'write') throw Object.assign(new Error('full'), { code: 'ENOSPC' })
    }
    await expect(openLog(disk)).rejects.toMatchObject({ code: 'HW_DISK_FULL' })
    expect(disk.names()).toEqual([])
  })

  /** A disk whose directory cannot be synced, once, after the third file has got its name. */
  function failsAtThirdName(code: string): { disk: MemoryDisk; failed: () => boolean } {
    const disk = new MemoryDisk()
    let named = 0
    let failed = false
    disk.hook = ({ op }) => {
      if (op === 'rename') named++
      if (op !== 'syncDirectory' || named < 3 || failed) return
      failed = true
      throw Object.assign(new Error(code), { code })
    }
    return { disk, failed: () => failed }
  }

  test('a directory whose sync fails for want of room stops the log: a later sync would not bring the name back', async () => {
    const { disk, failed } = failsAtThirdName('ENOSPC')
    const { events } = await openLog(withFinalDirectorySyncs(disk), { readyFilesMax: 2 })
    await until(() => failed() && events.failed.length > 0)
    expect(events.failed).toMatchObject([{ code: 'HW_DISK_FAILED' }])
  })

  test('an unfinished file that could not be removed at once does not hinder the next', async () => {
    const disk = new MemoryDisk()
    let renames = 0
    let removals = 0
    disk.hook = ({ op, path }) => {
      const fails =
        (op === 'rename' && ++renames === 2) || (op === 'remove' && path.endsWith('.tmp') && ++removals === 1)
      if (fails) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
    }
    const { log, events } = await openLog(disk, { readyFilesMax: 1 })
    await until(() => disk.names().includes(`${directory}/wal-1-2.log`))
    expect([removals, events.failed]).toEqual([2, []])
    await log.close()
  })

  test('too few descriptors after a file has got its name leaves nothing behind at close', async () => {
    const { disk, failed } = failsAtThirdName('EMFILE')
    const { log, events } = await openLog(disk, { readyFilesMax: 2 })
    await until(failed)
    await log.close()
    expect(events.failed).toEqual([])
    expect(disk.names()).toEqual([`${directory}/wal-1-1.log`])
  })

  test('trimmed files are used again, empty and with another id, or removed', async () => {
    const disk = new MemoryDisk()
    const rig = await openLog(disk, { recycledFilesMax: 1, readyFilesMax: 1 })
    const { log } = rig
    const ids = new Set<string>()
    for (let value = 0; value < 2_000; value++) {
      const file = log.fileNumber
      await appendSoon(rig, value)
      if (log.fileNumber === file) continue
      await log.whenSynced(log.appendedLsn)
      for (const { fileId } of log.files()) ids.add(fileId)
      await log.trim(log.fileNumber - 1)
      expect(log.files().map(({ number }) => number)).toEqual([log.fileNumber])
    }
    expect(disk.calls.some(({ op, path }) => op === 'rename' && path.endsWith('.log'))).toBe(true)
    expect(ids.size).toBe(log.fileNumber)
    await log.close()
    expect(disk.names()).toEqual([`${directory}/wal-1-${log.fileNumber}.log`])
    const back = await readBack(disk, `wal-1-${log.fileNumber}.log`)
    expect(back.ended).toBe('clean')
  })

  test('the file in use is never trimmed', async () => {
    const disk = new MemoryDisk()
    const { log } = await openLog(disk)
    append(log, 1)
    await log.trim(1_000)
    expect(log.files()).toHaveLength(1)
    await log.close()
    expect((await readBack(disk, one)).values).toEqual([1])
  })

  test('a head larger than a file gets a longer file', async () => {
    const disk = new MemoryDisk()
    let bytes = 20
    const rig = await openLog(disk, { headRecord: () => headRecord(bytes)() })
    bytes = 30_000
    for (let value = 0; value < 600; value++) await appendSoon(rig, value)
    await rig.log.close()
    expect((await readBack(disk, 'wal-1-2.log')).all[0]!.bytes).toHaveLength(30_000)
  })
})

describe('faults', () => {
  test('a short write is continued and synced again before it is reported', async () => {
    const disk = new MemoryDisk()
    const { log, events } = await openLog(disk)
    const from = disk.calls.length
    let parts = 0
    disk.hook = ({ op, path, bytes }) =>
      op === 'write' && path.endsWith(one) && parts++ < 3 ? Math.min(bytes, 13) : undefined
    const lsn = append(log, 1)
    await log.whenSynced(lsn)
    const calls = disk.calls.slice(from).filter(({ path }) => path.endsWith(one))
    expect(calls.map(({ op }) => op).filter((op) => op === 'write')).toHaveLength(4)
    expect(calls.at(-1)!.op).toBe('sync')
    expect(events.synced).toBe(lsn)
    disk.hook = undefined
    await log.close()
    expect((await readBack(disk, one)).values).toEqual([1])
  })

  test.each(['write', 'sync'])('a failed %s is the last call and rejects whoever waits', async (op) => {
    const disk = new MemoryDisk()
    const rig = await openLog(disk)
    const { log, events } = rig
    await log.whenSynced(append(log, 1))
    await until(() => disk.calls.at(-1)!.op === 'open' || log.stats().freeBytes > 16_000)
    disk.hook = (call) => {
      if (call.op === op) throw Object.assign(new Error('broken'), { code: 'EIO' })
    }
    const lsn = append(log, 2)
    await expect(log.whenSynced(lsn)).rejects.toMatchObject({ code: 'HW_OUTCOME_UNKNOWN' })
    expect(events.failed).toMatchObject([{ code: 'HW_DISK_FAILED' }])
    disk.hook = undefined
    const calls = disk.calls.length
    expect(append(log, 3)).toBe(-1)
    await expect(log.whenWritten(lsn + 1)).rejects.toMatchObject({ code: 'HW_OUTCOME_UNKNOWN' })
    await sleep(10)
    const later = disk.calls.slice(calls).filter(({ op }) => op === 'write' || (op === 'sync' && calls > 0))
    expect(later.filter(({ op }) => op === 'write')).toEqual([])
    expect(events.synced).toBe(2)
    await expect(log.close()).rejects.toMatchObject({ code: 'HW_DISK_FAILED' })
  })

  test('a failure while a file is prepared stops the log too', async () => {
    const disk = new MemoryDisk()
    const rig = await openLog(disk, { readyFilesMax: 1 })
    await until(() => rig.log.stats().freeBytes > 8_000)
    disk.hook = ({ op, path }) => {
      if (op === 'sync' && path.endsWith('.tmp')) throw Object.assign(new Error('broken'), { code: 'EIO' })
    }
    await expect(
      (async () => {
        for (let value = 0; value < 1_000; value++) await appendSoon(rig, value)
      })(),
    ).rejects.toThrow('no room for ever')
    expect(rig.events.failed).toMatchObject([{ code: 'HW_DISK_FAILED' }])
  })
})

test('values of records that are not made by append are left out', () => {
  expect(valuesOf([{ bytes: Buffer.from([0x92, 11, 0]) }])).toEqual([])
})

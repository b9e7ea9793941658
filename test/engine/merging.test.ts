import { describe, expect, it } from 'vitest'
import { filesToMerge, mergeLimits, mergeLimitsTiny } from '../../src/engine/merging.ts'
import { jobs } from '../../src/engine/jobs.ts'
import { diskBut } from '../../src/platform/disk-but.ts'
import type { SegmentMeta } from '../../src/storage/file-meta.ts'
import { Rig } from './rig.ts'

const hour = 3_600_000

function meta(number: number, hourFrom: number, hourTo: number, count = 100): SegmentMeta {
  return { number, kind: 'tasks', fileId: '', bytes: 1, footerCrc: 0, hourFrom, hourTo, count, lsnMin: 1, lsnMax: 2 }
}

describe('which segments are merged', () => {
  it('none while there are few', () => {
    const metas = Array.from({ length: 20 }, (_, i) => meta(i, 1_000, 1_003))
    expect(filesToMerge(metas, 1_000, () => 1_000, mergeLimits)).toBe(undefined)
  })

  it('the smallest of the range with the most files, once there are very many', () => {
    const { filesMin, filesAtOnce } = mergeLimits
    const merged = meta(900, 1_001, 1_003, 6_400)
    const many = Array.from({ length: filesMin - 1 }, (_, i) => meta(i, 1_001, 1_003, 100 + (i % 2)))
    const others = Array.from({ length: 20 }, (_, i) => meta(500 + i, 1_060, 1_061))
    const found = filesToMerge([merged, ...others, ...many], 1_000, () => 1_000_000, mergeLimits)!
    expect(found).toHaveLength(filesAtOnce)
    expect(found.slice(0, filesMin / 2).every(({ number, count }) => number % 2 === 0 && count === 100)).toBe(true)
    expect(found.every(({ number }) => number < filesMin)).toBe(true)
    expect(filesToMerge([...others, ...many], 1_000, () => 1_000_000, mergeLimits)).toBe(undefined)
  })

  it('those of a range to come in which most no longer counts', () => {
    const dead = [meta(1, 1_100, 1_101, 50_000), meta(2, 1_100, 1_102, 50_000)]
    expect(filesToMerge(dead, 1_000, () => 90_000, mergeLimits)).toBe(undefined)
    expect(filesToMerge(dead, 1_000, () => 9_000, mergeLimits)).toEqual(dead)
  })
})

describe('an engine with many segments', () => {
  it('merges them, and loses nothing over it, a crash included', async () => {
    const rig = await Rig.open({ walFilesMax: 1 })
    const ids = new Map<string, number>()
    let merged = 0
    for (let round = 0; round < mergeLimitsTiny.filesMin + 40; round++) {
      const tasks = Array.from({ length: 40 }, (_, k) => ({
        queue: 'q',
        at: rig.now + 50 * hour + ((round * 40 + k) % 5) * 1_000,
        payload: { text: 'x'.repeat(150), n: round * 40 + k },
      }))
      const receipts = await rig.run(() => rig.engine.scheduleMany(tasks))
      receipts.forEach(({ id }, k) => ids.set(id, round * 40 + k))
      if (round % 3 === 0) {
        const [id] = [...ids.keys()]
        await rig.run(() => rig.engine.cancel(id!))
        ids.delete(id!)
      }
      await rig.advance(50)
      const { files } = (await rig.run(() => rig.engine.stats())).segments
      if (files < merged) merged = -1
      else if (merged >= 0) merged = files
    }
    expect(merged).toBe(-1)
    rig.machine.crash('random')
    await rig.reopen()
    const listed = await rig.list(rig.engine.list())
    expect(new Set(listed.map(({ id }) => id))).toEqual(new Set(ids.keys()))
    const seen: number[] = []
    await rig.run(() => rig.engine.handle('q', (task) => void seen.push((task.payload as { n: number }).n)))
    for (let i = 0; i < 3; i++) {
      rig.machine.clock.step(16 * hour)
      await rig.advance(1_000)
    }
    await rig.advance(3 * hour)
    expect(seen.sort((a, b) => a - b)).toEqual([...ids.values()].sort((a, b) => a - b))
    await rig.close()
  })
})

it('a merge whose segments are retired meanwhile is in vain, and no harm', async () => {
  const rig = await Rig.open({ walFilesMax: 1 })
  const { threads, disk, random } = rig.machine.platform
  const run = threads.run.bind(threads)
  let go = (): void => undefined
  let opens = 0
  const held = new Promise<void>((resolve) => (go = resolve))
  // Once it has looked at all of its segments, and before it reads them.
  const readLater = diskBut(disk, {
    open: async (path, access, options) => {
      if (access === 'read' && ++opens > mergeLimitsTiny.filesAtOnce) await held
      return disk.open(path, access, options)
    },
  })
  threads.run = async (job, input) => {
    if (job !== 'merge') return run(job, input)
    return jobs['merge']!(readLater, random, input)
  }
  const fill = async (queue: string, at: number): Promise<string[]> => {
    const tasks = Array.from({ length: 40 }, () => ({ queue, at, payload: 'x'.repeat(150) }))
    const receipts = await rig.run(() => rig.engine.scheduleMany(tasks))
    await rig.advance(50)
    return receipts.map(({ id }) => id)
  }
  const ids: string[] = []
  while (opens <= mergeLimitsTiny.filesAtOnce) ids.push(...(await fill('gone', rig.now + 50 * hour)))
  for (const id of ids) await rig.run(() => rig.engine.cancel(id))
  const { files } = (await rig.run(() => rig.engine.stats())).segments
  for (let n = 0; n < 6; n++) await fill('stays', rig.now + 900 * hour)
  expect((await rig.run(() => rig.engine.stats())).segments.files).toBeLessThan(files)
  go()
  await rig.advance(1_000)
  const { merges: made, total, healthy } = await rig.run(() => rig.engine.stats())
  expect({ made, healthy, pending: total.pending }).toEqual({ made: 0, healthy: true, pending: 240 })
  await rig.close()
  await rig.reopen()
  expect(await rig.list(rig.engine.list())).toHaveLength(240)
  await rig.close()
})

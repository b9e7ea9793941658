/**
 * Whatever is done to the files of a directory: inspect shows the rest, and salvage makes a sound directory, in which nothing is made
 * up. HOURWHEEL_DAMAGES=<count> tries more of it, from seed HOURWHEEL_DAMAGES_FROM on.
 */

import { expect, test } from 'vitest'
import { inspectDirectory } from '../../src/engine/inspect/inspect.ts'
import { salvageDirectory } from '../../src/engine/salvage/salvage.ts'
import { verifyDirectory } from '../../src/engine/verify.ts'
import { decodeId } from '../../src/model/ids.ts'
import type { ListedTask } from '../../src/model/hourwheel.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import type { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { busyCopy } from './damaged-rig.ts'

const count = Number(process.env['HOURWHEEL_DAMAGES'] ?? 12)
const first = Number(process.env['HOURWHEEL_DAMAGES_FROM'] ?? 1)

const place = ({ id }: Pick<ListedTask, 'id'>): string => {
  const { homeHour, ordinal } = decodeId(id)!
  return `${homeHour}.${ordinal}`
}

/** Damages one file, and says how. */
function damage(disk: SimulatedDisk, random: SeededRandom): string {
  const paths = disk.model.files().filter((path) => /^\/data\/(?:MANIFEST|wal-|seg-|dead-|snap-)/u.test(path))
  const kinds = ['MANIFEST', 'wal-', 'seg-', 'dead-', 'snap-'].filter((kind) =>
    paths.some((path) => path.includes(kind)),
  )
  const kind = random.pick(kinds)
  const path = random.pick(paths.filter((one) => one.includes(kind)))
  const bytes = Buffer.from(disk.contents(path))
  const at = random.chance(0.3) ? random.below(Math.min(200, bytes.length)) : random.below(bytes.length)
  let companion = ''
  const ways: Record<string, () => void> = {
    flip: () => disk.corrupt(path, at, Buffer.from([bytes[at]! ^ (1 << random.below(8))])),
    scribble: () =>
      disk.corrupt(path, at, Buffer.from(random.bytes(Math.min(1 + random.below(600), bytes.length - at)))),
    zero: () => disk.corrupt(path, at, Buffer.alloc(Math.min(512, bytes.length - at))),
    cut: () => disk.install(path, bytes.subarray(0, at)),
    lengthen: () => disk.install(path, Buffer.concat([bytes, Buffer.from(random.bytes(100))])),
    remove: () => disk.install(path, undefined),
    swap: () => {
      const other = random.pick(paths)
      const others = Buffer.from(disk.contents(other))
      disk.install(other, bytes)
      disk.install(path, others)
      companion = ` and ${other}`
    },
    unreadable: () =>
      disk.faults.add({
        on: 'read',
        path: new RegExp(`${path}$`, 'u'),
        first: 1 + random.below(4),
        times: Infinity,
        code: 'EIO',
      }),
  }
  const way = random.pick(Object.keys(ways))
  ways[way]!()
  return `${way} ${path}${companion} at ${at}`
}

test(`after ${count} damages of all kinds`, { timeout: 3_600_000 }, async () => {
  for (let seed = first; seed < first + count; seed++) {
    const { rig, live, dead } = await busyCopy(51, 12)
    const random = new SeededRandom(seed)
    const { disk, platform } = rig.machine
    const done = Array.from({ length: 1 + random.below(3) }, () => damage(disk, random))
    const what = `seed ${seed}: ${done.join('; ')}`
    const seen = new Set<string>()
    try {
      await rig.run(() =>
        inspectDirectory(platform, '/data', {}, ({ id }) => {
          if (id !== undefined) seen.add(place({ id }))
          return undefined
        }),
      )
      const report = await rig.run(() => salvageDirectory(platform, '/data'))
      disk.faults.clear()
      expect((await rig.run(() => verifyDirectory(platform, '/data'))).problems).toEqual([])
      await rig.reopen()
      const found = await rig.list(rig.engine.list({ state: 'pending' }))
      const foundDead = await rig.list(rig.engine.list({ state: 'dead' }))
      expect([found.length, foundDead.length]).toEqual([report.tasks, report.deadLetters])
      // Nothing made up: inspect has shown each of them, or the damage came and went with a fault of the disk.
      if (!what.includes('unreadable')) for (const task of found) expect(seen).toContain(place(task))
      const stats = await rig.run(() => rig.engine.stats())
      expect([stats.conservation, stats.total.pending]).toEqual([0, found.length])
      // What is not damaged is all there.
      if (!/wal-|MANIFEST|snap-/u.test(what)) {
        expect(found.length + report.lostTasks - report.revived).toBe(live.length)
        expect(foundDead.length + report.lostDeadLetters).toBe(dead.length)
      }
      // It goes on.
      await rig.run(() => rig.engine.schedule({ queue: 'after', delay: '1d' }))
      await rig.close()
      expect((await rig.run(() => verifyDirectory(platform, '/data'))).problems).toEqual([])
    } catch (error) {
      throw new Error(what, { cause: error })
    }
  }
})

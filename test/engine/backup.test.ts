import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { verifyDirectory, type Verification } from '../../src/engine/verify.ts'
import type { BackupReport } from '../../src/model/engine-reports.ts'
import { openTar, tarDirectory } from '../../src/storage/tar-disk.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import { fill } from './damaged-rig.ts'
import { Rig } from './rig.ts'

const day = 86_400_000
/** HOURWHEEL_CRASHES=all crashes after every step. */
const isThorough = process.env['HOURWHEEL_CRASHES'] === 'all'

/** Verifies a directory, or an archive as one. */
function verify(rig: Rig, path: string): Promise<Verification> {
  const { platform } = rig.machine
  return rig.run(async () => {
    if (!path.endsWith('.tar')) return verifyDirectory(platform, path)
    const disk = await openTar(platform.disk, path)
    return verifyDirectory({ ...platform, disk }, tarDirectory)
  })
}

/** Traffic of all kinds with many checkpoints; `acknowledged` has the tasks that must be in a backup that begins now. */
async function traffic(rig: Rig, seed: number, rounds: number, acknowledged: Set<string>): Promise<void> {
  const random = new SeededRandom(seed)
  for (let round = 0; round < rounds; round++) {
    const tasks = Array.from({ length: 15 }, () => ({
      queue: 'live',
      delay: day + random.below(60 * day),
      payload: 'x'.repeat(100),
    }))
    for (const { id } of await rig.engine.scheduleMany(tasks)) acknowledged.add(id)
    if (round % 3 === 0) {
      const id = random.pick([...acknowledged])
      acknowledged.delete(id)
      await rig.engine.cancel(id)
    }
  }
}

describe('backup', () => {
  it.each(['/backup', '/backup.tar'])(
    'of a busy engine to %s has all that was acknowledged, and is sound',
    async (to) => {
      const rig = await Rig.open({}, { seed: 31 })
      await fill(rig, 31, 15)
      const acknowledged = new Set<string>()
      await rig.run(() => traffic(rig, 1, 20, acknowledged))
      await rig.run(() => rig.engine.schedule({ queue: 'keyed', delay: '5d', key: 'k' }))
      const before = new Set(acknowledged)
      const checkpoints = (await rig.run(() => rig.engine.stats())).checkpoints
      const later = new Set<string>()
      let pieces = 0
      const [report] = await rig.run(() =>
        Promise.all([rig.engine.backup(to, { onProgress: () => pieces++ }), traffic(rig, 2, 60, later)]),
      )
      expect(pieces).toBeGreaterThan(5)
      expect(report).toMatchObject({ to })
      // It did not stop the engine.
      expect(later.size).toBeGreaterThan(800)
      expect((await rig.run(() => rig.engine.stats())).checkpoints).toBeGreaterThan(checkpoints + 5)
      // What was to go meanwhile has gone.
      await rig.advance(3_000)
      const names = await rig.run(() => rig.machine.disk.list('/data'))
      expect(names.filter((name) => name.startsWith('snap-'))).toHaveLength(1)
      await rig.close()
      expect((await verify(rig, to)).problems).toEqual([])
      expect((await verify(rig, '/data')).problems).toEqual([])
      if (to.endsWith('.tar')) return
      const copy = new Rig({ dir: to }, rig.machine)
      await copy.reopen()
      const found = new Set((await copy.list(copy.engine.list({ queue: 'live' }))).map(({ id }) => id))
      for (const id of before) expect([id, found.has(id)]).toEqual([id, true])
      expect(await copy.run(() => copy.engine.get({ queue: 'keyed', key: 'k' }))).toMatchObject({ state: 'pending' })
      await copy.close()
    },
  )

  it('of an engine that is written to at every moment ends where a frame does', async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const rig = await Rig.open({}, { seed })
      const { machine, engine } = rig
      let isMade = false
      const write = (): void => {
        if (isMade) return
        void engine.schedule({ queue: 'live', delay: '1d' })
        machine.loop.schedule(0.05, write)
      }
      write()
      await rig.run(() => engine.backup('/backup'))
      isMade = true
      expect((await verify(rig, '/backup')).problems).toEqual([])
      await rig.close()
    }
  })

  it.each(['/made/for/it/backup', '/made/for/it/backup.tar'])(
    'to %s outlives a power cut, as soon as it is answered',
    async (to) => {
      const rig = await Rig.open({}, { seed: 36 })
      await rig.run(() => rig.engine.schedule({ queue: 'live', delay: '1d' }))
      await rig.run(() => rig.engine.backup(to))
      rig.machine.crash('loseAll')
      expect(await verify(rig, to)).toMatchObject({ problems: [], tasks: 1 })
    },
  )

  it(
    'leaves nothing that matters when the power goes in the middle, and can be made again',
    { timeout: 900_000 },
    async () => {
      for (const to of ['/backup', '/backup.tar']) {
        const rig = await Rig.open({}, { seed: 32 })
        await fill(rig, 32, 6)
        const left: { machine: Rig['machine']; step: string }[] = []
        let steps = 0
        rig.machine.disk.calls.onDone = ({ operation, path }) => {
          if (operation === 'read' || (!isThorough && ++steps % 37 !== 0)) return
          for (const policy of ['loseAll', 'random'] as const) {
            left.push({ machine: rig.machine.fork(policy), step: `${operation} ${path} ${policy}` })
          }
        }
        await rig.run(() => Promise.all([rig.engine.backup(to), traffic(rig, 5, 4, new Set())]))
        rig.machine.disk.calls.onDone = undefined
        expect(left.length).toBeGreaterThan(3)
        for (const { machine, step } of left) {
          const after = new Rig({}, machine)
          await after.reopen()
          const isThere = (path: string): Promise<boolean> =>
            after.run(async () => (await machine.disk.stat(path)) !== undefined)
          // Whole, or none: made again in its place.
          const isWhole = await isThere(to.endsWith('.tar') ? to : `${to}/MANIFEST`)
          if (!isWhole) await after.run(() => after.engine.backup(to))
          await after.close()
          expect([step, (await verify(after, to)).problems]).toEqual([step, []])
          expect([step, (await verify(after, '/data')).problems]).toEqual([step, []])
        }
        await rig.close()
      }
    },
  )

  it('is refused where something is, given up on a signal or a full disk, and leaves no trace then', async () => {
    const rig = await Rig.open({}, { seed: 33 })
    await fill(rig, 33, 8)
    const { disk } = rig.machine
    const to = (path: string, signal?: AbortSignal): Promise<BackupReport> =>
      rig.run(() => rig.engine.backup(path, { signal }))
    await expect(to('backup')).rejects.toMatchObject({ code: 'HW_INVALID_OPTIONS' })
    await expect(to('/data')).rejects.toMatchObject({ code: 'HW_DIRECTORY_UNUSABLE' })
    await to('/one.tar')
    await expect(to('/one.tar')).rejects.toMatchObject({ code: 'HW_DIRECTORY_UNUSABLE' })
    const enough = new Error('enough')
    await expect(to('/two', AbortSignal.abort(enough))).rejects.toBe(enough)
    disk.capacityBytes = disk.model.bytesUsed + 20_000
    await expect(to('/three.tar')).rejects.toMatchObject({ code: 'HW_DISK_FULL' })
    disk.capacityBytes = Infinity
    disk.faults.add({ on: 'write', path: /four/u, first: 3, code: 'EIO' })
    await expect(to('/four')).rejects.toMatchObject({ code: 'HW_DISK_FAILED' })
    const names = await rig.run(() => disk.list('/'))
    expect(names.filter((name) => name !== 'data')).toEqual(['one.tar'])
    // The engine is as it was.
    await rig.run(() => traffic(rig, 9, 10, new Set()))
    await rig.close()
    expect((await verify(rig, '/data')).problems).toEqual([])
  })

  it('of a closing engine ends with it', async () => {
    const rig = await Rig.open({}, { seed: 34 })
    await fill(rig, 34, 8)
    const [made] = await rig.run(() => Promise.allSettled([rig.engine.backup('/backup'), rig.engine.close()]))
    if (made.status === 'rejected') expect(made.reason).toMatchObject({ code: 'HW_CLOSED' })
    else expect((await verify(rig, '/backup')).problems).toEqual([])
    expect((await verify(rig, '/data')).problems).toEqual([])
  })

  it.skipIf(spawnSync('tar', ['--version']).status !== 0)(
    'is an archive as tar knows them, and so are those of tar',
    async () => {
      const rig = await Rig.open({}, { seed: 35 })
      await fill(rig, 35, 4)
      await rig.run(() => rig.engine.backup('/backup.tar'))
      await rig.close()
      const scratch = mkdtempSync(join(tmpdir(), 'hourwheel-tar-'))
      try {
        writeFileSync(join(scratch, 'b.tar'), rig.machine.disk.contents('/backup.tar'))
        expect(spawnSync('tar', ['-xf', 'b.tar', '--one-top-level=out'], { cwd: scratch }).status).toBe(0)
        expect(spawnSync('tar', ['-cf', 'again.tar', 'out'], { cwd: scratch }).status).toBe(0)
        rig.machine.disk.install('/again.tar', readFileSync(join(scratch, 'again.tar')))
      } finally {
        rmSync(scratch, { recursive: true })
      }
      expect((await verify(rig, '/again.tar')).problems).toEqual([])
      const bytes = Buffer.from(rig.machine.disk.contents('/backup.tar'))
      rig.machine.disk.install('/cut.tar', bytes.subarray(0, bytes.length - 2_000))
      await expect(verify(rig, '/cut.tar')).rejects.toMatchObject({ code: 'HW_CORRUPT' })
    },
  )
})

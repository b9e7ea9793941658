import { describe, expect, it } from 'vitest'
import { restoreBackup, type OverdueChoice, type RestoreReport } from '../../src/engine/backup/restore.ts'
import { verifyDirectory } from '../../src/engine/verify.ts'
import { decodeId } from '../../src/model/ids.ts'
import type { ListedTask } from '../../src/model/hourwheel.ts'
import type { Platform } from '../../src/platform/ports.ts'
import { openTar, tarDirectory } from '../../src/storage/tar-disk.ts'
import { fill } from './damaged-rig.ts'
import { Rig } from './rig.ts'

const hour = 3_600_000
const day = 24 * hour

interface Backed {
  readonly rig: Rig
  readonly tasks: readonly ListedTask[]
}

/** A backup of a bit of everything, and a clock ten days later. */
async function backed(seed: number, rounds = 10): Promise<Backed> {
  const rig = await Rig.open({}, { seed })
  await fill(rig, seed, rounds)
  for (let i = 0; i < 40; i++) {
    await rig.run(() => rig.engine.schedule({ queue: 'daily', delay: i * day + hour, key: `day-${i}`, payload: { i } }))
  }
  const tasks = await rig.list(rig.engine.list())
  await rig.run(() => rig.engine.backup('/backup'))
  await rig.run(() => rig.engine.backup('/backup.tar'))
  await rig.close()
  rig.machine.clock.step(10 * day)
  return { rig, tasks }
}

function restore(
  rig: Rig,
  overdue: OverdueChoice | undefined,
  from = '/backup',
  to = '/new/data',
): Promise<RestoreReport> {
  const { platform } = rig.machine
  return rig.run(async () => {
    const source = from.endsWith('.tar')
      ? { disk: await openTar(platform.disk, from), directory: tarDirectory, name: from, needsNoLock: true }
      : { disk: platform.disk, directory: from, name: from }
    return restoreBackup(platform, source, to, { overdue })
  })
}

function problems(rig: Rig, directory: string, platform: Platform = rig.machine.platform): Promise<string[]> {
  return rig.run(async () => (await verifyDirectory(platform, directory)).problems.map(({ what }) => what))
}

const place = ({ id }: ListedTask): string => {
  const { homeHour, ordinal } = decodeId(id)!
  return `${homeHour}.${ordinal}`
}

describe('restore', () => {
  it.each(['/backup', '/backup.tar'])('from %s makes a directory with the same tasks under other ids', async (from) => {
    const { rig, tasks } = await backed(41)
    const overdue = tasks.filter(({ state, fireAt }) => state === 'pending' && fireAt <= rig.now)
    const report = await restore(rig, { what: 'fire' }, from)
    expect(overdue.length).toBeGreaterThan(20)
    expect(report).toMatchObject({ overdue: overdue.length, skipped: 0, setAside: 0 })
    expect(report.incarnation).not.toBe(report.incarnationBefore)
    expect(await problems(rig, '/new/data')).toEqual([])
    const after = new Rig({ dir: '/new/data' }, rig.machine)
    await after.reopen()
    expect((await after.list(after.engine.list())).map(place)).toEqual(tasks.map(place))
    expect(await after.run(() => after.engine.get(tasks[0]!.id))).toBe(undefined)
    expect(await after.run(() => after.engine.get({ queue: 'daily', key: 'day-20' }))).toMatchObject({
      state: 'pending',
    })
    const ran: unknown[] = []
    await after.run(() => after.engine.handle('daily', (task) => void ran.push((task.payload as { i: number }).i)))
    await after.advance(3_000)
    expect(ran.sort((a, b) => Number(a) - Number(b))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    await after.close()
  })

  it('skips overdue tasks before an instant, and lets later ones run', async () => {
    const { rig, tasks } = await backed(42)
    const at = rig.now - 5 * day
    const early = tasks.filter(({ state, fireAt }) => state === 'pending' && fireAt < at)
    const report = await restore(rig, { what: 'skip-before', at })
    expect(report).toMatchObject({ skipped: early.length, setAside: 0 })
    expect(await problems(rig, '/new/data')).toEqual([])
    const after = new Rig({ dir: '/new/data' }, rig.machine)
    await after.reopen()
    const gone = new Set(early.map(place))
    expect((await after.list(after.engine.list())).map(place)).toEqual(tasks.map(place).filter((one) => !gone.has(one)))
    await after.close()
  })

  it('sets overdue tasks aside as dead letters, which can be redriven', async () => {
    const { rig, tasks } = await backed(43)
    const overdue = tasks.filter(({ state, fireAt }) => state === 'pending' && fireAt <= rig.now)
    const report = await restore(rig, { what: 'set-aside' })
    expect(report).toMatchObject({ setAside: overdue.length })
    expect(await problems(rig, '/new/data')).toEqual([])
    const after = new Rig({ dir: '/new/data' }, rig.machine)
    await after.reopen()
    const dead = await after.list(after.engine.deadLetters.list({ queue: 'daily' }))
    expect(dead).toHaveLength(10)
    expect(dead[0]).toMatchObject({ reason: 'asked', error: expect.stringContaining('restore') as unknown })
    const ran: string[] = []
    await after.run(() => after.engine.handle('daily', (task) => void ran.push(task.id)))
    await after.advance(2_000)
    expect(ran).toEqual([])
    await after.run(() => after.engine.deadLetters.redrive({ queue: 'daily' }))
    await after.advance(2_000)
    expect(ran).toHaveLength(10)
    await after.close()
  })

  it('is refused without a choice, over what is there, from a damaged backup, and for an instant to come', async () => {
    const { rig } = await backed(44, 6)
    await expect(restore(rig, undefined)).rejects.toMatchObject({
      code: 'HW_INVALID_OPTIONS',
      message: expect.stringContaining('has passed since the backup') as unknown,
    })
    expect(await rig.run(() => rig.machine.disk.stat('/new'))).toBe(undefined)
    const fire = { what: 'fire' } as const
    await expect(restore(rig, fire, '/backup', '/data')).rejects.toMatchObject({ code: 'HW_DIRECTORY_UNUSABLE' })
    const later = { what: 'skip-before', at: rig.now + day } as const
    await expect(restore(rig, later)).rejects.toMatchObject({ code: 'HW_INVALID_OPTIONS' })
    const names = await rig.run(() => rig.machine.disk.list('/backup'))
    // A directory whose manifest is lost is no interrupted restore: nothing in it may be touched.
    rig.machine.disk.install('/data/MANIFEST', undefined)
    await expect(restore(rig, fire, '/backup', '/data')).rejects.toMatchObject({ code: 'HW_DIRECTORY_UNUSABLE' })
    rig.machine.disk.corrupt(`/backup/${names.find((name) => name.startsWith('seg-'))}`, 100, Buffer.from([1, 2, 3]))
    await expect(restore(rig, fire)).rejects.toMatchObject({ code: 'HW_CORRUPT' })
    expect(await rig.run(() => rig.machine.disk.stat('/new'))).toBe(undefined)
  })

  it('asks for no choice when nothing is overdue', async () => {
    const rig = await Rig.open({}, { seed: 45 })
    await rig.run(() => rig.engine.schedule({ queue: 'q', delay: '30d' }))
    await rig.run(() => rig.engine.backup('/backup'))
    await rig.close()
    expect(await restore(rig, undefined)).toMatchObject({ tasks: 1, overdue: 0 })
  })

  it('is whole or none when the power goes in the middle, and can be done again', { timeout: 900_000 }, async () => {
    const { rig, tasks } = await backed(46, 3)
    const left: { machine: Rig['machine']; step: string }[] = []
    let steps = 0
    const isThorough = process.env['HOURWHEEL_CRASHES'] === 'all'
    rig.machine.disk.calls.onDone = ({ operation, path }) => {
      if (!path.startsWith('/new') || operation === 'read' || operation === 'stat') return
      const isLast = path === '/new/data/MANIFEST'
      if (!isThorough && ++steps % 29 !== 0 && !isLast) return
      for (const policy of ['loseAll', 'keepAll', 'random', { keepFirst: 1 }] as const) {
        if (!isThorough && policy !== 'random' && path !== '/new/data/MANIFEST') continue
        left.push({ machine: rig.machine.fork(policy), step: `${operation} ${path} ${JSON.stringify(policy)}` })
      }
    }
    await restore(rig, { what: 'set-aside' })
    rig.machine.disk.calls.onDone = undefined
    expect(left.length).toBeGreaterThan(8)
    for (const { machine, step } of left) {
      const after = new Rig({ dir: '/new/data' }, machine)
      const isWhole = await after.run(async () => (await machine.disk.stat('/new/data/MANIFEST')) !== undefined)
      if (!isWhole) await restore(after, { what: 'set-aside' })
      expect([step, await problems(after, '/new/data')]).toEqual([step, []])
      await after.reopen()
      const listed = (await after.list(after.engine.list())).map(place)
      expect([step, listed.sort()]).toEqual([step, tasks.map(place).sort()])
      await after.close()
    }
  })
})

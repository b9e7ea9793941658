import { describe, expect, it } from 'vitest'
import { inspectDirectory, type InspectLine } from '../../src/engine/inspect/inspect.ts'
import { salvageDirectory, type SalvageOptions, type SalvageReport } from '../../src/engine/salvage/salvage.ts'
import { verifyDirectory } from '../../src/engine/verify.ts'
import { decodeId, packId } from '../../src/model/ids.ts'
import type { ListedTask } from '../../src/model/hourwheel.ts'
import { busyCopy, type BusyDirectory } from './damaged-rig.ts'
import type { Rig } from './rig.ts'

const noise = Buffer.from([0xff, 0x55, 0xff, 0x55])

function salvage(rig: Rig, options: SalvageOptions = {}): Promise<SalvageReport> {
  return rig.run(() => salvageDirectory(rig.machine.platform, '/data', options))
}

async function inspect(rig: Rig): Promise<InspectLine[]> {
  const lines: InspectLine[] = []
  const { platform } = rig.machine
  await rig.run(() => inspectDirectory(platform, '/data', {}, (line) => void lines.push(line)))
  return lines
}

function names(rig: Rig, start: string): string[] {
  const { model } = rig.machine.disk
  const inData = model.files().filter((path) => /^\/data\/[^/]+$/u.test(path))
  return inData.map((path) => path.slice('/data/'.length)).filter((name) => name.startsWith(start))
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => unknown): Map<unknown, T[]> {
  const groups = new Map<unknown, T[]>()
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item])
  return groups
}

/** Ids are the same but for the incarnation. */
function idOf(task: { readonly id?: string | undefined }): number {
  const { homeHour, ordinal } = decodeId(task.id)!
  return packId(homeHour, ordinal)
}

type Content = readonly [number, string, number, unknown, number]

function contents(tasks: readonly ListedTask[], without: ReadonlySet<number> = new Set()): Content[] {
  return tasks
    .filter((task) => !without.has(idOf(task)))
    .map((task): Content => [idOf(task), task.queue, task.fireAt, task.payload, task.attempt])
    .sort((a, b) => a[0] - b[0])
}

/** Opens it: exactly these tasks are there, verified, and an id of before is not known. */
async function expectExactly(busy: BusyDirectory, lost: ReadonlySet<number>): Promise<void> {
  const { rig, live, dead } = busy
  const verified = await rig.run(() => verifyDirectory(rig.machine.platform, '/data'))
  expect(verified.problems).toEqual([])
  await rig.reopen()
  expect(contents(await rig.list(rig.engine.list({ state: 'pending' })))).toEqual(contents(live, lost))
  expect(contents(await rig.list(rig.engine.list({ state: 'dead' })))).toEqual(contents(dead, lost))
  const stats = await rig.run(() => rig.engine.stats())
  expect(stats.conservation).toBe(0)
  expect(await rig.run(() => rig.engine.get(live[0]!.id))).toBe(undefined)
  await rig.close()
}

describe('salvage', () => {
  it('recovers exactly the rest of a directory with a destroyed block of a segment', async () => {
    const busy = await busyCopy(3, 30)
    const { rig } = busy
    const tasks = (await inspect(rig)).filter(({ kind, file }) => kind === 'task' && file.startsWith('seg-'))
    const blocks = groupBy(tasks, ({ file, offset }) => `${file} ${offset}`)
    const others = (line: InspectLine): number =>
      tasks.filter(({ file, counts }) => file === line.file && counts).length
    const gone = [...blocks.values()]
      .filter((block) => block.some(({ counts }) => counts) && others(block[0]!) > block.length)
      .sort((a, b) => b.length - a.length)[0]!
    const block = gone[0]!
    const lost = gone.filter((line) => line['counts'] === true).map(idOf)
    rig.machine.disk.corrupt(`/data/${block.file}`, block.offset + 24, noise)
    const before = rig.machine.disk.contents(`/data/${block.file}`)
    const report = await salvage(rig)
    expect(report).toMatchObject({ lostTasks: lost.length, lostDeadLetters: 0, revived: 0, segmentsWritten: 1 })
    expect(report.losses).toEqual([
      { file: block.file, offset: block.offset, what: 'a damaged block', tasks: gone.length },
    ])
    expect(report.hours.reduce((sum, { tasks: count }) => sum + count, 0)).toBe(lost.length)
    expect(rig.machine.disk.contents(`${report.aside!}/${block.file}`)).toEqual(before)
    await expectExactly(busy, new Set(lost))
    await rig.reopen()
    expect((await rig.run(() => rig.engine.stats())).total.damaged).toBe(lost.length)
    await rig.close()
  })

  it('recovers everything when the manifest is lost', async () => {
    const busy = await busyCopy(3, 30)
    busy.rig.machine.disk.install('/data/MANIFEST', undefined)
    expect(await salvage(busy.rig)).toMatchObject({ lostTasks: 0, lostDeadLetters: 0, revived: 0 })
    await expectExactly(busy, new Set())
  })

  it('recovers everything when the manifest is damaged, from the copies that count', async () => {
    const busy = await busyCopy(3, 30)
    busy.rig.machine.disk.corrupt('/data/MANIFEST', 90, noise)
    expect(await salvage(busy.rig)).toMatchObject({ lostTasks: 0, lostDeadLetters: 0, revived: 0 })
    await expectExactly(busy, new Set())
  })

  it('recovers all live tasks when the snapshot is lost, and says how many may have ended', async () => {
    const busy = await busyCopy(3, 30)
    const { rig, live, dead } = busy
    const [snapshot] = names(rig, 'snap-')
    rig.machine.disk.install(`/data/${snapshot}`, undefined)
    const report = await salvage(rig)
    expect(report.losses).toEqual([{ file: snapshot, offset: 0, what: 'it is missing' }])
    expect(report).toMatchObject({ lostTasks: 0, lostDeadLetters: 0 })
    expect(report.tasks).toBe(live.length + report.revived)
    expect((await rig.run(() => verifyDirectory(rig.machine.platform, '/data'))).problems).toEqual([])
    await rig.reopen()
    const found = contents(await rig.list(rig.engine.list({ state: 'pending' })))
    const all = new Set(found.map((task) => JSON.stringify(task)))
    for (const task of contents(live)) expect(all).toContain(JSON.stringify(task))
    expect(contents(await rig.list(rig.engine.list({ state: 'dead' })))).toEqual(contents(dead))
    await rig.close()
  })

  it('recovers the rest around a destroyed frame in the middle of the log', async () => {
    const busy = await busyCopy(3, 30)
    const { rig } = busy
    const log = names(rig, 'wal-')[0]!
    const lines = (await inspect(rig)).filter(({ file }) => file === log)
    const isLive = (line: InspectLine): boolean => line.kind === 'new' && line['counts'] === true
    const frames = [...groupBy(lines, (line) => line['frame']).values()].slice(0, -1)
    const inFrame = frames.sort((a, b) => b.filter(isLive).length - a.filter(isLive).length)[0]!
    const lost = inFrame.filter((line) => line.kind === 'new' && line['counts'] === true).map(idOf)
    expect(lost.length).toBeGreaterThan(0)
    rig.machine.disk.corrupt(`/data/${log}`, inFrame[0]!.offset + 4, noise)
    const report = await salvage(rig)
    expect(report.losses).toMatchObject([{ file: log, what: 'damaged frames', records: inFrame.length }])
    const verified = await rig.run(() => verifyDirectory(rig.machine.platform, '/data'))
    expect(verified.problems).toEqual([])
    await rig.reopen()
    const found = new Set((await rig.list(rig.engine.list({ state: 'pending' }))).map(idOf))
    for (const task of busy.live)
      expect([task.id, found.has(idOf(task))]).toEqual([task.id, !lost.includes(idOf(task))])
    await rig.close()
  })

  it('recovers the rest when a segment is missing, and says how many tasks of which hours are gone', async () => {
    const busy = await busyCopy(3, 30)
    const { rig } = busy
    const tasks = (await inspect(rig)).filter(({ kind, file }) => kind === 'task' && file.startsWith('seg-'))
    const { file } = tasks.find((line) => line['counts'] === true)!
    const gone = tasks.filter((line) => line.file === file)
    const lost = gone.filter((line) => line['counts'] === true).map(idOf)
    rig.machine.disk.install(`/data/${file}`, undefined)
    const report = await salvage(rig)
    expect(report.losses).toEqual([{ file, offset: 0, what: 'it is missing', tasks: gone.length }])
    expect(report.lostTasks).toBe(lost.length)
    await expectExactly(busy, new Set(lost))
  })

  it.each([
    ['header', 20, 0],
    ['head', 66, 0],
    ['footer', -30, 0],
    ['index', -80, 0],
  ])('loses no task by a destroyed %s of a segment', async (_part, at, lostCount) => {
    const busy = await busyCopy(3, 30)
    const { rig } = busy
    const file = names(rig, 'seg-')[1]!
    const path = `/data/${file}`
    rig.machine.disk.corrupt(path, at < 0 ? rig.machine.disk.contents(path).length + at : at, noise)
    expect(await salvage(rig)).toMatchObject({ lostTasks: lostCount, revived: 0 })
    await expectExactly(busy, new Set())
  })

  it('recovers what there is when the log is gone, when everything but the log is, or the disk cannot read a part', async () => {
    for (const lose of [/^wal-/u, /^(?:seg-|dead-|snap-|MANIFEST)/u]) {
      const { rig } = await busyCopy(3, 30)
      for (const name of names(rig, '')) if (lose.test(name)) rig.machine.disk.install(`/data/${name}`, undefined)
      const report = await salvage(rig)
      expect(report.tasks).toBeGreaterThan(0)
      expect((await rig.run(() => verifyDirectory(rig.machine.platform, '/data'))).problems).toEqual([])
      await rig.reopen()
      expect((await rig.run(() => rig.engine.stats())).total.pending).toBe(report.tasks)
      await rig.close()
    }
    const { rig, live } = await busyCopy(3, 30)
    const [file] = names(rig, 'seg-')
    rig.machine.disk.faults.add({ on: 'read', path: new RegExp(`/data/${file}$`, 'u'), code: 'EIO', times: Infinity })
    const report = await salvage(rig)
    expect(report.losses.some((loss) => loss.file === file && loss.what.includes('cannot read'))).toBe(true)
    expect(report.tasks + report.lostTasks).toBe(live.length)
    rig.machine.disk.faults.clear()
    expect((await rig.run(() => verifyDirectory(rig.machine.platform, '/data'))).problems).toEqual([])
  })

  it('changes nothing in a dry run, nor when it is refused', async () => {
    const { rig } = await busyCopy(3, 30)
    const { disk } = rig.machine
    disk.corrupt(`/data/${names(rig, 'seg-')[0]}`, 110, noise)
    const before = disk.model.files().map((path) => [path, Buffer.from(disk.contents(path)).toString('base64')])
    expect(await salvage(rig, { dryRun: true })).toMatchObject({ aside: undefined })
    await expect(salvage(rig, { aside: '/data' })).rejects.toMatchObject({ code: 'HW_DIRECTORY_UNUSABLE' })
    await expect(rig.run(() => salvageDirectory(rig.machine.platform, '/nowhere'))).rejects.toMatchObject({
      code: 'HW_DIRECTORY_UNUSABLE',
    })
    const after = disk.model.files().map((path) => [path, Buffer.from(disk.contents(path)).toString('base64')])
    expect(after).toEqual(before)
  })
})

import { describe, expect, it } from 'vitest'
import { verifyDirectory, type Verification } from '../../src/engine/verify.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import { Rig } from './rig.ts'

const hour = 3_600_000
const day = 24 * hour

function verify(rig: Rig): Promise<Verification> {
  return rig.run(() => verifyDirectory(rig.machine.platform, '/data'))
}

/** A directory with a bit of everything in it, closed. */
async function busyRig(seed: number): Promise<{ rig: Rig; live: number }> {
  const rig = await Rig.open({}, { seed })
  const random = new SeededRandom(seed)
  const ids: string[] = []
  const handle = await rig.run(() => rig.engine.handle('dying', (_task, context) => context.deadLetter('for the test')))
  for (let i = 0; i < 60; i++) {
    const tasks = Array.from({ length: 20 }, (_, k) => ({
      queue: k % 2 === 0 ? 'a' : 'b',
      delay: random.below(90 * day),
      payload: 'x'.repeat(random.below(200)),
    }))
    ids.push(...(await rig.run(() => rig.engine.scheduleMany(tasks))).map(({ id }) => id))
    await rig.run(() => rig.engine.schedule({ queue: 'dying', delay: 0 }))
    await rig.run(() => rig.engine.cancel(random.pick(ids)))
    await rig.run(() => rig.engine.reschedule(random.pick(ids), { delay: random.below(90 * day) }))
    await rig.advance(500)
  }
  await rig.run(() => handle.stop())
  const { total } = await rig.run(() => rig.engine.stats())
  await rig.close()
  return { rig, live: total.pending }
}

describe('verify', () => {
  it('finds a directory sound that is, by a full scan', async () => {
    const { rig, live } = await busyRig(3)
    expect(await verify(rig)).toMatchObject({ sound: true, problems: [], tasks: live, deadLetters: 60 })
  })

  it('finds a directory sound after a power cut, and says what is unfinished', async () => {
    const rig = await Rig.open()
    for (let i = 0; i < 30; i++) {
      void rig.engine
        .scheduleMany(Array.from({ length: 10 }, () => ({ queue: 'q', delay: day })))
        .catch(() => undefined)
      await rig.advance(1)
    }
    rig.machine.crash('random')
    const before = await verify(rig)
    expect(before.problems).toEqual([])
    await rig.reopen()
    expect((await rig.run(() => rig.engine.stats())).total.pending).toBe(before.tasks)
    await rig.close()
  })

  it('names file, offset and number of tasks of a damaged block, and of a damaged log file', async () => {
    const { rig, live } = await busyRig(5)
    const { disk } = rig.machine
    const names = await rig.run(() => disk.list('/data'))
    const segment = names.find((name) => name.startsWith('seg-'))!
    disk.corrupt(`/data/${segment}`, 64 + 16 + 30, Buffer.from([0xff, 0xff, 0xff]))
    const found = await verify(rig)
    expect(found.sound).toBe(false)
    expect(found.problems[0]).toMatchObject({ file: segment, what: 'a damaged block' })
    expect(found.problems[0]!.tasks).toBeGreaterThan(0)
    expect(found.tasks).toBeLessThan(live)
    const log = names.filter((name) => name.startsWith('wal-')).at(-2)!
    disk.corrupt(`/data/${log}`, 64 + 70, Buffer.from([0xff, 0xff, 0xff]))
    expect((await verify(rig)).problems.some(({ file }) => file.endsWith(log))).toBe(true)
  })

  it('refuses a directory that an engine has open', async () => {
    const rig = await Rig.open()
    await expect(verify(rig)).rejects.toMatchObject({ code: 'HW_DIRECTORY_LOCKED' })
    await rig.close()
  })

  it(
    'a year with daily restarts, orderly and not, ends sound and with everything delivered',
    { timeout: 120_000 },
    async () => {
      const rig = await Rig.open({ nearBytesMax: 64 << 10, ahead: '1h' }, { seed: 11 })
      const random = new SeededRandom(11)
      const started = new Map<string, number>()
      const due = new Map<string, number>()
      for (let today = 0; today < 365; today++) {
        await rig.run(() =>
          rig.engine.handle('q', (task) => {
            started.set(task.id, (started.get(task.id) ?? 0) + 1)
          }),
        )
        const tasks = Array.from({ length: 1 + random.below(8) }, () => ({
          queue: 'q',
          delay: random.below(random.chance(0.5) ? day : 300 * day),
          payload: 'y'.repeat(random.below(300)),
        }))
        for (const { id, fireAt } of await rig.run(() => rig.engine.scheduleMany(tasks))) due.set(id, fireAt)
        if (random.chance(0.5)) {
          const id = random.pick([...due.keys()])
          const answer = await rig.run(() => rig.engine.cancel(id))
          if (answer.outcome === 'cancelled') due.delete(id)
        }
        await rig.advance(2_000)
        if (random.chance(0.5)) await rig.close()
        else rig.machine.crash('random')
        if (today % 60 === 0) expect((await verify(rig)).problems).toEqual([])
        rig.machine.clock.step(day - 5_000)
        await rig.reopen()
        await rig.advance(3_000)
      }
      await rig.run(() => rig.engine.handle('q', (task) => void started.set(task.id, 1)))
      await rig.advance(20_000)
      const now = rig.now
      for (const [id, fireAt] of due) if (fireAt < now - 10_000) expect([id, started.get(id) ?? 0]).not.toEqual([id, 0])
      await rig.close()
      const found = await verify(rig)
      expect(found.problems).toEqual([])
      expect(found.tasks).toBe([...due.keys()].filter((id) => !started.has(id)).length)
    },
  )
})

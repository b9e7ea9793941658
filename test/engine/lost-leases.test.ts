import { describe, expect, it } from 'vitest'
import type { LeasedTask } from '../../src/model/hourwheel.ts'
import { limits } from '../../src/model/limits.ts'
import { Rig } from './rig.ts'

/** An engine with a task that was lost with the process so often that it is to run alone. */
async function withDeadlyTask(): Promise<Rig> {
  const rig = await Rig.open()
  await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 0, payload: 'deadly' }))
  for (let life = 0; life < limits.lossesAloneMin; life++) {
    await rig.run(() => rig.engine.handle('q', () => new Promise(() => undefined)))
    await rig.advance(500)
    rig.machine.kill()
    await rig.reopen()
  }
  return rig
}

describe('leases lost with the process', () => {
  it('more of them than a small log file takes at once: all pending again, no attempt used up', async () => {
    const rig = await Rig.open({ nearBytesMax: 4 << 20 })
    const count = 900
    const tasks = Array.from({ length: 100 }, () => ({ queue: 'q', delay: 0 }))
    for (let i = 0; i < count; i += 100) await rig.run(() => rig.engine.scheduleMany(tasks))
    await rig.run(() => rig.engine.handle('q', () => new Promise(() => undefined), { concurrency: count }))
    await rig.advance(3_000)
    expect((await rig.run(() => rig.engine.stats())).total.leased).toBe(count)
    rig.machine.kill()
    await rig.reopen()
    expect((await rig.run(() => rig.engine.stats())).total).toMatchObject({ pending: count, leased: 0 })
    const attempts: number[] = []
    await rig.run(() => rig.engine.handle('q', (_task, context) => void attempts.push(context.attempt)))
    await rig.advance(10_000)
    expect(attempts).toEqual(new Array(count).fill(1))
    await rig.close()
  })

  it('a task that is to run alone waits for no puller, and pullers do not wait for it', async () => {
    const rig = await withDeadlyTask()
    await rig.run(() => rig.engine.scheduleMany([1, 2].map((payload) => ({ queue: 'far', delay: 0, payload }))))
    await rig.advance(100)
    const pull = (): Promise<LeasedTask[]> => rig.run(() => rig.engine.lease('far', { lease: '1h' }))
    expect(await pull()).toMatchObject([{ payload: 1 }])
    const ran: unknown[] = []
    await rig.run(() =>
      rig.engine.handle('q', (task) => {
        ran.push(task.payload)
        return new Promise(() => undefined)
      }),
    )
    await rig.advance(500)
    expect(ran).toEqual(['deadly'])
    expect(await pull()).toMatchObject([{ payload: 2 }])
    await rig.run(() => rig.engine.close({ drain: 0 }))
  })

  it('one that waits to run alone is left to others when its handler stops', async () => {
    const rig = await withDeadlyTask()
    await rig.run(() => rig.engine.schedule({ queue: 'other', delay: 0 }))
    await rig.run(() => rig.engine.handle('other', () => new Promise(() => undefined)))
    await rig.advance(100)
    let started = 0
    const handler = await rig.run(() => rig.engine.handle('q', () => void started++))
    await rig.advance(100)
    await rig.run(() => handler.stop())
    await rig.advance(61_000)
    expect(started).toBe(0)
    expect(await rig.run(() => rig.engine.lease('q'))).toMatchObject([{ payload: 'deadly', attempt: 1 }])
    await rig.run(() => rig.engine.close({ drain: 0 }))
  })

  it('a task that takes the process with it runs alone after three losses, and is given up after ten', async () => {
    const rig = await Rig.open()
    const { id } = await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 0, payload: 'deadly' }))
    let others = 0
    let alone = 0
    for (let life = 0; life < 10; life++) {
      let running = 0
      await rig.run(() =>
        rig.engine.handle('q', async (task) => {
          running++
          if (task.payload === 'deadly') {
            if (running === 1 && life >= 3) alone++
            await new Promise(() => undefined)
          }
          others++
          running--
        }),
      )
      await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 0, payload: 'harmless' }))
      await rig.advance(2_000)
      expect(await rig.run(() => rig.engine.get(id))).toMatchObject({ state: 'leased', attempt: 0 })
      rig.machine.kill()
      await rig.reopen()
    }
    expect(alone).toBe(7)
    await rig.run(() => rig.engine.handle('q', () => void others++))
    await rig.advance(2_000)
    expect(await rig.run(() => rig.engine.get(id))).toMatchObject({ state: 'dead', reason: 'lost' })
    expect(others).toBe(10)
    await rig.close()
  })
})

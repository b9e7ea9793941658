import { describe, expect, it } from 'vitest'
import { Rig } from './rig.ts'

const hour = 3_600_000

describe('near and far', () => {
  it('thousands of tasks due in the same millisecond fire in order, in bounded memory', async () => {
    const rig = await Rig.open({ nearBytesMax: 128 << 10, walFilesMax: 1 })
    const at = rig.now + 2 * hour
    const count = 3_000
    for (let i = 0; i < count; i += 100) {
      const tasks = Array.from({ length: 100 }, (_, k) => ({ queue: 'q', at, payload: { i: i + k } }))
      await rig.run(() => rig.engine.scheduleMany(tasks))
    }
    const seen: number[] = []
    let mostBytes = 0
    await rig.run(() =>
      rig.engine.handle('q', async (task) => {
        seen.push((task.payload as { i: number }).i)
        mostBytes = Math.max(mostBytes, (await rig.engine.stats()).nearBytes)
      }),
    )
    await rig.advance(2 * hour - 1_000)
    expect(seen).toEqual([])
    await rig.advance(60_000)
    expect(seen).toEqual(Array.from({ length: count }, (_, i) => i))
    expect(mostBytes).toBeLessThan(96 << 10)
    const stats = await rig.run(() => rig.engine.stats())
    expect(stats).toMatchObject({ near: 0, far: 0, conservation: 0 })
    expect(stats.checkpoints).toBeGreaterThan(10)
    await rig.close()
  })

  it('the backlog of a queue without handler stays on disk, delays no other queue, and drains in order', async () => {
    const rig = await Rig.open({ nearBytesMax: 128 << 10 })
    const count = 2_500
    for (let i = 0; i < count; i += 100) {
      const tasks = Array.from({ length: 100 }, (_, k) => ({ queue: 'backlog', delay: i + k, payload: { i: i + k } }))
      await rig.run(() => rig.engine.scheduleMany(tasks))
    }
    const lates: number[] = []
    await rig.run(() => rig.engine.handle('other', (_task, context) => void lates.push(context.lateMs)))
    for (let i = 0; i < 50; i++) {
      await rig.run(() => rig.engine.schedule({ queue: 'other', delay: 1_500 }))
      await rig.advance(200)
    }
    await rig.advance(5_000)
    expect(lates).toHaveLength(50)
    expect(Math.max(...lates)).toBeLessThan(10)
    const before = await rig.run(() => rig.engine.stats())
    expect(before.queues['backlog']!.nearBytes).toBeLessThan(64 << 10)
    expect(before.queues['backlog']!.pending).toBe(count)
    const seen: number[] = []
    await rig.run(() =>
      rig.engine.handle('backlog', (task) => void seen.push((task.payload as { i: number }).i), { concurrency: 10 }),
    )
    await rig.advance(20_000)
    expect(seen).toHaveLength(count)
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
    await rig.close()
  })

  it('tasks for soon are on time although the queue is full of tasks for later', async () => {
    const rig = await Rig.open({ nearBytesMax: 64 << 10 })
    const now = rig.now
    for (let i = 0; i < 1_000; i += 100) {
      const tasks = Array.from({ length: 100 }, (_, k) => ({ queue: 'q', at: now + 300_000 + i + k, payload: 'later' }))
      await rig.run(() => rig.engine.scheduleMany(tasks))
    }
    const lates: number[] = []
    await rig.run(() => rig.engine.handle('q', (_task, context) => void lates.push(context.lateMs)))
    for (let i = 0; i < 30; i++) await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 1_000, payload: 'soon' }))
    await rig.advance(3_000)
    expect(lates).toHaveLength(30)
    expect(Math.max(...lates)).toBeLessThan(50)
    await rig.advance(400_000)
    expect(lates).toHaveLength(1_030)
    await rig.close()
  })

  it('everything overdue after a long stop comes oldest first', async () => {
    const rig = await Rig.open({ nearBytesMax: 128 << 10 })
    for (let i = 0; i < 1_000; i += 50) {
      const tasks = Array.from({ length: 50 }, (_, k) => ({
        queue: 'q',
        delay: ((i + k) * 7_919) % (200 * hour),
        payload: { n: ((i + k) * 7_919) % (200 * hour) },
      }))
      await rig.run(() => rig.engine.scheduleMany(tasks))
    }
    await rig.close()
    rig.machine.clock.step(300 * hour)
    await rig.reopen()
    const seen: number[] = []
    await rig.run(() => rig.engine.handle('q', (task) => void seen.push((task.payload as { n: number }).n)))
    await rig.advance(30_000)
    expect(seen).toHaveLength(1_000)
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
    await rig.close()
  })
})

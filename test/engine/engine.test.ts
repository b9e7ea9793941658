import { describe, expect, it } from 'vitest'
import type { Task } from '../../src/model/hourwheel.ts'
import { Rig } from './rig.ts'

const hour = 3_600_000
const day = 24 * hour

describe('an engine', () => {
  it('fires a task at its time, not before, and once', async () => {
    const rig = await Rig.open()
    const starts: { at: number; task: Task; late: number }[] = []
    await rig.run(() =>
      rig.engine.handle('q', (task, context) => {
        starts.push({ at: rig.now, task, late: context.lateMs })
      }),
    )
    const receipt = await rig.run(() => rig.engine.schedule({ queue: 'q', delay: '5s', payload: { a: 1 } }))
    await rig.advance(4_900)
    expect(starts).toEqual([])
    await rig.advance(60_000)
    expect(starts).toHaveLength(1)
    expect(starts[0]!.at).toBeGreaterThanOrEqual(receipt.fireAt)
    expect(starts[0]!.at).toBeLessThan(receipt.fireAt + 20)
    expect(starts[0]!.task).toEqual({ id: receipt.id, queue: 'q', payload: { a: 1 }, headers: {} })
    expect(await rig.run(() => rig.engine.get(receipt.id))).toEqual({ state: 'ended', how: 'succeeded' })
    const stats = await rig.run(() => rig.engine.stats())
    expect(stats.conservation).toBe(0)
    expect(stats.queues['q']).toMatchObject({ accepted: 1, succeeded: 1, pending: 0 })
    await rig.close()
  })

  it('keeps tasks over kill -9 and a power cut, near and far', async () => {
    const rig = await Rig.open()
    const ids: string[] = []
    for (let i = 0; i < 300; i++) {
      const delay = i % 3 === 0 ? 1_000 + i : i % 3 === 1 ? hour + i : 40 * day + i * hour
      ids.push((await rig.run(() => rig.engine.schedule({ queue: 'q', delay, payload: { i } }))).id)
    }
    rig.machine.crash('loseAll')
    await rig.reopen()
    const seen: unknown[] = []
    await rig.run(() => rig.engine.handle('q', (task) => void seen.push((task.payload as { i: number }).i)))
    for (const id of ids) expect(await rig.run(() => rig.engine.get(id))).toMatchObject({ state: 'pending' })
    expect((await rig.list(rig.engine.list({}))).length).toBe(300)
    await rig.advance(2 * hour)
    expect(seen.length).toBe(200)
    rig.machine.crash('random')
    rig.machine.clock.step(20 * day)
    await rig.reopen()
    await rig.run(() => rig.engine.handle('q', (task) => void seen.push((task.payload as { i: number }).i)))
    for (let i = 0; i < 40; i++) {
      await rig.advance(hour / 2)
      rig.machine.clock.step(23 * hour)
    }
    expect(new Set(seen).size).toBe(300)
    const stats = await rig.run(() => rig.engine.stats())
    expect(stats.queues['q']).toMatchObject({ accepted: 300, succeeded: 300, pending: 0 })
    expect(stats.checkpoints).toBeGreaterThan(0)
    await rig.close()
  })

  it('cancel and reschedule answer by the state table', async () => {
    const rig = await Rig.open()
    const schedule = (delay: number) => rig.run(() => rig.engine.schedule({ queue: 'q', delay }))
    const one = await schedule(hour)
    expect(await rig.run(() => rig.engine.cancel(one.id))).toMatchObject({ outcome: 'cancelled', generation: 0 })
    expect(await rig.run(() => rig.engine.cancel(one.id))).toEqual({ outcome: 'ended', how: 'cancelled' })
    expect(await rig.run(() => rig.engine.reschedule(one.id, { delay: 5 }))).toEqual({
      outcome: 'ended',
      how: 'cancelled',
    })
    const two = await schedule(30 * day)
    expect(await rig.run(() => rig.engine.reschedule(two.id, { delay: 1_000, ifGeneration: 3 }))).toEqual({
      outcome: 'changed',
      generation: 0,
    })
    expect(await rig.run(() => rig.engine.reschedule(two.id, { delay: 1_000 }))).toMatchObject({
      outcome: 'rescheduled',
      generation: 1,
    })
    let release: () => void = () => undefined
    let aborted = false
    await rig.run(() =>
      rig.engine.handle('q', (_task, context) => {
        context.signal.addEventListener('abort', () => (aborted = true))
        return new Promise<void>((_resolve, reject) => (release = () => reject(new Error('stopped'))))
      }),
    )
    await rig.advance(2_000)
    expect(await rig.run(() => rig.engine.reschedule(two.id, { delay: 1_000 }))).toEqual({
      outcome: 'leased',
      attempt: 1,
    })
    expect(await rig.run(() => rig.engine.cancel(two.id))).toMatchObject({ outcome: 'leased', attempt: 1 })
    expect(aborted).toBe(true)
    release()
    await rig.advance(1_000)
    expect(await rig.run(() => rig.engine.get(two.id))).toEqual({ state: 'ended', how: 'cancelled' })
    const missing = one.id.slice(0, 4) + 'zzzzzz' + one.id.slice(10)
    expect(await rig.run(() => rig.engine.get(missing))).toBe(undefined)
    await rig.close()
  })

  it('retries with backoff, then keeps a dead letter that can be redriven', async () => {
    const rig = await Rig.open({ queues: { q: { retry: { attempts: 3, delay: '1s', backoff: 'fixed', jitter: 0 } } } })
    const attempts: number[] = []
    let healthy = false
    await rig.run(() =>
      rig.engine.handle('q', (_task, context) => {
        attempts.push(context.attempt)
        if (!healthy) throw new Error('no luck')
      }),
    )
    const receipt = await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 0, payload: 'x' }))
    await rig.advance(10_000)
    expect(attempts).toEqual([1, 2, 3])
    const dead = await rig.list(rig.engine.deadLetters.list())
    expect(dead).toMatchObject([{ id: receipt.id, reason: 'attempts', error: 'no luck', attempt: 3, payload: 'x' }])
    healthy = true
    rig.machine.crash('loseAll')
    await rig.reopen()
    await rig.run(() => rig.engine.handle('q', (_task, context) => void attempts.push(context.attempt)))
    expect(await rig.run(() => rig.engine.get(receipt.id))).toMatchObject({ state: 'dead', reason: 'attempts' })
    expect(await rig.run(() => rig.engine.deadLetters.redrive(receipt.id))).toEqual({ redriven: 1 })
    await rig.advance(1_000)
    expect(attempts).toEqual([1, 2, 3, 1])
    expect(await rig.run(() => rig.engine.get(receipt.id))).toEqual({ state: 'ended', how: 'succeeded' })
    await rig.close()
  })

  it('a successor is scheduled with the success, and only then', async () => {
    const rig = await Rig.open()
    const seen: string[] = []
    await rig.run(() =>
      rig.engine.handle('q', (task, context) => {
        const { n, fail } = task.payload as { n: number; fail?: boolean }
        seen.push(`${n}.${context.attempt}`)
        if (n < 3) context.scheduleNext({ queue: 'q', delay: '1s', payload: { n: n + 1 } })
        if (fail && context.attempt === 1) throw new Error('once more')
      }),
    )
    await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 0, payload: { n: 1, fail: true } }))
    await rig.advance(60_000)
    expect(seen).toEqual(['1.1', '1.2', '2.1', '3.1'])
    await rig.close()
  })
})

import { describe, expect, it } from 'vitest'
import type { LeasedTask } from '../../src/model/hourwheel.ts'
import { Rig } from './rig.ts'

async function leased(rig: Rig, input: object = {}): Promise<LeasedTask[]> {
  return rig.run(() => rig.engine.lease('q', { max: 10, ...input }))
}

describe('leases', () => {
  it('hands out due tasks, and ack ends them durably', async () => {
    const rig = await Rig.open()
    await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 0, payload: { n: 1 }, headers: { a: 'b' } }))
    await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 0, payload: { n: 2 } }))
    await rig.advance(50)
    const tasks = await leased(rig)
    expect(tasks.map(({ payload }) => payload)).toEqual([{ n: 1 }, { n: 2 }])
    expect(tasks[0]).toMatchObject({ queue: 'q', attempt: 1, headers: { a: 'b' }, leaseMs: 30_000 })
    expect(await leased(rig)).toEqual([])
    expect(await rig.run(() => rig.engine.ack(tasks[0]!.token))).toEqual({ outcome: 'acked' })
    expect(await rig.run(() => rig.engine.ack(tasks[0]!.token))).toEqual({ outcome: 'ended' })
    rig.machine.crash('loseAll')
    await rig.reopen()
    expect(await rig.run(() => rig.engine.get(tasks[0]!.id))).toEqual({ state: 'ended', how: 'succeeded' })
    expect(await rig.run(() => rig.engine.ack(tasks[1]!.token))).toEqual({ outcome: 'stale' })
    await rig.advance(1_000)
    const again = await leased(rig)
    expect(again).toMatchObject([{ id: tasks[1]!.id, attempt: 1 }])
    expect(again[0]!.fence).toBeGreaterThan(tasks[1]!.fence)
    await rig.run(() => rig.engine.ack(again[0]!.token))
    await rig.close()
  })

  it('waits for a task, and serves who waits longest first', async () => {
    const rig = await Rig.open()
    await rig.run(() => rig.engine.schedule({ queue: 'q', delay: '2s', payload: 'x' }))
    const first = rig.engine.lease('q', { wait: '10s' })
    const second = rig.engine.lease('q', { wait: '3s' })
    await rig.advance(3_100)
    expect(await second).toEqual([])
    expect((await first).map(({ payload }) => payload)).toEqual(['x'])
    await rig.run(() => rig.engine.close({ drain: 0 }))
  })

  it('a caller that went away gets nothing, and costs no attempt', async () => {
    const rig = await Rig.open()
    const aborter = new AbortController()
    const waiting = rig.engine.lease('q', { wait: '10s', signal: aborter.signal })
    await rig.advance(100)
    aborter.abort()
    await rig.advance(100)
    expect(await waiting).toEqual([])
    await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 0 }))
    await rig.advance(100)
    expect(await leased(rig)).toMatchObject([{ attempt: 1 }])
    await rig.run(() => rig.engine.close({ drain: 0 }))
  })

  it('an expired lease uses up an attempt; its token is stale', async () => {
    const rig = await Rig.open({ queues: { q: { retry: { delay: '1s', backoff: 'fixed', jitter: 0, attempts: 2 } } } })
    const { id } = await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 0 }))
    await rig.advance(50)
    const [one] = await leased(rig, { lease: '2s' })
    expect(await rig.run(() => rig.engine.extend(one!.token, '5s'))).toEqual({ outcome: 'extended' })
    await rig.advance(4_000)
    expect(await rig.run(() => rig.engine.extend(one!.token, '1s'))).toEqual({ outcome: 'extended' })
    await rig.advance(3_000)
    expect(await rig.run(() => rig.engine.ack(one!.token))).toEqual({ outcome: 'stale' })
    const [two] = await leased(rig)
    expect(two).toMatchObject({ id, attempt: 2 })
    expect(await rig.run(() => rig.engine.nack(one!.token))).toEqual({ outcome: 'stale' })
    expect(await rig.run(() => rig.engine.extend(one!.token, '1s'))).toEqual({ outcome: 'stale' })
    expect(await rig.run(() => rig.engine.nack(two!.token, { error: 'no good' }))).toEqual({ outcome: 'nacked' })
    expect(await rig.run(() => rig.engine.get(id))).toMatchObject({ state: 'dead', error: 'no good', attempt: 2 })
    expect(await rig.run(() => rig.engine.ack(two!.token))).toEqual({ outcome: 'ended' })
    await rig.close()
  })

  it('nack says when, or never', async () => {
    const rig = await Rig.open()
    const { id } = await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 0 }))
    await rig.advance(50)
    const [one] = await leased(rig)
    await rig.run(() => rig.engine.nack(one!.token, { delay: '7s' }))
    await rig.advance(6_900)
    expect(await leased(rig)).toEqual([])
    await rig.advance(200)
    const [two] = await leased(rig)
    await rig.run(() => rig.engine.nack(two!.token, { dead: true, error: 'hopeless' }))
    expect(await rig.run(() => rig.engine.get(id))).toMatchObject({ state: 'dead', reason: 'asked', error: 'hopeless' })
    await rig.close()
  })

  it('ack schedules one successor in the same step; a cancelled lease may still succeed', async () => {
    const rig = await Rig.open()
    const { id } = await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 0, payload: 1 }))
    await rig.advance(50)
    const [one] = await leased(rig)
    expect(await rig.run(() => rig.engine.cancel(id))).toMatchObject({ outcome: 'leased' })
    const next = { queue: 'q', delay: '1s', payload: 2 }
    expect(await rig.run(() => rig.engine.ackMany([{ token: one!.token, next }]))).toEqual([{ outcome: 'acked' }])
    expect(await rig.run(() => rig.engine.ack(one!.token, { next }))).toEqual({ outcome: 'ended' })
    await rig.advance(1_100)
    expect((await leased(rig)).map(({ payload }) => payload)).toEqual([2])
    expect((await rig.run(() => rig.engine.stats())).total).toMatchObject({ accepted: 2, succeeded: 1, leased: 1 })
    await rig.run(() => rig.engine.close({ drain: 0 }))
  })

  it('pullers and a handler share a queue, each task once', async () => {
    const rig = await Rig.open()
    const seen: unknown[] = []
    await rig.run(() =>
      rig.engine.handle(
        'q',
        async (task) => {
          seen.push(task.payload)
          await rig.engine.stats()
        },
        { concurrency: 2 },
      ),
    )
    for (let n = 0; n < 60; n++) await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 500, payload: n }))
    for (let i = 0; i < 40; i++) {
      const waiting = rig.engine.lease('q', { max: 3, wait: '200ms' })
      await rig.advance(220)
      for (const task of await waiting) {
        seen.push(task.payload)
        await rig.run(() => rig.engine.ack(task.token))
      }
    }
    expect(seen.length).toBe(60)
    expect(new Set(seen).size).toBe(60)
    await rig.close()
  })

  it('bad tokens and options are refused', async () => {
    const rig = await Rig.open()
    const code = async (work: () => Promise<unknown>): Promise<unknown> =>
      rig.run(() =>
        work().then(
          () => 'fine',
          (error: { code: string }) => error.code,
        ),
      )
    expect(await code(() => rig.engine.ack('nonsense'))).toBe('HW_INVALID_TOKEN')
    expect(await code(() => rig.engine.extend('', '1s'))).toBe('HW_INVALID_TOKEN')
    expect(await code(() => rig.engine.lease('q', { max: 0 }))).toBe('HW_INVALID_OPTIONS')
    expect(await code(() => rig.engine.lease('q', { lease: '100d' }))).not.toBe('fine')
    expect(await code(() => rig.engine.lease('q', { hold: 1 } as never))).toBe('HW_UNKNOWN_FIELD')
    const { id } = await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 0 }))
    await rig.advance(50)
    const [one] = await leased(rig)
    const both = { dead: true, delay: 1 }
    expect(await code(() => rig.engine.nack(one!.token, both))).toBe('HW_INVALID_OPTIONS')
    expect(await rig.run(() => rig.engine.get(id))).toMatchObject({ state: 'leased' })
    const stranger = `${id.slice(0, 4)}zzzz0${id.slice(9)}.1`
    expect(await rig.run(() => rig.engine.ack(stranger))).toEqual({ outcome: 'missing' })
    await rig.run(() => rig.engine.close({ drain: 0 }))
  })

  it('what the log cuts into frames is handed out whole', async () => {
    const rig = await Rig.open({ walFilesMax: 6 })
    const tasks = Array.from({ length: 400 }, (_, n) => ({ queue: 'q', delay: '1s', payload: n }))
    for (let at = 0; at < 400; at += 40) await rig.run(() => rig.engine.scheduleMany(tasks.slice(at, at + 40)))
    await rig.advance(1_100)
    const all = await leased(rig, { max: 400 })
    expect(all.length).toBe(400)
    expect(await rig.run(() => rig.engine.ackMany(all.map(({ token }) => ({ token }))))).toEqual(
      all.map(() => ({ outcome: 'acked' })),
    )
    await rig.close()
  })

  it('whose only task is cancelled while its lease is written waits for the next, or is told that none came', async () => {
    const rig = await Rig.open()
    const ids: string[] = []
    for (const delay of [0, 1]) ids.push((await rig.run(() => rig.engine.schedule({ queue: 'q', delay }))).id)
    await rig.advance(50)
    const [impatient, patient] = [rig.engine.lease('q'), rig.engine.lease('q', { wait: '5s' })]
    const answers = ids.map((id) => rig.engine.cancel(id))
    await rig.advance(100)
    for (const answer of answers) expect(await answer).toMatchObject({ outcome: 'leased' })
    expect(await impatient).toEqual([])
    const { id } = await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 0 }))
    await rig.advance(100)
    expect(await patient).toMatchObject([{ id }])
    expect((await rig.run(() => rig.engine.stats())).total).toMatchObject({ cancelled: 2, leased: 1 })
    await rig.run(() => rig.engine.close({ drain: 0 }))
  })

  it('whose queue is paused before it is handed out waits until that is resumed, at no cost of an attempt', async () => {
    const rig = await Rig.open()
    const { id } = await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 0 }))
    await rig.advance(50)
    let told = 0
    const waiting = rig.engine.lease('q', { wait: '10s' })
    void waiting.then(() => told++)
    const paused = rig.engine.pause('q')
    await rig.advance(1_000)
    await paused
    expect(told).toBe(0)
    expect(await rig.run(() => rig.engine.get(id))).toMatchObject({ state: 'pending', attempt: 0 })
    await rig.run(() => rig.engine.resume('q'))
    await rig.advance(1_000)
    expect(await waiting).toMatchObject([{ id, attempt: 1 }])
    await rig.run(() => rig.engine.close({ drain: 0 }))
  })

  it('calls under way end with the engine', async () => {
    for (const how of ['lease', 'ack', 'nack'] as const) {
      const rig = await Rig.open()
      await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 0 }))
      await rig.advance(50)
      const token = how === 'lease' ? '' : (await leased(rig))[0]!.token
      rig.machine.disk.faults.add({ on: 'sync', path: /wal-/, code: 'EIO' })
      const call = how === 'lease' ? rig.engine.lease('q') : rig.engine[how](token)
      const answer = call.then(
        () => 'fine',
        ({ code }: { code: string }) => code,
      )
      expect((await rig.run(() => rig.engine.closed)).reason).toBe('failed')
      expect(await rig.run(() => answer)).not.toBe('fine')
    }
  })
})

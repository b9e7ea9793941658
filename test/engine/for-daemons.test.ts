/**
 * What a daemon does with its engine: settings of queues put in while it runs, for queues it knows and for those it does not;
 * handlers that are held back; leases that it could not hand out.
 */

import { expect, test } from 'vitest'
import { giveBackLeases, handleUpTo, replaceQueueSettings } from '../../src/engine/for-daemons.ts'
import type { Engine } from '../../src/model/engine.ts'
import { emailSchema } from '../types/schemas.ts'
import { Rig } from './rig.ts'

test('attempts that fail from now on are retried by the new settings', async () => {
  const rig = await Rig.open({ queues: { q: { retry: { attempts: 5, backoff: 'fixed', delay: '1h', jitter: 0 } } } })
  const { engine } = rig
  let runs = 0
  await rig.run(() =>
    engine.handle('q', () => {
      runs++
      throw new Error('no')
    }),
  )
  const { id } = await rig.run(() => engine.schedule({ queue: 'q', delay: 10 }))
  await rig.advance(1_000)
  expect(runs).toBe(1)
  replaceQueueSettings(engine, 'q', { retry: { attempts: 3, backoff: 'fixed', delay: '1s', jitter: 0 } })
  await rig.advance(3_600_000)
  expect(runs).toBe(2)
  await rig.advance(2_000)
  expect(runs).toBe(3)
  expect(await rig.run(() => engine.get(id))).toMatchObject({ state: 'dead', reason: 'attempts' })
  await rig.close()
})

test('a queue that comes later has them from its first task on, its schema stays, and what is left out is the default', async () => {
  const rig = await Rig.open({ queues: { email: { payload: emailSchema, timeout: '5s' } }, keyWindow: '1h' })
  const { engine } = rig
  replaceQueueSettings(engine, 'later', { timeout: '1s' })
  replaceQueueSettings(engine, 'email', { retry: { attempts: 1 } })
  const aborted = { later: 0, email: 0 }
  for (const queue of ['later', 'email'] as const) {
    await rig.run(() =>
      engine.handle(queue, (_task, { signal }) => {
        return new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            aborted[queue]++
            resolve(undefined)
          })
        })
      }),
    )
  }
  await rig.run(() => engine.schedule({ queue: 'later', delay: 10 }))
  await rig.run(() => engine.schedule({ queue: 'email', delay: 10, payload: { to: 'ada' } }))
  await expect(rig.run(() => engine.schedule({ queue: 'email', delay: 1, payload: 3 }))).rejects.toMatchObject({
    code: 'HW_INVALID_PAYLOAD',
  })
  await rig.advance(3_000)
  expect(aborted.later).toBeGreaterThanOrEqual(1)
  await rig.advance(10_000)
  // The 5 s that were given at open are gone: replaced as a whole.
  const { queues } = await rig.run(() => engine.stats())
  expect(queues['email']).toMatchObject({ running: 1 })
  expect(aborted.email).toBe(0)
  await rig.advance(60_000)
  const [dead] = await rig.list(engine.deadLetters.list({ queue: 'email' }))
  expect(dead).toMatchObject({ reason: 'attempts', attempt: 1 })
  await rig.close()
})

test.each([
  ['an unknown field', 'q', { timeuot: '3s' }, 'HW_UNKNOWN_FIELD'],
  ['a time-out below the least', 'q', { timeout: 1 }, 'HW_INVALID_OPTIONS'],
  ['a bad retry', 'q', { retry: { attempts: 0 } }, 'HW_INVALID_RETRY'],
  ['a bad name', '../q', {}, 'HW_INVALID_QUEUE'],
])('%s is refused', async (_what, queue, options, code) => {
  const rig = await Rig.open()
  expect(() => replaceQueueSettings(rig.engine, queue, options as never)).toThrow(expect.objectContaining({ code }))
  await rig.close()
  expect(() => replaceQueueSettings({} as Engine, 'q', {})).toThrow(
    expect.objectContaining({ code: 'HW_INVALID_OPTIONS' }),
  )
})

test('a handler has as many attempts at once as it is said each time; with none the queue has one all the same', async () => {
  const rig = await Rig.open()
  const { engine } = rig
  let leaseMax = 0
  const ends: (() => void)[] = []
  const handle = handleUpTo(
    engine,
    'q',
    () => new Promise<void>((resolve) => ends.push(resolve)),
    () => leaseMax,
  )
  const tasks = Array.from({ length: 5 }, () => ({ queue: 'q', delay: 10 }))
  await rig.run(() => engine.scheduleMany(tasks))
  await rig.advance(1_000)
  const stats = async (): Promise<unknown> => (await rig.run(() => engine.stats())).queues['q']
  expect(await stats()).toMatchObject({ handled: true, running: 0, due: 5 })
  for (const [max, running] of [
    [2, 2],
    [1, 2],
    [4, 4],
  ] as const) {
    leaseMax = max
    handle.poke()
    await rig.advance(100)
    expect(await stats()).toMatchObject({ running, due: 5 - running })
  }
  leaseMax = 0
  for (const end of ends.splice(0)) end()
  await rig.advance(100)
  expect(await stats()).toMatchObject({ running: 0, due: 1, succeeded: 4 })
  expect(() =>
    handleUpTo(
      engine,
      'q',
      () => 1,
      () => 1,
    ),
  ).toThrow(expect.objectContaining({ code: 'HW_HANDLER_EXISTS' }))
  await rig.run(() => handle.stop())
  expect(await stats()).toMatchObject({ handled: false })
  await rig.close()
})

test('leases that are given back go to who waits, at once, with a larger fence, and cost no attempt', async () => {
  const rig = await Rig.open()
  const { engine } = rig
  const { id } = await rig.run(() => engine.schedule({ queue: 'q', delay: 0 }))
  await rig.advance(10)
  const [lost] = await rig.run(() => engine.lease('q', { lease: '1h' }))
  const waiting = engine.lease('q', { wait: '60s' })
  await rig.advance(5_000)
  giveBackLeases(engine, [lost!.token])
  await rig.advance(20)
  const [again] = await waiting
  expect(again).toMatchObject({ id, attempt: 1 })
  expect(again!.fence).toBeGreaterThan(lost!.fence)
  expect(await rig.run(() => engine.ack(lost!.token))).toEqual({ outcome: 'stale' })
  // A token that is over gives nothing back.
  giveBackLeases(engine, [lost!.token])
  expect(await rig.run(() => engine.ack(again!.token))).toEqual({ outcome: 'acked' })
  giveBackLeases(engine, [again!.token])
  expect(await rig.run(() => engine.get(id))).toEqual({ state: 'ended', how: 'succeeded' })
  await rig.close()
})

test('a task that was cancelled while its lease was on its way ends so when that is given back', async () => {
  const rig = await Rig.open()
  const { engine } = rig
  const { id } = await rig.run(() => engine.schedule({ queue: 'q', delay: 0 }))
  await rig.advance(10)
  const [lost] = await rig.run(() => engine.lease('q'))
  expect(await rig.run(() => engine.cancel(id))).toMatchObject({ outcome: 'leased' })
  giveBackLeases(engine, [lost!.token])
  expect(await rig.run(() => engine.get(id))).toEqual({ state: 'ended', how: 'cancelled' })
  await rig.close()
  giveBackLeases(engine, [lost!.token])
})

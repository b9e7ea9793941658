import { readFile } from 'node:fs/promises'
import { setTimeout as realSleep } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { greeted } from './modules/greet.ts'
import { openTestEngine, type TestEngine, type TestEngineOptions } from '../../src/testing.ts'

let t: TestEngine
const open = async (options: TestEngineOptions = {}): Promise<TestEngine> => (t = await openTestEngine(options))
afterEach(() => t.close())

test('a task fires when its time has come, to the millisecond, and not before', async () => {
  const t = await open({ start: '2027-01-01T09:00Z' })
  const seen: number[] = []
  await t.handle('email', (_task, context) => void seen.push(t.now, context.lateMs))
  const receipt = await t.schedule({ queue: 'email', delay: '30d', payload: { to: 'ada' } })
  expect(receipt.fireAt).toBe(Date.parse('2027-01-31T09:00Z'))
  await t.advanceBy('29d')
  await t.advanceBy('23h')
  await t.advanceBy(3_599_999)
  expect(seen).toEqual([])
  await t.advanceBy(1)
  expect(seen).toEqual([receipt.fireAt, 0])
  expect(t.now).toBe(receipt.fireAt)
})

test('ten idle years pass quickly', async () => {
  const t = await open()
  const fired: number[] = []
  await t.handle('x', () => void fired.push(t.now))
  const at = t.now + 3650 * 86_400_000
  await t.schedule({ queue: 'x', at })
  await t.advanceBy('3650d')
  expect(fired).toEqual([at])
})

test('retries come within one advance', async () => {
  const t = await open({ queues: { flaky: { retry: { attempts: 3, backoff: 'fixed', delay: '1m', jitter: 0 } } } })
  const attempts: number[] = []
  await t.handle('flaky', async (_task, context) => {
    attempts.push(t.now)
    await Promise.resolve()
    throw new Error(`no ${context.attempt}`)
  })
  const { fireAt } = await t.schedule({ queue: 'flaky', delay: 0 })
  await t.advanceBy('1h')
  expect(attempts).toEqual([fireAt, fireAt + 60_000, fireAt + 120_000])
  const dead = []
  for await (const letter of t.deadLetters.list()) dead.push(letter.error)
  expect(dead).toEqual(['no 3'])
})

test('handlers that do real work are waited for', async () => {
  const t = await open()
  const ends: number[] = []
  await t.handle('real', async () => {
    await realSleep(20)
    expect((await readFile(new URL(import.meta.url), 'utf8')).length).toBeGreaterThan(10)
    ends.push(t.now)
  })
  await t.scheduleMany([1, 2, 3].map((minutes) => ({ queue: 'real', delay: `${minutes}m` })))
  const start = t.now
  await t.advanceBy('1h')
  expect(ends).toEqual([start + 60_000, start + 120_000, start + 180_000])
})

test('a handler that never ends is an error that says which', async () => {
  const t = await open({ handlerWait: 50 })
  await t.handle('hangs', () => new Promise(() => undefined))
  await t.schedule({ queue: 'hangs', delay: '1m' })
  await expect(t.advanceBy('1h')).rejects.toThrow(/handler of queue 'hangs' .* within 50 ms/)
})

test('an endless chain is an error', async () => {
  const t = await open({ firingsMax: 1_000 })
  await t.handle('chain', (_task, context) => context.scheduleNext({ queue: 'chain', delay: 0 }))
  await t.schedule({ queue: 'chain', delay: '1m' })
  const error = { code: 'HW_TEST_STUCK', details: { queue: 'chain', firings: 1_000 } }
  await expect(t.advanceBy('1h')).rejects.toMatchObject(error)
})

test('a crash loses what was not synced; handlers and listeners stay', async () => {
  const t = await open()
  const fired: string[] = []
  t.on('succeeded', ({ queue }) => fired.push(`event ${queue}`))
  await t.handle('x', (task) => void fired.push(`handler ${String(task.payload)}`))
  await t.schedule({ queue: 'x', delay: '1m', payload: 'first' })
  await t.schedule({ queue: 'x', delay: '1h', payload: 'second' })
  await t.advanceBy('2m')
  const lost = t.schedule({ queue: 'x', delay: '1m', payload: 'lost' })
  const crashed = t.crash()
  await expect(lost).rejects.toMatchObject({ code: 'HW_OUTCOME_UNKNOWN', outcome: 'unknown' })
  await crashed
  await t.advanceBy('2h')
  expect(fired).toEqual(['handler first', 'event x', 'handler second', 'event x'])
  expect((await t.stats()).conservation).toBe(0)
})

test('a crash in the middle of a handler: the attempt is run again', async () => {
  const t = await open()
  let runs = 0
  await t.handle('x', async () => {
    if (++runs === 1) await t.crash()
  })
  await t.schedule({ queue: 'x', delay: '1m' })
  await t.advanceBy('1h')
  expect(runs).toBe(2)
  expect((await t.stats()).total.succeeded).toBe(1)
})

test('a time-out is met by a handler that sleeps in virtual time', async () => {
  const t = await open({ queues: { slow: { timeout: '30s', retry: { attempts: 1 } } } })
  const seen: unknown[] = []
  await t.handle('slow', async (_task, context) => {
    context.signal.addEventListener('abort', () => seen.push(t.now))
    await t.sleep('1h')
  })
  const { fireAt } = await t.schedule({ queue: 'slow', delay: '1m' })
  await t.advanceBy('2h')
  expect(seen).toEqual([fireAt + 30_000])
  expect((await t.stats()).total.dead).toBe(1)
})

test('stepClock moves the wall clock alone', async () => {
  const t = await open()
  let fired = 0
  await t.handle('x', () => void fired++)
  await t.schedule({ queue: 'x', delay: '1h' })
  await t.stepClock(-3_600_000)
  await t.advanceBy('1h')
  expect(fired).toBe(0)
  await t.stepClock(3_600_000)
  expect(fired).toBe(1)
})

test('fake timers of the test runner change nothing', async () => {
  vi.useFakeTimers()
  try {
    const t = await open()
    let fired = 0
    await t.handle('x', async () => void fired++)
    await t.schedule({ queue: 'x', delay: '1d' })
    await t.advanceBy('2d')
    expect(fired).toBe(1)
  } finally {
    vi.useRealTimers()
  }
})

test('modules are imported in this thread, retried, and there again after a crash', async () => {
  const t = await open({ importModule: (url) => import(url) as Promise<unknown> })
  await t.handle('greet', { module: new URL('modules/greet.ts', import.meta.url) }, { concurrency: 2, threads: 1 })
  await t.scheduleMany(['ada', 'bob'].map((payload) => ({ queue: 'greet', delay: '1h', payload })))
  await t.advanceBy('2h')
  expect(greeted).toEqual(['ada 1', 'bob 1', 'ada 2', 'bob 2'])
  await t.schedule({ queue: 'greet', delay: '1h', payload: 'eve' })
  await t.crash()
  await t.advanceBy('2h')
  expect(greeted.slice(4)).toEqual(['eve 1', 'eve 2'])
})

test('handlers may call the engine, and a chain within one advance is followed to its end', async () => {
  const t = await open()
  const seen: unknown[] = []
  await t.handle('first', async () => {
    const { id } = await t.schedule({ queue: 'second', delay: '1d' })
    seen.push((await t.get(id))?.state)
  })
  await t.handle('second', (_task, context) => context.scheduleNext({ queue: 'third', delay: '1w' }))
  await t.handle('third', () => void seen.push(t.now))
  const { fireAt } = await t.schedule({ queue: 'first', delay: '1h' })
  await t.advanceBy('30d')
  expect(seen).toEqual(['pending', fireAt + 8 * 86_400_000])
})

test('a lease that waits is answered while time moves', async () => {
  const t = await open()
  const start = t.now
  const waiting = t.lease('pulled', { wait: '1m' }).then((tasks) => [tasks.length, t.now - start])
  await t.schedule({ queue: 'pulled', delay: '10s' })
  await t.advanceBy('1h')
  expect(await waiting).toEqual([1, 10_000])
})

test('time is moved by one call at a time, and by no handler', async () => {
  const t = await open()
  const errors: unknown[] = []
  t.on('attemptFailed', ({ error }) => errors.push(error))
  await t.handle('x', async () => t.advanceBy('1d'))
  await t.schedule({ queue: 'x', delay: '1m', retry: { attempts: 1 } })
  const first = t.advanceBy('1h')
  await expect(t.advanceBy('1h')).rejects.toMatchObject({ code: 'HW_TEST_STUCK' })
  await first
  expect(errors).toEqual([expect.stringContaining('time is on its way already')])
  await expect(t.advanceTo(t.now - 1)).rejects.toMatchObject({ code: 'HW_INVALID_TIME' })
  await t.advanceTo(t.now + 1)
})

test('an engine is closed in spite of a handler that never ends, and of time on its way', async () => {
  const t = await open({ handlerWait: 30 })
  let aborted = false
  await t.handle('hangs', async (_task, context) => {
    context.signal.addEventListener('abort', () => (aborted = true))
    await new Promise(() => undefined)
  })
  await t.schedule({ queue: 'hangs', delay: 0 })
  const moving = t.advanceBy('1h')
  await Promise.all([expect(moving).rejects.toMatchObject({ code: 'HW_TEST_STUCK' }), t.close({ drain: '1s' })])
  expect(aborted).toBe(true)
  await expect(t.schedule({ queue: 'hangs', delay: 0 })).rejects.toMatchObject({ code: 'HW_CLOSED' })
  expect(await t.closed).toEqual({ reason: 'closed' })
})

test('an engine that failed is started again by a crash, on a disk that works', async () => {
  const t = await open()
  await t.handle('x', () => undefined)
  t.machine.disk.faults.add({ on: 'sync', path: /wal-/, times: Infinity, code: 'EIO' })
  await expect(t.schedule({ queue: 'x', delay: 1 })).rejects.toMatchObject({ outcome: 'unknown' })
  expect((await t.closed).reason).toBe('failed')
  await t.crash()
  await t.schedule({ queue: 'x', delay: 1 })
  await t.advanceBy('1s')
  expect((await t.stats()).total.succeeded).toBeGreaterThan(0)
})

test('many tasks at one instant, and many over a month', async () => {
  const t = await open()
  let count = 0
  await t.handle('x', async () => void count++)
  await t.scheduleMany(Array.from({ length: 1_000 }, () => ({ queue: 'x', delay: '1h' })))
  await t.scheduleMany(Array.from({ length: 1_000 }, (_, index) => ({ queue: 'x', delay: index * 2_500_000 })))
  await t.advanceBy('30d')
  expect(count).toBe(2_000)
  expect(await t.stats()).toMatchObject({ conservation: 0, near: 0, far: 0 })
})

test('the same seed does the same', async () => {
  const retries = async (seed: number): Promise<number[]> => {
    await using t = await openTestEngine({ seed })
    const times: number[] = []
    await t.handle('x', () => {
      times.push(t.now)
      throw new Error('no')
    })
    await t.schedule({ queue: 'x', delay: 0 })
    await t.advanceBy('10d')
    return times
  }
  const first = await retries(1)
  expect(first).toHaveLength(10)
  expect(await retries(1)).toEqual(first)
  expect(await retries(2)).not.toEqual(first)
  await open()
})

test('options are checked', async () => {
  await expect(openTestEngine({ dir: './x' } as never)).rejects.toMatchObject({ code: 'HW_UNKNOWN_FIELD' })
  await expect(openTestEngine({ start: 'monday' })).rejects.toMatchObject({ code: 'HW_INVALID_TIME' })
  await open()
})

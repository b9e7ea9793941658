/** One contract for the engine and for a client of a daemon: the same calls, the same answers, the same errors. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { HourwheelError, type Hourwheel, type TaskInput } from '../../dist/index.js'
import { all, openDirect, openServed, until, type Subject } from './rig.ts'

const subjects: [string, () => Promise<Subject>][] = [
  ['the engine', openDirect],
  ['a client', openServed],
]

describe.each(subjects)('%s', (_name, open) => {
  let subject: Subject
  let wheel: Hourwheel
  let queue: string
  let count = 0

  beforeAll(async () => {
    subject = await open()
    wheel = subject.wheel
  })
  afterAll(() => subject.close())
  beforeEach(() => {
    queue = `q${++count}`
  })

  test('a task from its receipt to its end', async () => {
    const at = Date.now() + 3_600_000
    const receipt = await wheel.schedule({
      queue,
      at,
      payload: { a: [1, null, 'é'] },
      headers: { h: 'x' },
      key: 'k/1 ?%',
    })
    expect(receipt).toEqual({
      id: expect.stringMatching(/^[0-9a-z]{14}$/),
      fireAt: at,
      outcome: 'created',
      generation: 0,
    })
    const view = {
      id: receipt.id,
      queue,
      key: 'k/1 ?%',
      state: 'pending',
      fireAt: at,
      attempt: 0,
      generation: 0,
      payload: { a: [1, null, 'é'] },
      headers: { h: 'x' },
    }
    expect(await wheel.get(receipt.id)).toEqual(view)
    expect(await wheel.get({ queue, key: 'k/1 ?%' })).toEqual(view)
    expect(await wheel.reschedule(receipt.id, { at: at + 1, ifGeneration: 3 })).toEqual({
      outcome: 'changed',
      generation: 0,
    })
    const moved = await wheel.reschedule({ queue, key: 'k/1 ?%' }, { at: new Date(at + 5), ifGeneration: 0 })
    expect(moved).toEqual({ outcome: 'rescheduled', fireAt: at + 5, generation: 1, lsn: expect.any(Number) })
    expect(await wheel.cancel({ queue, key: 'k/1 ?%' })).toEqual({
      outcome: 'cancelled',
      generation: 1,
      lsn: expect.any(Number),
    })
    expect(await wheel.cancel(receipt.id)).toEqual({ outcome: 'ended', how: 'cancelled' })
    expect(await wheel.get(receipt.id)).toEqual({ state: 'ended', how: 'cancelled' })
    expect(await wheel.reschedule(receipt.id, { delay: 1 })).toEqual({ outcome: 'ended', how: 'cancelled' })
  })

  test('what there is not is missing', async () => {
    const ref = { queue, key: 'none' }
    expect(await wheel.get(ref)).toBeUndefined()
    expect(await wheel.cancel(ref)).toEqual({ outcome: 'missing' })
    expect(await wheel.reschedule(ref, { delay: '1h' })).toEqual({ outcome: 'missing' })
    expect(await all(wheel.list({ queue: 'nobody' }))).toEqual([])
    expect(await wheel.lease(queue)).toEqual([])
  })

  test('times in every form mean the same instant', async () => {
    const at = Date.UTC(2031, 4, 5, 6, 7, 8)
    const forms = [at, new Date(at), '2031-05-05T06:07:08Z', '2031-05-05T08:07:08+02:00', { epochMilliseconds: at }]
    for (const form of forms) expect((await wheel.schedule({ queue, at: form })).fireAt).toBe(at)
    const before = Date.now()
    const { fireAt } = await wheel.schedule({ queue, delay: 'PT1H30M', expiresAt: new Date(at) })
    expect(fireAt).toBeGreaterThanOrEqual(before + 5_400_000)
    expect(fireAt).toBeLessThanOrEqual(Date.now() + 5_400_000)
    const tasks = await all(wheel.list({ queue }))
    expect(tasks.map((task) => task.expiresAt)).toEqual([at, undefined, undefined, undefined, undefined, undefined])
  })

  test.each([
    ['none', undefined],
    ['null', null],
    ['false', false],
    ['a text', ''],
    ['a number', -0.5],
    ['nested data', { a: { b: [{ c: 'x'.repeat(1_000) }] } }],
    ['a name that objects have', JSON.parse('{"__proto__":1,"payloadBase64":"x","payload":2}')],
    ['bytes', Uint8Array.from({ length: 256 }, (_, byte) => byte)],
    ['no bytes', new Uint8Array()],
  ])('a payload comes back as it was: %s', async (_what, payload) => {
    const { id } = await wheel.schedule({ queue, delay: '1d', payload })
    const view = (await wheel.get(id)) as { payload: unknown }
    expect(view.payload).toEqual(payload)
    expect(view.payload instanceof Uint8Array).toBe(payload instanceof Uint8Array)
    const [listed] = await all(wheel.list({ queue }))
    expect(listed?.payload).toEqual(payload)
    await wheel.reschedule(id, { at: Date.now() })
    const [leased] = await wheel.lease(queue, { wait: '20s' })
    expect(leased).toMatchObject({ id, attempt: 1, headers: {} })
    expect(leased?.payload).toEqual(payload)
    expect(await wheel.ack(leased!.token)).toEqual({ outcome: 'acked' })
  })

  test('keys: every mode of conflict', async () => {
    const at = Date.now() + 86_400_000
    const task = { queue, at, key: 'k' }
    const { id } = await wheel.schedule({ ...task, payload: 1 })
    expect(await wheel.schedule({ ...task, payload: 2 })).toEqual({
      id,
      fireAt: at,
      outcome: 'kept',
      generation: 0,
      state: 'pending',
    })
    await expect(wheel.schedule({ ...task, onConflict: 'reject' })).rejects.toMatchObject({ code: 'HW_KEY_EXISTS' })
    expect(await wheel.schedule({ ...task, at: at - 5, onConflict: 'latest' })).toMatchObject({
      fireAt: at,
      generation: 0,
    })
    expect(await wheel.schedule({ ...task, at: at - 5, onConflict: 'earliest' })).toMatchObject({ id, fireAt: at - 5 })
    expect(await wheel.schedule({ ...task, payload: 3, onConflict: 'replace' })).toMatchObject({
      id,
      outcome: 'replaced',
    })
    expect(await wheel.get({ queue, key: 'k' })).toMatchObject({ id, payload: 3, fireAt: at })
    const { generation } = (await wheel.get(id)) as { generation: number }
    const guarded = { ...task, payload: 4, onConflict: 'replace', ifGeneration: generation } as const
    expect(await wheel.schedule(guarded)).toMatchObject({ id, outcome: 'replaced', generation: generation + 1 })
    await expect(wheel.schedule(guarded)).rejects.toMatchObject({ code: 'HW_TASK_CHANGED', outcome: 'not done' })
    await wheel.cancel(id)
    expect(await wheel.schedule(task)).toMatchObject({ id, outcome: 'kept', state: 'ended' })
  })

  test('a batch is all or none, its receipts in order, its errors with an index', async () => {
    expect(await wheel.scheduleMany([])).toEqual([])
    const tasks = Array.from({ length: 300 }, (_, n) => ({
      queue,
      delay: 3_600_000 + n,
      payload: n % 2 ? n : Uint8Array.of(n & 255),
    }))
    const receipts = await wheel.scheduleMany(tasks)
    expect(new Set(receipts.map(({ id }) => id)).size).toBe(300)
    const listed = await all(wheel.list({ queue }))
    expect(listed.map(({ id }) => id)).toEqual(receipts.map(({ id }) => id))
    expect(listed.map(({ payload }) => payload)).toEqual(tasks.map(({ payload }) => payload))
    const bad = [...tasks.slice(0, 3), { queue, delay: 1, payload: () => 1 }, ...tasks.slice(0, 2)]
    await expect(wheel.scheduleMany(bad)).rejects.toMatchObject({
      code: 'HW_INVALID_PAYLOAD',
      index: 3,
      outcome: 'not done',
    })
    const late = [
      ...tasks.slice(0, 2),
      { queue, delay: 1, key: 'x' },
      { queue, delay: 1, key: 'x', onConflict: 'reject' as const },
    ]
    await expect(wheel.scheduleMany(late)).rejects.toMatchObject({ code: 'HW_KEY_EXISTS', index: 3 })
    expect(await all(wheel.list({ queue }))).toHaveLength(300)
  })

  test('list: filters, limit, cursor, leaving early', async () => {
    const base = Date.now() + 86_400_000
    await wheel.scheduleMany(Array.from({ length: 12 }, (_, n) => ({ queue, at: base + n, payload: n })))
    const payloads = async (input: object): Promise<unknown[]> =>
      (await all(wheel.list({ queue, ...input }))).map(({ payload }) => payload)
    expect(await payloads({ from: base + 3, to: new Date(base + 5) })).toEqual([3, 4, 5])
    expect(await payloads({ limit: 2 })).toEqual([0, 1])
    expect(await payloads({ limit: 0 })).toEqual([])
    expect(await payloads({ state: 'dead' })).toEqual([])
    const seen = []
    let cursor: string | undefined
    for await (const task of wheel.list({ queue })) {
      seen.push(task.payload)
      cursor = task.cursor
      if (seen.length === 7) break
    }
    expect(await payloads({ cursor })).toEqual([7, 8, 9, 10, 11])
  })

  test('leases: ack with a successor, nack, extend, and what older tokens are answered', async () => {
    await wheel.scheduleMany(
      [1, 2, 3].map((payload) => ({ queue, at: Date.now() - 10 + payload, payload, headers: { n: `${payload}` } })),
    )
    const leased = await wheel.lease(queue, { max: 10, lease: '20s', wait: '20s' })
    expect(leased.map(({ payload }) => payload)).toEqual([1, 2, 3])
    expect(leased[0]).toMatchObject({
      queue,
      headers: { n: '1' },
      attempt: 1,
      leaseMs: 20_000,
      fence: expect.any(Number),
    })
    expect(leased[0]!.lateMs).toBeGreaterThanOrEqual(0)
    const [first, second, third] = leased.map(({ token }) => token) as [string, string, string]
    const next: TaskInput = { queue, at: new Date(Date.now() + 86_400_000), payload: Uint8Array.of(9), key: 'next' }
    expect(await wheel.ack(first, { next })).toEqual({ outcome: 'acked' })
    expect(await wheel.ack(first, { next })).toEqual({ outcome: 'ended' })
    expect(await wheel.get({ queue, key: 'next' })).toMatchObject({ payload: Uint8Array.of(9), state: 'pending' })
    expect(await wheel.extend(second, '1m')).toEqual({ outcome: 'extended' })
    const retryAt = Date.now() + 7_200_000
    expect(await wheel.nack(second, { retryAt: new Date(retryAt), error: 'later' })).toEqual({ outcome: 'nacked' })
    expect(await wheel.get(leased[1]!.id)).toMatchObject({ state: 'pending', attempt: 1, lastError: 'later' })
    expect(await wheel.nack(second)).toEqual({ outcome: 'stale' })
    expect(await wheel.extend(second, '1m')).toEqual({ outcome: 'stale' })
    expect(await wheel.nack(third, { dead: true, error: 'no use' })).toEqual({ outcome: 'nacked' })
    expect(await wheel.get(leased[2]!.id)).toMatchObject({
      state: 'dead',
      reason: 'asked',
      error: 'no use',
      diedAt: expect.any(Number),
    })
    expect(await wheel.ack(third)).toEqual({ outcome: 'ended' })
  })

  test('ackMany answers in order; a lease waits, and whoever gives up gets nothing', async () => {
    const waiting = wheel.lease(queue, { max: 5, wait: '30s' })
    await wheel.schedule({ queue, delay: 1 })
    const [one] = await waiting
    const unknown = `${one!.token.slice(0, 14)}.1`
    expect(await wheel.ackMany([{ token: unknown }, { token: one!.token }, { token: one!.token }])).toEqual([
      { outcome: 'stale' },
      { outcome: 'acked' },
      { outcome: 'ended' },
    ])
    const giving = new AbortController()
    const given = wheel.lease(queue, { wait: '30s', signal: giving.signal })
    setTimeout(() => giving.abort(), 20)
    expect(await given).toEqual([])
    await wheel.schedule({ queue, delay: 1 })
    const [next] = await wheel.lease(queue, { wait: '30s' })
    expect(next?.attempt).toBe(1)
    await wheel.ack(next!.token)
    const aborted = AbortSignal.abort()
    expect(await wheel.lease(queue, { wait: '30s', signal: aborted })).toEqual([])
  })

  test('handle: what a handler says is what becomes of the task', async () => {
    const runs: unknown[] = []
    const { stop } = await wheel.handle(
      queue,
      async (task, context) => {
        runs.push([task.payload, context.attempt])
        if (task.payload === 'fails' && context.attempt === 1) throw new Error('once')
        if (task.payload === 'retries' && context.attempt === 1) throw context.retry({ delay: 5 })
        if (task.payload === 'dies') throw context.deadLetter('no use')
        if (task.payload === 'follows') context.scheduleNext({ queue, delay: 1, payload: 'followed' })
      },
      { concurrency: 10, timeout: '60s' },
    )
    await expect(wheel.handle(queue, () => 1)).rejects.toMatchObject({ code: 'HW_HANDLER_EXISTS' })
    const retry = { backoff: 'fixed', delay: 5, attempts: 2 } as const
    const names = ['fails', 'retries', 'dies', 'follows']
    const receipts = await wheel.scheduleMany(names.map((payload) => ({ queue, delay: 1, payload, retry })))
    await until(async () => {
      const { succeeded, dead } = (await wheel.stats()).queues[queue]!
      return succeeded === 4 && dead === 1
    })
    await stop()
    expect(runs.map((run) => JSON.stringify(run)).toSorted()).toEqual([
      '["dies",1]',
      '["fails",1]',
      '["fails",2]',
      '["followed",1]',
      '["follows",1]',
      '["retries",1]',
      '["retries",2]',
    ])
    expect(await wheel.get(receipts[2]!.id)).toMatchObject({ state: 'dead', reason: 'asked', error: 'no use' })
    // Stopped: nothing takes tasks any more.
    const { id } = await wheel.schedule({ queue, delay: 0 })
    await until(async () => (await wheel.stats()).queues[queue]!.due === 1)
    expect(await wheel.get(id)).toMatchObject({ state: 'pending' })
  })

  test('handle: an attempt past its time-out is told, and has failed', async () => {
    let told: unknown
    const { stop } = await wheel.handle(
      queue,
      async (_task, { signal }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        told = signal.reason
      },
      { timeout: '200ms' },
    )
    const { id } = await wheel.schedule({ queue, delay: 0, retry: { attempts: 1 } })
    await until(async () => told !== undefined && (await wheel.stats()).queues[queue]!.dead === 1)
    expect(String(told)).toContain('200 ms')
    expect(await wheel.get(id)).toMatchObject({ state: 'dead', reason: 'attempts', attempt: 1 })
    await stop()
  })

  test('dead letters: list, redrive, purge, by id, key and filter', async () => {
    for (const key of ['a', 'b', 'c']) {
      await wheel.schedule({ queue, delay: 0, key, payload: key })
      const [leased] = await wheel.lease(queue, { wait: '20s' })
      await wheel.nack(leased!.token, { dead: true, error: key })
    }
    const letters = await all(wheel.deadLetters.list({ queue }))
    expect(letters.map(({ payload, error, reason }) => `${String(payload)} ${error} ${reason}`).toSorted()).toEqual([
      'a a asked',
      'b b asked',
      'c c asked',
    ])
    expect(await all(wheel.deadLetters.list({ queue, limit: 2 }))).toHaveLength(2)
    expect(await wheel.deadLetters.redrive({ queue, key: 'a' })).toEqual({ redriven: 1 })
    expect(await wheel.deadLetters.redrive({ queue, key: 'a' })).toEqual({ redriven: 0 })
    const b = letters.find(({ payload }) => payload === 'b')!
    expect(await wheel.deadLetters.purge(b.id)).toEqual({ purged: 1 })
    expect(await wheel.get(b.id)).toEqual({ state: 'ended', how: 'other' })
    expect(await wheel.deadLetters.purge({ queue })).toEqual({ purged: 1 })
    expect(await all(wheel.deadLetters.list())).toEqual(
      (await all(wheel.deadLetters.list())).filter((letter) => letter.queue !== queue),
    )
  })

  test('pause, resume, stats, calendar', async () => {
    await wheel.pause(queue)
    const hour = Math.floor(Date.now() / 3_600_000) * 3_600_000 + 48 * 3_600_000
    await wheel.scheduleMany([
      { queue, delay: 0 },
      { queue, at: hour + 5 },
    ])
    expect(await wheel.lease(queue)).toEqual([])
    expect((await wheel.stats()).queues[queue]).toMatchObject({ paused: true, accepted: 2, pending: 2 })
    await wheel.resume(queue)
    expect(await wheel.lease(queue, { wait: '20s' })).toHaveLength(1)
    expect(await wheel.stats()).toMatchObject({
      conservation: 0,
      healthy: true,
      total: { accepted: expect.any(Number) },
    })
    const hours = await wheel.calendar({ from: hour, to: new Date(hour + 3_600_000) })
    expect(hours).toEqual([{ hour, pending: expect.any(Number) }])
  })

  const task = (fields: object): TaskInput => ({ queue: 'bad', delay: 1, ...fields })
  const id = '0'.repeat(14)
  const token = `${id}.1`
  const calls: [string, (on: Hourwheel) => unknown, string][] = [
    ['no task', (on) => on.schedule(null as never), 'HW_INVALID_OPTIONS'],
    ['an unknown field', (on) => on.schedule(task({ dealy: 1 })), 'HW_UNKNOWN_FIELD'],
    ['a bad queue', (on) => on.schedule(task({ queue: '../x' })), 'HW_INVALID_QUEUE'],
    ['no time', (on) => on.schedule({ queue: 'bad' }), 'HW_INVALID_TIME'],
    ['seconds', (on) => on.schedule({ queue: 'bad', at: 1_800_000_000 }), 'HW_TIME_LOOKS_LIKE_SECONDS'],
    ['the year 2100', (on) => on.schedule({ queue: 'bad', at: '2100-01-01T00:00Z' }), 'HW_TIME_OUT_OF_RANGE'],
    ['a negative delay', (on) => on.schedule(task({ delay: -1 })), 'HW_INVALID_DURATION'],
    ['a bad payload', (on) => on.schedule(task({ payload: { at: new Date() } })), 'HW_INVALID_PAYLOAD'],
    ['a payload that is too large', (on) => on.schedule(task({ payload: 'x'.repeat(65_535) })), 'HW_PAYLOAD_TOO_LARGE'],
    ['a huge payload', (on) => on.schedule(task({ payload: new Uint8Array(2 << 20) })), 'HW_PAYLOAD_TOO_LARGE'],
    ['bad headers', (on) => on.schedule(task({ headers: { a: 1 } })), 'HW_INVALID_HEADERS'],
    ['a bad retry', (on) => on.schedule(task({ retry: { attempts: 0 } })), 'HW_INVALID_RETRY'],
    ['a bad time-out', (on) => on.schedule(task({ timeout: 1 })), 'HW_INVALID_OPTIONS'],
    ['a bad key', (on) => on.schedule(task({ key: '' })), 'HW_INVALID_KEY'],
    ['a bad mode', (on) => on.schedule(task({ key: 'k', onConflict: 'maybe' })), 'HW_INVALID_OPTIONS'],
    ['a batch that is none', (on) => on.scheduleMany({} as never), 'HW_INVALID_OPTIONS'],
    ['a batch of 10,001', (on) => on.scheduleMany(Array(10_001).fill(task({})) as never), 'HW_BATCH_TOO_LARGE'],
    [
      'a batch of 9 MiB',
      (on) => on.scheduleMany(Array(150).fill(task({ payload: 'x'.repeat(65_000) })) as never),
      'HW_BATCH_TOO_LARGE',
    ],
    ['no ref', (on) => on.get(3 as never), 'HW_INVALID_REF'],
    ['a bad id', (on) => on.cancel('nonsense'), 'HW_INVALID_REF'],
    ['an unknown field of a ref', (on) => on.get({ queue: 'a', kee: 'b' } as never), 'HW_UNKNOWN_FIELD'],
    ['two times', (on) => on.reschedule(id, { at: Date.now(), delay: 1 }), 'HW_INVALID_TIME'],
    ['an unknown filter', (on) => all(on.list({ quee: 'a' } as never)), 'HW_UNKNOWN_FIELD'],
    ['a bad state', (on) => all(on.list({ state: 'gone' as never })), 'HW_INVALID_OPTIONS'],
    ['a bad cursor', (on) => all(on.list({ cursor: 'x' })), 'HW_INVALID_OPTIONS'],
    ['no leases', (on) => on.lease('bad', { max: 0 }), 'HW_INVALID_OPTIONS'],
    ['a short lease', (on) => on.lease('bad', { lease: 1 }), 'HW_INVALID_DURATION'],
    ['a long wait', (on) => on.lease('bad', { wait: '1h' }), 'HW_INVALID_DURATION'],
    ['a bad token', (on) => on.ack('nonsense'), 'HW_INVALID_TOKEN'],
    ['a bad successor', (on) => on.ack(token, { next: { queue: 'bad' } }), 'HW_INVALID_TIME'],
    [
      'a successor that replaces',
      (on) => on.ack(token, { next: task({ key: 'k', onConflict: 'replace' }) }),
      'HW_INVALID_OPTIONS',
    ],
    ['two answers', (on) => on.nack(token, { delay: 1, dead: true }), 'HW_INVALID_OPTIONS'],
    ['no handler', (on) => on.handle('bad', 'x' as never), 'HW_HANDLER_INVALID'],
    ['no concurrency', (on) => on.handle('bad', () => 1, { concurrency: 0 }), 'HW_INVALID_OPTIONS'],
    ['an unknown dead letter filter', (on) => on.deadLetters.purge({ kueue: 'a' } as never), 'HW_UNKNOWN_FIELD'],
    ['a queue that cannot be', (on) => on.pause('/'), 'HW_INVALID_QUEUE'],
  ]

  test.each(calls)('refused, with the same code: %s', async (_what, call, code) => {
    let refusal: unknown
    try {
      await call(wheel)
    } catch (error) {
      refusal = error
    }
    expect(refusal).toBeInstanceOf(HourwheelError)
    expect(refusal).toMatchObject({ code, outcome: 'not done' })
  })

  test('closed: running handlers end, then nothing is done any more', async () => {
    const mine = await open()
    try {
      let started = false
      let ended = false
      await mine.wheel.handle('q', async () => {
        started = true
        await new Promise((resolve) => setTimeout(resolve, 50))
        ended = true
      })
      await mine.wheel.schedule({ queue: 'q', delay: 0 })
      await until(() => started)
      await mine.wheel.close()
      expect(ended).toBe(true)
      await mine.wheel.close()
      expect(await mine.wheel.closed).toEqual({ reason: 'closed' })
      await expect(mine.wheel.schedule({ queue: 'q', delay: 0 })).rejects.toMatchObject({ code: 'HW_CLOSED' })
      await expect(mine.wheel.get(id)).rejects.toMatchObject({ code: 'HW_CLOSED' })
      await expect(all(mine.wheel.list())).rejects.toMatchObject({ code: 'HW_CLOSED' })
    } finally {
      await mine.close()
    }
  })
})

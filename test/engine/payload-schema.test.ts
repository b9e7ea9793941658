import { afterEach, describe, expect, test } from 'vitest'
import type { EngineOptions } from '../../src/model/engine.ts'
import { openTestEngine, type TestEngine } from '../../src/testing.ts'
import { countSchema, emailSchema, schemaOf, slowEmailSchema } from '../types/schemas.ts'

let t: TestEngine
const open = async (queues: EngineOptions['queues']): Promise<TestEngine> => (t = await openTestEngine({ queues }))
afterEach(() => t.close())

const wrong = { to: 7, copies: 'two', cc: ['a', 3] }
const refusal = {
  code: 'HW_INVALID_PAYLOAD',
  outcome: 'not done',
  message: expect.stringContaining('payload.to: must be text; payload.copies: must be a number') as string,
  details: { queue: 'email', path: 'payload.to', paths: 'payload.to, payload.copies, payload.cc[1]', issues: 3 },
}

async function counted(t: TestEngine): Promise<number> {
  return (await t.stats()).total.accepted
}

describe.each([
  ['at once', emailSchema],
  ['with a promise', slowEmailSchema],
])('a schema that answers %s', (_how, payload) => {
  test('its output is what is stored and what the handler sees', async () => {
    const t = await open({ email: { payload } })
    const seen: unknown[] = []
    await t.handle('email', (task) => void seen.push(task.payload))
    const { id } = await t.schedule({ queue: 'email', delay: '1h', payload: { to: 'ada', unknown: 1 } })
    expect(await t.get(id)).toMatchObject({ payload: { to: 'ada', copies: 1 } })
    await t.advanceBy('2h')
    expect(seen).toEqual([{ to: 'ada', copies: 1 }])
  })

  test('what does not fit is refused with the paths, and nothing is accepted', async () => {
    const t = await open({ email: { payload } })
    await expect(t.schedule({ queue: 'email', delay: 1, payload: wrong })).rejects.toMatchObject(refusal)
    await expect(t.schedule({ queue: 'email', delay: 1 })).rejects.toMatchObject({ code: 'HW_INVALID_PAYLOAD' })
    const batch = [
      { queue: 'email', delay: 1, payload: { to: 'ada' } },
      { queue: 'email', delay: 1, payload: wrong },
    ]
    await expect(t.scheduleMany(batch)).rejects.toMatchObject({ code: 'HW_INVALID_PAYLOAD', index: 1 })
    expect(await counted(t)).toBe(0)
    expect(await t.scheduleMany([batch[0]!, { queue: 'other', delay: 1, payload: wrong }])).toHaveLength(2)
  })

  test('a task that is wrong otherwise is refused too, without a trace', async () => {
    const t = await open({ email: { payload } })
    const task = { queue: 'email', delay: 1, at: 2, payload: { to: 'ada' } }
    await expect(t.schedule(task)).rejects.toMatchObject({ code: 'HW_INVALID_TIME' })
    await expect(t.scheduleMany([task])).rejects.toMatchObject({ code: 'HW_INVALID_TIME', index: 0 })
    for (const none of [null, undefined, 7, 'task']) {
      await expect(t.schedule(none as never)).rejects.toMatchObject({ code: 'HW_INVALID_OPTIONS' })
    }
    expect(await counted(t)).toBe(0)
  })
})

test('an engine closed while a schema thinks accepts nothing', async () => {
  const t = await open({ email: { payload: slowEmailSchema } })
  const late = t.schedule({ queue: 'email', delay: 1, payload: { to: 'ada' } })
  const closing = t.close()
  await expect(late).rejects.toMatchObject({ code: 'HW_CLOSED' })
  await closing
})

test('a schema may fill in a payload that is not there', async () => {
  const t = await open({ count: { payload: countSchema } })
  const { id } = await t.schedule({ queue: 'count', delay: 1 })
  expect(await t.get(id)).toMatchObject({ payload: 0 })
})

test('output that is no JSON data is refused where it is', async () => {
  const payload = schemaOf<string, Date>((value) => ({ value: new Date(String(value)) }))
  const t = await open({ dates: { payload } })
  const task = { queue: 'dates', delay: 1, payload: '2027-01-01' }
  await expect(t.schedule(task)).rejects.toMatchObject({ code: 'HW_INVALID_PAYLOAD', details: { path: 'payload' } })
})

test('a schema that throws or rejects is told apart from a payload that is wrong', async () => {
  const cause = new Error('no connection')
  const throwing = schemaOf(() => {
    throw cause
  })
  const t = await open({ throws: { payload: throwing }, rejects: { payload: schemaOf(() => Promise.reject(cause)) } })
  for (const queue of ['throws', 'rejects']) {
    const error = {
      code: 'HW_INVALID_PAYLOAD',
      message: expect.stringContaining('threw: no connection') as string,
      cause,
    }
    await expect(t.schedule({ queue, delay: 1, payload: 1 })).rejects.toMatchObject(error)
  }
})

test('many issues are counted, some are told', async () => {
  const issues = Array.from({ length: 9 }, (_, index) => ({ message: `wrong ${index}` }))
  const t = await open({ x: { payload: schemaOf(() => ({ issues })) } })
  const scheduling = t.schedule({ queue: 'x', delay: 1, payload: 1 })
  await expect(scheduling).rejects.toThrow(/wrong 4; and 4 more$/)
  await expect(scheduling).rejects.toMatchObject({ details: { issues: 9 }, cause: issues })
})

test('a successor is validated at once, and a schema that makes a promise is refused there', async () => {
  const t = await open({ email: { payload: emailSchema }, slow: { payload: slowEmailSchema } })
  const errors: unknown[] = []
  await t.handle('start', (_task, context) => {
    for (const queue of ['email', 'slow']) {
      try {
        context.scheduleNext({ queue, delay: 1, payload: { to: 7 } })
      } catch (error) {
        errors.push(error)
      }
    }
    context.scheduleNext({ queue: 'email', delay: '1h', payload: { to: 'ada' } })
  })
  await t.schedule({ queue: 'start', delay: 0 })
  await t.advanceBy(1)
  expect(errors).toMatchObject([
    { code: 'HW_INVALID_PAYLOAD', details: { path: 'payload.to' } },
    { code: 'HW_INVALID_PAYLOAD', message: expect.stringContaining('validates asynchronously') as string },
  ])
  const payloads: unknown[] = []
  for await (const { payload } of t.list({ queue: 'email' })) payloads.push(payload)
  expect(payloads).toEqual([{ to: 'ada', copies: 1 }])
})

test.each([emailSchema, slowEmailSchema])('the successor given with ack is validated too', async (payload) => {
  const t = await open({ email: { payload } })
  await t.schedule({ queue: 'pulled', delay: 0 })
  const [leased] = await t.lease('pulled', { max: 1 })
  const next = { queue: 'email', delay: '1h', payload: wrong }
  await expect(t.ack(leased!.token, { next })).rejects.toMatchObject(refusal)
  expect(await t.ack(leased!.token, { next: { ...next, payload: { to: 'ada' } } })).toEqual({ outcome: 'acked' })
  const payloads: unknown[] = []
  for await (const task of t.list()) payloads.push(task.payload)
  expect(payloads).toEqual([{ to: 'ada', copies: 1 }])
})

test('schemas that are functions are schemas', async () => {
  const schema = Object.assign(() => undefined, emailSchema)
  const t = await open({ email: { payload: schema } })
  await expect(t.schedule({ queue: 'email', delay: 1, payload: wrong })).rejects.toMatchObject(refusal)
})

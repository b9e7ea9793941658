/** What the compiler says of typed queues; this file is checked with the others, and run for the rest. */

import { describe, expect, expectTypeOf, test } from 'vitest'
import type {
  AttemptContext,
  Engine,
  Handler,
  Hourwheel,
  openEngine,
  QueueMap,
  Task,
  TaskInput,
  TaskOf,
} from '../../src/index.ts'
import { openTestEngine, type TestEngine } from '../../src/testing.ts'
import { countSchema, emailSchema } from './schemas.ts'

const queues = {
  email: { payload: emailSchema, retry: { attempts: 3, backoff: 'fixed' } },
  count: { payload: countSchema },
  plain: { timeout: '30s' },
} as const satisfies QueueMap

type Email = { to: string; copies: number }

describe('inferred from the queues given at open', () => {
  test('openEngine and openTestEngine', async () => {
    const t = await openTestEngine({ queues: { email: { payload: emailSchema, retry: { backoff: 'fixed' } } } })
    await t.handle('email', (task, context) => {
      expectTypeOf(task).toEqualTypeOf<Task<Email>>()
      // @ts-expect-error copies is a number
      context.scheduleNext({ queue: 'email', delay: '1h', payload: { to: 'ada', copies: 'two' } })
    })
    await t.close()
    expectTypeOf<typeof openEngine<typeof queues>>().returns.resolves.toEqualTypeOf<Engine<typeof queues>>()
  })

  test('unknown fields of a queue are refused, by the compiler too', async () => {
    // @ts-expect-error there is no such field
    const opening = openTestEngine({ queues: { email: { payload: emailSchema, timeuot: '3s' } } })
    await expect(opening).rejects.toMatchObject({ code: 'HW_UNKNOWN_FIELD' })
  })

  test('what is no schema is refused, by the compiler too', async () => {
    // @ts-expect-error a schema has `~standard`
    const opening = openTestEngine({ queues: { email: { payload: { type: 'object' } } } })
    await expect(opening).rejects.toMatchObject({ code: 'HW_INVALID_OPTIONS' })
  })
})

test('schedule takes the input of the schema, and anything for other queues', () => {
  const typed = (engine: Engine<typeof queues>, name: string, task: TaskInput): unknown[] => [
    engine.schedule({ queue: 'email', delay: 1, payload: { to: 'ada' } }),
    engine.schedule({ queue: 'email', at: new Date(), payload: { to: 'ada', copies: 2 }, headers: { a: 'b' } }),
    engine.schedule({ queue: 'count', delay: 1 }),
    engine.schedule({ queue: 'plain', delay: 1, payload: ['anything'] }),
    engine.schedule({ queue: 'elsewhere', delay: 1, payload: ['anything'] }),
    engine.schedule({ queue: name, delay: 1, payload: ['anything'] }),
    engine.schedule(task),
    // @ts-expect-error to is text
    engine.schedule({ queue: 'email', delay: 1, payload: { to: 1 } }),
    // @ts-expect-error there must be a payload
    engine.schedule({ queue: 'email', delay: 1 }),
    // @ts-expect-error not a number
    engine.schedule({ queue: 'count', delay: 1, payload: 'one' }),
    // @ts-expect-error there is no such field
    engine.schedule({ queue: 'email', delay: 1, payload: { to: 'ada' }, attempt: 2 }),
    // @ts-expect-error there must be a queue
    engine.schedule({ delay: 1, payload: { to: 'ada' } }),
  ]
  expectTypeOf(typed).returns.toEqualTypeOf<unknown[]>()
})

test('scheduleMany types each task by its own queue', () => {
  const typed = (engine: Engine<typeof queues>, names: string[], tasks: TaskInput[]): unknown[] => [
    engine.scheduleMany([
      { queue: 'email', delay: 1, payload: { to: 'ada' } },
      { queue: 'count', delay: 1, payload: 2 },
      { queue: 'elsewhere', delay: 1, payload: ['anything'] },
    ]),
    engine.scheduleMany(names.map((to) => ({ queue: 'email' as const, delay: 1, payload: { to } }))),
    engine.scheduleMany(names.map((to) => ({ queue: 'elsewhere', delay: 1, payload: to }))),
    engine.scheduleMany(tasks),
    engine.scheduleMany([
      { queue: 'email', delay: 1, payload: { to: 'ada' } },
      // @ts-expect-error not a number
      { queue: 'count', delay: 1, payload: 'two' },
    ]),
    // @ts-expect-error to is text
    engine.scheduleMany(names.map((to) => ({ queue: 'email' as const, delay: 1, payload: { to: to.length } }))),
  ]
  expectTypeOf(typed).returns.toEqualTypeOf<unknown[]>()
})

test('handlers see the output of the schema, and unknown for other queues', () => {
  const typed = (engine: Engine<typeof queues>, name: string): unknown[] => [
    engine.handle('email', (task) => expectTypeOf(task.payload).toEqualTypeOf<Email>()),
    engine.handle('email', async ({ payload }) => Promise.resolve(payload.copies + 1)),
    engine.handle('count', (task) => expectTypeOf(task.payload).toEqualTypeOf<number>()),
    engine.handle('plain', (task) => expectTypeOf(task.payload).toEqualTypeOf<unknown>()),
    engine.handle('elsewhere', (task) => expectTypeOf(task.payload).toEqualTypeOf<unknown>()),
    engine.handle(name, (task) => expectTypeOf(task.payload).toEqualTypeOf<unknown>()),
  ]
  expectTypeOf(typed).returns.toEqualTypeOf<unknown[]>()
  const send: Handler<Email, typeof queues> = (task, context) => {
    expectTypeOf(context).toEqualTypeOf<AttemptContext<typeof queues>>()
    context.scheduleNext({ queue: 'count', delay: '1d', payload: task.payload.copies })
    // @ts-expect-error not a number
    context.scheduleNext({ queue: 'count', delay: '1d', payload: task.payload.to })
  }
  const withHandler = (engine: Engine<typeof queues>): unknown => engine.handle('email', send)
  expectTypeOf(withHandler).toBeFunction()
})

test('leased tasks have the output of the schema, successors given with ack its input', () => {
  const typed = async (engine: Hourwheel<typeof queues>): Promise<void> => {
    const [email] = await engine.lease('email', { max: 10 })
    expectTypeOf(email!.payload).toEqualTypeOf<Email>()
    expectTypeOf((await engine.lease('elsewhere'))[0]!.payload).toEqualTypeOf<unknown>()
    await engine.ack(email!.token, { next: { queue: 'count', delay: '1d', payload: 1 } })
    // @ts-expect-error not a number
    await engine.ack(email!.token, { next: { queue: 'count', delay: '1d', payload: 'one' } })
    await engine.ack(email!.token)
  }
  expectTypeOf(typed).toBeFunction()
})

test('code that does not know the queues takes every engine', () => {
  const remind = async (engine: Hourwheel, to: string): Promise<void> => {
    await engine.schedule({ queue: 'email', delay: '1d', payload: { to } })
  }
  const listen = (engine: Engine): void => void engine.on('fired', () => undefined)
  const typed = (engine: Engine<typeof queues>, t: TestEngine<typeof queues>): unknown[] => [
    remind(engine, 'ada'),
    remind(t, 'ada'),
    listen(engine),
    listen(t),
  ]
  expectTypeOf(typed).toBeFunction()
  const known = (engine: Hourwheel<typeof queues>): void => void engine
  const testable = (t: TestEngine<typeof queues>, engine: Engine<typeof queues>): void => (known(t), known(engine))
  expectTypeOf(testable).toBeFunction()
  expectTypeOf<TaskOf<typeof queues, 'email'>['payload']>().toEqualTypeOf<{ to: string; copies?: number }>()
})

test('an engine opened without queues is untyped', () => {
  const untyped = (engine: Engine): unknown[] => [
    engine.schedule({ queue: 'email', delay: 1, payload: 3 }),
    engine.handle('email', (task) => expectTypeOf(task.payload).toEqualTypeOf<unknown>()),
  ]
  expectTypeOf(untyped).toBeFunction()
  expectTypeOf<typeof openEngine>().toBeFunction()
})

/** What the compiler says of a client with typed queues; this file is checked with the others, and run for the rest. */

import { expect, expectTypeOf, test } from 'vitest'
import { connect, type Client, type Hourwheel } from '../../dist/client.js'
import type { Engine, LeasedTask, QueueMap, Task } from '../../dist/index.js'
import { emailSchema } from '../types/schemas.ts'

const queues = { email: { payload: emailSchema }, plain: {} } as const satisfies QueueMap

test('payloads are typed by the queues that the daemon has', async () => {
  const wheel = connect<typeof queues>({ socket: '/nowhere' })
  expectTypeOf(wheel).toExtend<Hourwheel<typeof queues>>()
  expectTypeOf<Client>().toExtend<Hourwheel>()
  // Whoever takes either need not know which it is.
  const either = (on: Hourwheel): Hourwheel => on
  expectTypeOf(either).toBeCallableWith({} as Engine)
  expectTypeOf(either).toBeCallableWith(wheel)
  const calls = (): unknown[] => [
    wheel.schedule({ queue: 'email', delay: 1, payload: { to: 'ada' } }),
    // @ts-expect-error to is text
    wheel.schedule({ queue: 'email', delay: 1, payload: { to: 3 } }),
    // @ts-expect-error a payload must be given
    wheel.schedule({ queue: 'email', delay: 1 }),
    wheel.schedule({ queue: 'plain', delay: 1, payload: ['anything'] }),
    wheel.handle('email', (task) => expectTypeOf(task).toEqualTypeOf<Task<{ to: string; copies: number }>>()),
  ]
  expect(calls).toBeTypeOf('function')
  expectTypeOf(() => wheel.lease('email')).returns.resolves.toEqualTypeOf<
    LeasedTask<{ to: string; copies: number }>[]
  >()
  await wheel.close()
})

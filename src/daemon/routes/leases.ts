/**
 * Routes of pulling consumers: lease with long poll, ack, nack, extend. A client that goes away while it waits gets no task; leases
 * whose answer could not be delivered are given back at once.
 */

import { giveBackLeases } from '../../engine/for-daemons.ts'
import type { Engine } from '../../model/engine.ts'
import { refuse } from '../../model/errors.ts'
import type { LateAnswer, TaskInput } from '../../model/hourwheel.ts'
import { taskFromWire, toWire, type WireTask } from '../../protocol/wire.ts'
import { answered, json, problem, type Call, type Handled, type Reply, type RouteHandler } from '../http/call.ts'
import { validBody } from '../http/validate.ts'
import { missing, queueOf } from './tasks.ts'
import { noticeGone, whenUndelivered } from './undelivered.ts'

export type LeaseRoutes = 'lease' | 'ack' | 'ackMany' | 'nack' | 'extend'

/** `ending` is aborted when the daemon goes down: nobody shall wait for tasks then. */
export function leaseRoutes(engine: Engine, ending: AbortSignal): Readonly<Record<LeaseRoutes, RouteHandler>> {
  return {
    lease: (call) => lease(engine, ending, call),
    ack: async ({ body }) => {
      const { token, next } = validBody('ackRequest', body)
      return answerOf(await engine.ack(token, nextOf(next)))
    },
    ackMany: async ({ body }) => {
      const { answers } = validBody('ackManyRequest', body)
      return json({ answers: await engine.ackMany(answers.map(({ token, next }) => ({ token, ...nextOf(next) }))) })
    },
    nack: async ({ body }) => {
      const { token, ...input } = validBody('nackRequest', body)
      return answerOf(await engine.nack(token, input))
    },
    extend: async ({ body }) => {
      const { token, lease: leaseFor } = validBody('extendRequest', body)
      return answerOf(await engine.extend(token, leaseFor))
    },
  }
}

async function lease(engine: Engine, ending: AbortSignal, call: Call): Promise<Handled> {
  const input = validBody('leaseRequest', call.body)
  const { response } = call
  const gone = new AbortController()
  const end = (): void => gone.abort()
  response.on('close', end)
  ending.addEventListener('abort', end)
  try {
    if (ending.aborted || response.destroyed) end()
    const tasks = await engine.lease(queueOf(call), { ...input, signal: gone.signal })
    if (tasks.length > 0) {
      await noticeGone()
      whenUndelivered(response, () =>
        giveBackLeases(
          engine,
          tasks.map(({ token }) => token),
        ),
      )
    }
    return response.destroyed ? answered : json({ tasks: tasks.map(toWire) })
  } finally {
    ending.removeEventListener('abort', end)
    response.off('close', end)
  }
}

function nextOf(next: WireTask | undefined): { next?: TaskInput } {
  return next === undefined ? {} : { next: taskFromWire(next) }
}

function answerOf(answer: { readonly outcome: 'acked' | 'nacked' | 'extended' } | LateAnswer): Reply {
  switch (answer.outcome) {
    case 'missing':
      return missing({ outcome: 'missing' })
    case 'stale':
      return problem(refuse('HW_TASK_STATE', 'the lease is over, and may be with another; nothing was done'), {
        answer,
      })
    case 'ended':
      return problem(refuse('HW_TASK_STATE', 'the task has ended already; nothing was done'), { answer })
    default:
      return json(answer)
  }
}

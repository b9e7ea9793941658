/** Routes of queues: statistics, durable settings, pause and resume. */

import type { Engine } from '../../model/engine.ts'
import { refuse } from '../../model/errors.ts'
import { checkQueueName } from '../../model/names.ts'
import { json, type Call, type RouteHandler } from '../http/call.ts'
import { validBody } from '../http/validate.ts'
import type { QueueSettingsFile } from '../queue-settings.ts'
import { noQuery, queueOf } from './tasks.ts'

export type QueueRoutes = 'queues' | 'queue' | 'getSettings' | 'putSettings' | 'pause' | 'resume'

export function queueRoutes(engine: Engine, settings: QueueSettingsFile): Readonly<Record<QueueRoutes, RouteHandler>> {
  return {
    queues: async (call) => {
      noQuery(call)
      const { queues } = await engine.stats()
      const all = Object.entries(queues).map(([queue, stats]) => ({ queue, stats, settings: settings.view(queue) }))
      return json({ queues: all })
    },
    queue: async (call) => {
      noQuery(call)
      const queue = checkQueueName(queueOf(call))
      const stats = (await engine.stats()).queues[queue]
      if (stats === undefined)
        throw refuse('HW_NOT_FOUND', `there is no queue '${queue}': nothing was ever scheduled in it`)
      return json({ queue, stats, settings: settings.view(queue) })
    },
    getSettings: async (call) => {
      noQuery(call)
      return json(settings.view(queueOf(call)))
    },
    putSettings: async (call) => json(await settings.set(queueOf(call), validBody('settings', call.body))),
    pause: (call) => setPaused(engine, call, true),
    resume: (call) => setPaused(engine, call, false),
  }
}

async function setPaused(engine: Engine, call: Call, paused: boolean): Promise<ReturnType<typeof json>> {
  validBody('empty', call.body)
  const queue = queueOf(call)
  await (paused ? engine.pause(queue) : engine.resume(queue))
  return json({ queue, paused })
}

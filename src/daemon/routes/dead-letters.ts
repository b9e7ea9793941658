/** Routes of dead letters: list, redrive, purge. */

import type { Engine } from '../../model/engine.ts'
import { refuse } from '../../model/errors.ts'
import type { DeadFilter, TaskRef } from '../../model/hourwheel.ts'
import { toWire } from '../../protocol/wire.ts'
import { json, queryOf, type Call, type Reply, type RouteHandler } from '../http/call.ts'
import { valid, validBody } from '../http/validate.ts'
import { pageLimit } from './tasks.ts'

export type DeadRoutes = 'listDead' | 'redrive' | 'purge'

const pageBytesMax = 1 << 20

export function deadLetterRoutes(engine: Engine): Readonly<Record<DeadRoutes, RouteHandler>> {
  return {
    listDead: (call) => listDead(engine, call),
    redrive: async ({ body }) => json(await engine.deadLetters.redrive(targetOf(body))),
    purge: async ({ body }) => json(await engine.deadLetters.purge(targetOf(body))),
  }
}

/** All of them only when that is said: an empty body must not purge everything. */
function targetOf(body: Buffer): TaskRef | DeadFilter {
  const { id, queue, key, all } = validBody('deadTarget', body)
  const given = [id, queue, all].filter((one) => one !== undefined).length
  if (given !== 1 || (key !== undefined && queue === undefined)) {
    throw refuse('HW_INVALID_REQUEST', 'say which: one of {"id"}, {"queue", "key"}, {"queue"} and {"all": true}')
  }
  if (id !== undefined) return id
  if (queue === undefined) return {}
  return key === undefined ? { queue } : { queue, key }
}

async function listDead(engine: Engine, call: Call): Promise<Reply> {
  const query = valid('listDeadQuery', queryOf(call.query), 'the query')
  const { limit, ...rest } = query
  const count = pageLimit(limit)
  const parts: string[] = []
  let bytes = 0
  let last: string | undefined
  let more = false
  for await (const task of engine.list({ ...rest, state: 'dead', limit: count + 1 })) {
    more = parts.length === count || bytes >= pageBytesMax
    if (more) break
    last = task.cursor
    // With why and when it died; it may have been redriven since.
    const letter = await engine.get(task.id)
    if (letter?.state !== 'dead') continue
    const text = JSON.stringify(toWire(letter))
    bytes += text.length
    parts.push(text)
  }
  const cursor = more && last !== undefined ? `,"cursor":${JSON.stringify(last)}` : ''
  return { status: 200, body: `{"deadLetters":[${parts.join(',')}]${cursor}}` }
}

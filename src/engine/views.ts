/** From a task's bytes to what callers see. */

import type { DeadView, LiveState, TaskView } from '../model/hourwheel.ts'
import { packId } from '../model/ids.ts'
import { decodePayload } from '../model/payload.ts'
import { decodeRecord, readBody } from '../model/records.ts'
import { idText, type Core } from './core.ts'
import type { TaskBytes } from '../delivery/attempt-records.ts'

export function viewOf(core: Core, source: TaskBytes, state: LiveState): TaskView {
  const body = readBody(source.bytes, source.at)
  const extras = body.extras()
  return {
    id: idText(core, body.homeHour, body.ordinal),
    queue: core.tiers.queues[body.queue]!.name,
    key:
      extras.key !== undefined && core.keys.has(body.queue, extras.key, packId(body.homeHour, body.ordinal))
        ? extras.key
        : undefined,
    state,
    fireAt: body.fireAt,
    attempt: body.attempt,
    generation: body.generation,
    payload: decodePayload(body.payloadKind, body.payload),
    headers: extras.headers,
    expiresAt: extras.expiresAt,
    lastError: extras.lastError,
  }
}

export function deadViewOf(core: Core, source: TaskBytes): DeadView {
  const record = decodeRecord(source.bytes, source.at, readBody(source.bytes, source.at).end)
  if (record.kind !== 'dead') throw new Error(`a dead letter's record is of kind ${record.kind}`)
  const { reason, diedAt, error } = record
  return { ...viewOf(core, source, 'dead'), state: 'dead', reason, diedAt, error }
}

/** The dead letters: list, redrive (pending again, attempt 0, due at once), purge. */

import { checkDeadTarget, parseDeadFilter } from '../../model/call-inputs.ts'
import { encodeExtras } from '../../model/extras.ts'
import { refuse } from '../../model/errors.ts'
import type { DeadFilter, DeadLetters, DeadView, TaskRef } from '../../model/hourwheel.ts'
import { homeHourOf, ordinalOf } from '../../model/ids.ts'
import { readBody } from '../../model/records.ts'
import { parseTarget, whenDurable, whenRoom, type Core } from '../core.ts'
import { told } from '../lifecycle.ts'
import { deadViewOf } from '../views.ts'

export function deadLetters(core: Core): DeadLetters {
  return {
    list: (filter = {}) => listDead(core, filter),
    async redrive(target) {
      let redriven = 0
      let unnamed = 0
      for (const id of targets(core, target)) {
        const answer = await told(redriveOne(core, id))
        if (answer !== 'gone') redriven++
        if (answer === 'unnamed') unnamed++
      }
      return whenDurable(core, core.log.appendedLsn, unnamed === 0 ? { redriven } : { redriven, unnamed })
    },
    async purge(target) {
      let purged = 0
      for (const id of targets(core, target)) if (await told(purgeOne(core, id))) purged++
      return whenDurable(core, core.log.appendedLsn, { purged })
    },
  }
}

async function* listDead(
  core: Core,
  filter: DeadFilter & { limit?: number | undefined },
): AsyncGenerator<DeadView, void, undefined> {
  const { queue, limit } = parseDeadFilter(filter)
  let left = limit
  core.assertOpen()
  for (const id of deadIn(core, queue)) {
    if (left <= 0) return
    core.assertOpen()
    const source = await told(core.lookup.dead(id))
    if (source === undefined || source === 'damaged' || !core.ledger.dead.has(id)) continue
    left--
    yield await whenDurable(core, core.log.appendedLsn, deadViewOf(core, source))
  }
}

/** Ids of the dead letters that a ref or a filter names, in the order in which they died. */
function targets(core: Core, given: TaskRef | DeadFilter): number[] {
  core.assertOpen()
  const target = checkDeadTarget(given)
  if (typeof target !== 'string' && !('key' in target)) return deadIn(core, target.queue)
  const id = parseTarget(core, target)()
  return id === undefined || !core.ledger.dead.has(id) ? [] : [id]
}

/** Ids of the dead letters of a queue, or of all. */
function deadIn(core: Core, queueName: string | undefined): number[] {
  const { ledger } = core
  const queue = queueName === undefined ? undefined : ledger.queueByName.get(queueName)
  if (queueName !== undefined && queue === undefined) return []
  const ids: number[] = []
  for (const dead of ledger.dead.values()) if (queue === undefined || dead.queue === queue.number) ids.push(dead.id)
  return ids
}

/** A letter takes its key back unless a task that lives has it: 'unnamed' then. */
async function redriveOne(core: Core, id: number): Promise<'redriven' | 'unnamed' | 'gone'> {
  for (;;) {
    core.assertOpen()
    const source = await core.lookup.dead(id)
    const dead = core.ledger.dead.get(id)
    if (dead === undefined) return 'gone'
    if (source === 'damaged') {
      throw refuse('HW_CORRUPT', 'the dead letter lies in a damaged block; `verify` names the file')
    }
    if (source === undefined) continue
    const body = readBody(source.bytes, source.at)
    const extras = body.extras()
    const now = core.platform.clock.wallMs()
    const holder = extras.key === undefined ? undefined : core.keys.find(body.queue, extras.key)
    const isFree = holder === undefined || holder.id === id || holder.end !== undefined
    const key = isFree ? extras.key : undefined
    const lsn = core.recorder.nextVersion(-1, source, 'dead', dead.placeHour, {
      cause: 'redrive',
      fireAt: now,
      attempt: 0,
      generation: body.generation + 1,
      // A task redriven on purpose starts anew: neither its old deadline nor its first fire time binds it.
      extras: encodeExtras({ ...extras, key, expiresAt: undefined, firstFireAt: undefined }),
    })
    if (lsn === 0) {
      await whenRoom(core)
      continue
    }
    core.log.needSync()
    core.ticker.noticeFireAt(now)
    return key === extras.key ? 'redriven' : 'unnamed'
  }
}

async function purgeOne(core: Core, id: number): Promise<boolean> {
  for (;;) {
    const dead = core.ledger.dead.get(id)
    if (dead === undefined) return false
    if (core.recorder.purge(homeHourOf(id), ordinalOf(id), dead.queue) !== 0) {
      core.log.needSync()
      return true
    }
    await whenRoom(core)
  }
}

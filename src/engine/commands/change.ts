/**
 * cancel and reschedule. Both are linearizable: they are decided in one synchronous step together with their record, and
 * answered once everything they saw is on disk. A task that is only on disk is read first, then looked at again.
 */

import { parseReschedule } from '../../model/call-inputs.ts'
import { refuse } from '../../model/errors.ts'
import type { CancelAnswer, EndedHow, RescheduleAnswer, RescheduleInput } from '../../model/hourwheel.ts'
import { homeHourOf, ordinalOf } from '../../model/ids.ts'
import { readBody } from '../../model/records.ts'
import { idText, parseTarget, whenDurable, whenRoom, type Core, type Target } from '../core.ts'
import type { TaskBytes } from '../../delivery/attempt-records.ts'

type Ended = { readonly outcome: 'ended'; readonly how?: EndedHow | 'dead' | undefined }

/** What is left to say about a task that is neither pending nor leased; without an id, about none. */
function endedAnswer(core: Core, id: number | undefined): Promise<Ended | { outcome: 'missing' }> {
  const { ledger, log } = core
  const state = id === undefined ? 'missing' : ledger.stateOf(homeHourOf(id), ordinalOf(id))
  const answer: Ended | { outcome: 'missing' } =
    state === 'missing'
      ? { outcome: 'missing' }
      : { outcome: 'ended', how: state === 'dead' ? 'dead' : ledger.howEnded(homeHourOf(id!), ordinalOf(id!)) }
  return whenDurable(core, log.appendedLsn, answer)
}

/**
 * Calls `decide` with the bytes of the task that a ref names, if it is pending: again until what was read, and the ref, are
 * still true when it is called.
 */
export async function withPending<T>(
  core: Core,
  target: Target,
  decide: (id: number, row: number, source: TaskBytes) => Promise<T>,
  otherwise: (id: number | undefined) => Promise<T>,
): Promise<T> {
  for (;;) {
    core.assertOpen()
    const id = target()
    if (id === undefined || stateOf(core, id) !== 'pending') return otherwise(id)
    const row = core.tiers.rowOf(homeHourOf(id), ordinalOf(id))
    const near = row < 0 ? undefined : core.lookup.near(row)
    if (near !== undefined) return decide(id, row, near)
    const version = core.lookup.versionOf(id)
    const source = await core.lookup.live(id)
    if (source === 'damaged') {
      throw refuse('HW_CORRUPT', 'the task lies in a damaged block of a segment; `verify` names the file')
    }
    const unchanged = target() === id && stateOf(core, id) === 'pending' && core.lookup.versionOf(id) === version
    if (unchanged && source !== undefined) {
      return decide(id, core.tiers.rowOf(homeHourOf(id), ordinalOf(id)), source)
    }
  }
}

function stateOf(core: Core, id: number): ReturnType<Core['ledger']['stateOf']> {
  return core.ledger.stateOf(homeHourOf(id), ordinalOf(id))
}

export async function cancel(core: Core, ref: unknown): Promise<CancelAnswer> {
  core.assertOpen()
  const target = parseTarget(core, ref)
  for (;;) {
    const answer = await withPending<CancelAnswer | 'again'>(
      core,
      target,
      async (id, row, source) => {
        const body = readBody(source.bytes, source.at)
        const { homeHour, ordinal, queue, generation } = body
        const placeHour = core.lookup.placeHourOf(id)
        const lsn = core.recorder.finish('cancelled', 'pending', row, homeHour, ordinal, queue, placeHour, source)
        if (lsn === 0) {
          await whenRoom(core)
          return 'again'
        }
        const name = core.tiers.queues[queue]!.name
        core.events.emitDurable('cancelled', lsn, { id: idText(core, homeHour, ordinal), queue: name })
        return whenDurable(core, lsn, { outcome: 'cancelled', generation, lsn })
      },
      async (id) => {
        if (id === undefined || stateOf(core, id) !== 'leased') return endedAnswer(core, id)
        const row = core.tiers.rowOf(homeHourOf(id), ordinalOf(id))
        const lsn = core.recorder.stop(homeHourOf(id), ordinalOf(id), core.tiers.table.queue[row]!)
        if (lsn === 0) {
          await whenRoom(core)
          return 'again'
        }
        const attempt = core.dispatcher.abortLeased(row, new Error('the task was cancelled'))
        return whenDurable(core, lsn, { outcome: 'leased', attempt, lsn })
      },
    )
    if (answer !== 'again') return answer
  }
}

export async function reschedule(core: Core, ref: unknown, input: RescheduleInput): Promise<RescheduleAnswer> {
  core.assertOpen()
  const target = parseTarget(core, ref)
  const { fireAt, ifGeneration } = parseReschedule(input, core.platform.clock.wallMs())
  for (;;) {
    const answer = await withPending<RescheduleAnswer | 'again'>(
      core,
      target,
      async (id, row, source) => {
        const body = readBody(source.bytes, source.at)
        if (ifGeneration !== undefined && ifGeneration !== body.generation) {
          return whenDurable(core, core.log.appendedLsn, { outcome: 'changed', generation: body.generation })
        }
        const generation = body.generation + 1
        const leftHour = core.lookup.placeHourOf(id)
        const lsn = core.recorder.nextVersion(row, source, 'pending', leftHour, {
          cause: 'reschedule',
          fireAt,
          attempt: body.attempt,
          generation,
          extras: body.extrasBytes(),
        })
        if (lsn === 0) {
          await whenRoom(core)
          return 'again'
        }
        core.ticker.noticeFireAt(fireAt)
        return whenDurable(core, lsn, { outcome: 'rescheduled', fireAt, generation, lsn })
      },
      async (id) => {
        if (id === undefined || stateOf(core, id) !== 'leased') return endedAnswer(core, id)
        const near = core.lookup.near(core.tiers.rowOf(homeHourOf(id), ordinalOf(id)))!
        const attempt = readBody(near.bytes, near.at).attempt + 1
        return whenDurable(core, core.log.appendedLsn, { outcome: 'leased', attempt })
      },
    )
    if (answer !== 'again') return answer
  }
}

/**
 * cancel and reschedule. Both are linearizable: they are decided in one synchronous step together with their record, and
 * answered once everything they saw is on disk. A task that is only on disk is read first, then looked at again.
 */

import { refuse } from '../../model/errors.ts'
import type { CancelAnswer, EndedHow, RescheduleAnswer, RescheduleInput } from '../../model/hourwheel.ts'
import { homeHourOf, ordinalOf } from '../../model/ids.ts'
import { readBody } from '../../model/records.ts'
import { parseRef, whenDurable, whenRoom, type Core } from '../core.ts'
import type { TaskBytes } from '../../delivery/attempt-records.ts'
import { fireAtOf } from '../task-encoder.ts'

type Ended = { readonly outcome: 'ended'; readonly how?: EndedHow | 'dead' | undefined }

/** What is left to say about a task that is neither pending nor leased. */
function endedAnswer(core: Core, homeHour: number, ordinal: number): Promise<Ended | { outcome: 'missing' }> {
  const { ledger, log } = core
  const state = ledger.stateOf(homeHour, ordinal)
  const answer: Ended | { outcome: 'missing' } =
    state === 'missing'
      ? { outcome: 'missing' }
      : { outcome: 'ended', how: state === 'dead' ? 'dead' : ledger.howEnded(homeHour, ordinal) }
  return whenDurable(core, log.appendedLsn, answer)
}

/** Calls `decide` with the bytes of a pending task, again until what was read is still true when it is called. */
async function withPending<T>(
  core: Core,
  id: number,
  decide: (row: number, source: TaskBytes) => Promise<T>,
  otherwise: () => Promise<T>,
): Promise<T> {
  const homeHour = homeHourOf(id)
  const ordinal = ordinalOf(id)
  for (;;) {
    core.assertOpen()
    if (core.ledger.stateOf(homeHour, ordinal) !== 'pending') return otherwise()
    const row = core.tiers.rowOf(homeHour, ordinal)
    const near = row < 0 ? undefined : core.lookup.near(row)
    if (near !== undefined) return decide(row, near)
    const version = versionOf(core, id)
    const source = await core.lookup.live(id)
    if (source === 'damaged') {
      throw refuse('HW_CORRUPT', 'the task lies in a damaged block of a segment; `verify` names the file')
    }
    const unchanged = core.ledger.stateOf(homeHour, ordinal) === 'pending' && versionOf(core, id) === version
    if (unchanged && source !== undefined) return decide(core.tiers.rowOf(homeHour, ordinal), source)
  }
}

/** Where a live task is, as something to compare. */
function versionOf(core: Core, id: number): string {
  const row = core.tiers.rowOf(homeHourOf(id), ordinalOf(id))
  return `${row} ${row < 0 ? 0 : core.tiers.table.lsn[row]!} ${core.lookup.placeHourOf(id)}`
}

export async function cancel(core: Core, ref: unknown): Promise<CancelAnswer> {
  core.assertOpen()
  const id = parseRef(core, ref)
  if (id === undefined) return { outcome: 'missing' }
  const homeHour = homeHourOf(id)
  const ordinal = ordinalOf(id)
  for (;;) {
    const answer = await withPending<CancelAnswer | 'again'>(
      core,
      id,
      async (row, source) => {
        const body = readBody(source.bytes, source.at)
        const { queue, generation } = body
        const placeHour = core.lookup.placeHourOf(id)
        const lsn = core.recorder.finish('cancelled', 'pending', row, homeHour, ordinal, queue, placeHour)
        if (lsn === 0) {
          await whenRoom(core)
          return 'again'
        }
        core.events.emitDurable('cancelled', lsn, { id: ref as string, queue: core.tiers.queues[queue]!.name })
        return whenDurable(core, lsn, { outcome: 'cancelled', generation, lsn })
      },
      async () => {
        if (core.ledger.stateOf(homeHour, ordinal) !== 'leased') return endedAnswer(core, homeHour, ordinal)
        const row = core.tiers.rowOf(homeHour, ordinal)
        const lsn = core.recorder.stop(homeHour, ordinal, core.tiers.table.queue[row]!)
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
  const id = parseRef(core, ref)
  const { fireAt, ifGeneration } = parseReschedule(core, input)
  if (id === undefined) return { outcome: 'missing' }
  const homeHour = homeHourOf(id)
  const ordinal = ordinalOf(id)
  for (;;) {
    const answer = await withPending<RescheduleAnswer | 'again'>(
      core,
      id,
      async (row, source) => {
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
      async () => {
        if (core.ledger.stateOf(homeHour, ordinal) !== 'leased') return endedAnswer(core, homeHour, ordinal)
        const row = core.tiers.rowOf(homeHour, ordinal)
        const near = core.lookup.near(row)!
        const attempt = readBody(near.bytes, near.at).attempt + 1
        return whenDurable(core, core.log.appendedLsn, { outcome: 'leased', attempt })
      },
    )
    if (answer !== 'again') return answer
  }
}

function parseReschedule(core: Core, input: RescheduleInput): { fireAt: number; ifGeneration: number | undefined } {
  if (typeof input !== 'object' || input === null) {
    throw refuse('HW_INVALID_OPTIONS', 'reschedule takes an object with at or delay, and optionally ifGeneration')
  }
  for (const field of Object.keys(input)) {
    if (!['at', 'delay', 'ifGeneration'].includes(field)) {
      throw refuse('HW_UNKNOWN_FIELD', `reschedule has no field '${field}'; it has at or delay, ifGeneration`)
    }
  }
  const { ifGeneration } = input
  if (ifGeneration !== undefined && !(Number.isSafeInteger(ifGeneration) && ifGeneration >= 0)) {
    throw refuse('HW_INVALID_OPTIONS', 'ifGeneration must be a whole number from an earlier answer')
  }
  return { fireAt: fireAtOf(input, core.platform.clock.wallMs()), ifGeneration }
}

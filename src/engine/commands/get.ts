/** get: one task by its id or key, wherever it lies; answered once everything it saw is on disk. */

import { refuse } from '../../model/errors.ts'
import type { GetAnswer } from '../../model/hourwheel.ts'
import { homeHourOf, ordinalOf } from '../../model/ids.ts'
import { parseTarget, whenDurable, type Core } from '../core.ts'
import { deadViewOf, viewOf } from '../views.ts'

export async function get(core: Core, ref: unknown): Promise<GetAnswer | undefined> {
  core.assertOpen()
  const target = parseTarget(core, ref)
  for (;;) {
    core.assertOpen()
    const id = target()
    const { appendedLsn } = core.log
    if (id === undefined) return whenDurable(core, appendedLsn, undefined)
    const homeHour = homeHourOf(id)
    const ordinal = ordinalOf(id)
    const state = core.ledger.stateOf(homeHour, ordinal)
    if (state === 'missing') return whenDurable(core, appendedLsn, undefined)
    if (state === 'ended') {
      return whenDurable(core, appendedLsn, { state: 'ended', how: core.ledger.howEnded(homeHour, ordinal) })
    }
    const source = state === 'dead' ? await core.lookup.dead(id) : await core.lookup.live(id)
    if (source === 'damaged') {
      throw refuse('HW_CORRUPT', 'the task lies in a damaged block of a segment; `verify` names the file')
    }
    // It moved or ended while it was being read: look again.
    if (source === undefined || core.ledger.stateOf(homeHour, ordinal) !== state || target() !== id) continue
    const answer = state === 'dead' ? deadViewOf(core, source) : viewOf(core, source, state)
    return whenDurable(core, core.log.appendedLsn, answer)
  }
}

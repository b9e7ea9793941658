/**
 * Leases of the process before are lost: their tasks are pending again, with one loss more and no attempt used up. One that was
 * cancelled meanwhile ends as cancelled.
 */

import { homeHourOf, ordinalOf } from '../model/ids.ts'
import { whenRoom, type Core } from './core.ts'

export async function loseLeases(core: Core): Promise<void> {
  const { ledger, recorder, tiers } = core
  for (const { id, queue, losses, stopped } of [...ledger.leases.values()]) {
    const homeHour = homeHourOf(id)
    const ordinal = ordinalOf(id)
    const record = (): number => {
      if (!stopped) return recorder.unlease(homeHour, ordinal, queue, losses + 1)
      const placeHour = core.lookup.placeHourOf(id)
      return recorder.finish('cancelled', 'leased', tiers.rowOf(homeHour, ordinal), homeHour, ordinal, queue, placeHour)
    }
    // There may be more of them than a small log file takes at once.
    while (record() === 0) await whenRoom(core)
  }
}

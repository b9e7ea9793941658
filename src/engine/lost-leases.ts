/**
 * Leases of the process before are lost: their tasks are pending again, with one loss more and no attempt used up. One that was
 * cancelled meanwhile ends as cancelled.
 */

import { homeHourOf, ordinalOf } from '../model/ids.ts'
import { whenRoom, type Core } from './core.ts'

export async function loseLeases(core: Core): Promise<void> {
  const { ledger, recorder, tiers, lookup, keys } = core
  for (const { id, queue, losses, stopped } of Array.from(ledger.leases.values())) {
    const homeHour = homeHourOf(id)
    const ordinal = ordinalOf(id)
    // What has a key says so when it ends.
    const found = stopped && keys.table.inUse ? await lookup.live(id) : undefined
    const source = found === 'damaged' ? undefined : found
    const record = (): number => {
      if (!stopped) return recorder.unlease(homeHour, ordinal, queue, losses + 1)
      const placeHour = lookup.placeHourOf(id)
      const row = tiers.rowOf(homeHour, ordinal)
      return recorder.finish('cancelled', 'leased', row, homeHour, ordinal, queue, placeHour, source)
    }
    // There may be more of them than a small log file takes at once.
    while (record() === 0) await whenRoom(core)
  }
}

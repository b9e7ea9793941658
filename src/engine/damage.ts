/** A damaged block of a segment: its tasks are set aside by name and counted, health goes red, everything else goes on. */

import { packId } from '../model/ids.ts'
import type { DamagedBlock } from '../storage/segments/segment-reader.ts'
import { whenRoom, type Core } from './core.ts'

export async function settleDamage(core: Core, damage: DamagedBlock): Promise<void> {
  const { ledger, recorder, segments, tiers, events } = core
  // A damaged page of a directory costs no task.
  if (damage.part === 'directory') {
    events.emit('damaged', { file: damage.file, offset: damage.offset, tasks: 0 })
    return
  }
  let tasks = 0
  for (const { homeHour, ordinal, queue } of damage.ids) {
    for (;;) {
      if (ledger.stateOf(homeHour, ordinal) !== 'pending' || tiers.rowOf(homeHour, ordinal) >= 0) break
      if (core.lookup.placeHourOf(packId(homeHour, ordinal)) !== damage.hour) break
      const found = await segments.find('tasks', damage.hour, homeHour, ordinal)
      // A newer copy in another segment is the one that counts.
      if (found !== 'damaged' && found !== undefined && ledger.copyCounts(homeHour, ordinal, damage.hour, found.lsn))
        break
      if (ledger.stateOf(homeHour, ordinal) !== 'pending' || tiers.rowOf(homeHour, ordinal) >= 0) break
      if (recorder.finish('damaged', 'pending', -1, homeHour, ordinal, queue, damage.hour) !== 0) {
        tasks++
        break
      }
      await whenRoom(core)
    }
  }
  events.emit('damaged', { file: damage.file, offset: damage.offset, tasks })
}

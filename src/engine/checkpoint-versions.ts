/**
 * Which versions of tasks a log file still holds, and how they let go of it once they are in segments.
 *
 * Both walk in slices while traffic goes on. Listing sees every version that stays; one that ends or is replaced meanwhile
 * only makes a copy that does not count, and `swapVersions` marks it as superseded when there is a newer one.
 */

import { homeHourOf, ordinalOf } from '../model/ids.ts'
import type { Ledger } from '../model/ledger.ts'
import type { Platform } from '../platform/ports.ts'
import type { LogFileInfo } from '../storage/wal/log.ts'
import { tier } from '../wheel/task-table.ts'
import { walCellOf } from './log-bodies.ts'
import type { Recorder } from './recorder.ts'
import type { Tiers } from './tiers.ts'
import { Turn } from './turn.ts'

export interface VersionParts {
  readonly platform: Platform
  readonly tiers: Tiers
  readonly ledger: Ledger
  readonly recorder: Recorder
}

/** In no order: sorting a hundred thousand at once would hold up the thread. */
export interface Listed {
  readonly offsets: number[]
  readonly ids: number[]
  readonly lsns: number[]
  /** Ids of the dead letters among them. */
  readonly dead: number[]
}

/** Rows, and dead letters, whose newest version lies in a file. */
export async function listVersions(parts: VersionParts, file: LogFileInfo): Promise<Listed> {
  const { tiers, ledger, recorder } = parts
  const { table } = tiers
  const cell = walCellOf(file.number)
  const turn = new Turn(parts.platform.clock)
  const listed: Listed = { offsets: [], ids: [], lsns: [], dead: [] }
  const list = (offset: number, id: number, lsn: number): void => {
    listed.offsets.push(offset)
    listed.ids.push(id)
    listed.lsns.push(lsn)
  }
  for (let row = 0; row < table.capacity; row++) {
    if ((row & 4095) === 0 && turn.isOver()) await turn.next()
    if (table.walFile[row] !== cell || table.tier[row] === tier.free) continue
    list(table.walOffset[row]!, tiers.idOf(row), table.lsn[row]!)
  }
  for (const [id, place] of recorder.deadInLog) {
    if (place.walCell !== cell) continue
    listed.dead.push(id)
    list(place.walOffset, id, ledger.dead.get(id)!.lsn)
  }
  return listed
}

/** Tasks of the file are in segments now: far rows go, near rows say so, and newer versions supersede the copies. */
export async function swapVersions(parts: VersionParts, file: LogFileInfo, listed: Listed): Promise<void> {
  const { tiers, ledger } = parts
  const { table } = tiers
  const cell = walCellOf(file.number)
  const turn = new Turn(parts.platform.clock)
  for (let index = 0; index < listed.ids.length; index++) {
    if ((index & 63) === 0 && turn.isOver()) await turn.next()
    const id = listed.ids[index]!
    const row = tiers.rowOf(homeHourOf(id), ordinalOf(id))
    if (row < 0) continue
    if (table.lsn[row] !== listed.lsns[index] || table.walFile[row] !== cell) {
      ledger.supersede(id, table.lsn[row]!, table.placeHour[row]!)
      table.flags[row] = 1
    } else if (table.tier[row] === tier.far) tiers.drop(row)
    else {
      table.walFile[row] = 0
      table.flags[row] = 1
    }
  }
}

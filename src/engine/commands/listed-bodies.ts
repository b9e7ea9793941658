/**
 * The bytes of the tasks of one page of a listing, read with few calls: those from segments as the page was put together,
 * those from the log together. A body speaks for its task only as long as its version is the one that counts.
 */

import { homeHourOf, ordinalOf } from '../../model/ids.ts'
import { putBytesMax } from '../../model/records.ts'
import { writePutFromParts } from '../../model/record-writers.ts'
import type { TaskBytes } from '../../delivery/attempt-records.ts'
import type { SegmentEntry } from '../../storage/segments/segment-reader.ts'
import type { Core } from '../core.ts'
import type { LogPlace } from '../log-bodies.ts'

interface Body extends TaskBytes {
  readonly lsn: number
  readonly placeHour: number
}

export class ListedBodies {
  readonly #core: Core
  readonly #bodies: Map<number, Body> = new Map()

  constructor(core: Core) {
    this.#core = core
  }

  /** Copies what a merge stands at. */
  add(id: number, entry: SegmentEntry, placeHour: number): void {
    const bytes = Buffer.allocUnsafe(putBytesMax(entry.payload, entry.extras))
    writePutFromParts(bytes, 0, entry, placeHour)
    this.#bodies.set(id, { bytes, at: 0, lsn: entry.lsn, placeHour })
  }

  /** Reads those of the tasks that only the log has: file by file, as a file may go between two. */
  async readFromLog(ids: readonly number[]): Promise<void> {
    const { tiers, log, bodies } = this.#core
    const { table } = tiers
    const rowInLog = (id: number): number => {
      const row = tiers.rowOf(homeHourOf(id), ordinalOf(id))
      return row >= 0 && table.block[row]! < 0 ? row : -1
    }
    await log.whenWritten(log.appendedLsn)
    const cells = new Set(ids.map((id) => (rowInLog(id) < 0 ? 0 : table.walFile[rowInLog(id)]!)))
    cells.delete(0)
    for (const walCell of cells) {
      const wanted: (LogPlace & { id: number; lsn: number; placeHour: number })[] = []
      for (const id of ids) {
        const row = rowInLog(id)
        if (row < 0 || table.walFile[row] !== walCell) continue
        wanted.push({
          id,
          lsn: table.lsn[row]!,
          placeHour: table.placeHour[row]!,
          walCell,
          walOffset: table.walOffset[row]!,
        })
      }
      await bodies.readMany(wanted, (index, from, at, length) => {
        const { id, lsn, placeHour } = wanted[index]!
        this.#bodies.set(id, { bytes: Buffer.from(from.subarray(at, at + length)), at: 0, lsn, placeHour })
      })
    }
  }

  /** The bytes of a live task, if they were read and are still those of its newest version. */
  of(id: number): TaskBytes | undefined {
    const body = this.#bodies.get(id)
    if (body === undefined) return undefined
    const { tiers, ledger } = this.#core
    const row = tiers.rowOf(homeHourOf(id), ordinalOf(id))
    const counts =
      row < 0
        ? ledger.copyCounts(homeHourOf(id), ordinalOf(id), body.placeHour, body.lsn)
        : tiers.table.lsn[row] === body.lsn
    return counts ? body : undefined
  }
}

/**
 * Makes the view of keys anew, from all live tasks and dead letters: for a view that is lost or was put back from another
 * moment. What the log says stands above what is found here, so that it may be done at open, before anything is served.
 *
 * Not known any more afterwards: keys of tasks that have ended, unless the log still says so. When two live tasks claim a key,
 * the one with the newer version has it; one that lost its key while an attempt ran may get it back if the other has ended.
 */

import { homeHourOf, ordinalOf, packId } from '../model/ids.ts'
import { decodeRecord, readBody } from '../model/records.ts'
import type { KeyChange, KeyEnd, KeyView } from '../platform/ports.ts'
import { tier } from '../wheel/task-table.ts'
import type { Core } from './core.ts'
import { keyIn } from './key-holders.ts'

/** The more go in together, the more of them share a page of the view. */
const changesPerWrite = 32_768

/** Answers how many keys there are. */
export async function rebuildKeys(core: Core): Promise<number> {
  const rebuild = new Rebuild(core, await core.keys.table.renew())
  await rebuild.deadLetters()
  await rebuild.rows()
  await rebuild.segments()
  return rebuild.finish()
}

class Rebuild {
  readonly #core: Core
  readonly #view: KeyView
  readonly #changes: Map<string, KeyChange> = new Map()
  #count = 0

  constructor(core: Core, view: KeyView) {
    this.#core = core
    this.#view = view
  }

  /** First, so that tasks that live have their keys. */
  async deadLetters(): Promise<void> {
    const { ledger, lookup } = this.#core
    for (const id of ledger.dead.keys()) {
      const source = await lookup.dead(id)
      if (source === undefined || source === 'damaged') continue
      const record = decodeRecord(source.bytes, source.at, readBody(source.bytes, source.at).end)
      const key = record.kind === 'dead' ? keyIn(record.extras) : undefined
      if (record.kind !== 'dead' || key === undefined) continue
      const { diedAt: endedAt, fireAt, generation } = record
      await this.#put(record.queue, key, id, { endedAt, fireAt, generation })
    }
  }

  /** Tasks whose newest version is in the log, or in memory. */
  async rows(): Promise<void> {
    const { tiers, lookup } = this.#core
    const { table } = tiers
    for (let row = 0; row < table.capacity; row++) {
      if (table.tier[row] === tier.free) continue
      const id = tiers.idOf(row)
      const source = await lookup.live(id)
      if (source === undefined || source === 'damaged') continue
      const key = readBody(source.bytes, source.at).key()
      if (key !== undefined) await this.#claim(table.queue[row]!, key, id, table.lsn[row]!)
    }
  }

  /** Tasks that are only in segments. */
  async segments(): Promise<void> {
    const { ledger, tiers, segments } = this.#core
    for (const { hour, live } of ledger.hours.values()) {
      if (live === 0) continue
      const merge = await segments.openMerge(hour, -Infinity, -1)
      try {
        for (; ; merge.advance()) {
          if (merge.needsFill) await merge.fill()
          const entry = merge.current
          if (entry === undefined || entry.placeHour !== hour) break
          const { homeHour, ordinal, lsn, queue } = entry
          const key = keyIn(entry.extras)
          if (key === undefined || tiers.rowOf(homeHour, ordinal) >= 0) continue
          if (!ledger.copyCounts(homeHour, ordinal, hour, lsn)) continue
          await this.#claim(queue, key, packId(homeHour, ordinal), lsn)
        }
      } finally {
        await segments.closeMerge(merge)
      }
    }
  }

  async finish(): Promise<number> {
    await this.#flush()
    return this.#count
  }

  async #claim(queue: number, key: string, id: number, lsn: number): Promise<void> {
    const other = this.#changes.get(`${queue} ${key}`)?.entry ?? this.#view.get(queue, key)
    const isTaken = other !== undefined && other.id !== id && other.end === undefined
    if (isTaken && (await this.#lsnOf(other.id)) > lsn) return
    await this.#put(queue, key, id, undefined)
  }

  async #lsnOf(id: number): Promise<number> {
    const { tiers, segments, lookup } = this.#core
    const row = tiers.rowOf(homeHourOf(id), ordinalOf(id))
    if (row >= 0) return tiers.table.lsn[row]!
    const found = await segments.find('tasks', lookup.placeHourOf(id), homeHourOf(id), ordinalOf(id))
    return found === undefined || found === 'damaged' ? 0 : found.lsn
  }

  async #put(queue: number, key: string, id: number, end: KeyEnd | undefined): Promise<void> {
    this.#changes.set(`${queue} ${key}`, { queue, key, entry: { id, end } })
    this.#count++
    if (this.#changes.size >= changesPerWrite) await this.#flush()
  }

  /** Its LSN stays 0 until the log's own changes are in it: a rebuild that is broken off begins anew. */
  async #flush(): Promise<void> {
    await this.#view.write([...this.#changes.values()], 0)
    this.#changes.clear()
  }
}

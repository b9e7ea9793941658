/**
 * What a salvage has found of the tasks: which ids, how many by queue and by hour, and the largest ordinals. Two bits an
 * ordinal, so that ten million tasks take a few megabytes.
 */

import { packId } from '../../model/ids.ts'
import type { DeadEntry } from '../../model/ledger.ts'

const pageOrdinals = 32_768

export interface FoundVersion {
  readonly homeHour: number
  readonly ordinal: number
  readonly placeHour: number
  readonly queue: number
  readonly lsn: number
}

export class FoundTasks {
  tasks = 0
  readonly byQueue: Map<number, number> = new Map()
  readonly byHour: Map<number, number> = new Map()
  /** Live tasks outside their home hour. */
  readonly moved: Map<number, number> = new Map()
  readonly dead: Map<number, DeadEntry> = new Map()
  /** The largest ordinal of each home hour in any copy, whether it counts or not. */
  readonly ordinalMax: Map<number, number> = new Map()
  lsnMax = 0
  /** A task that was found has a key. */
  hasKeys = false
  readonly #pages: Map<number, Uint8Array> = new Map()

  /** A copy was seen. */
  see({ homeHour, ordinal, lsn }: FoundVersion): void {
    if (ordinal > (this.ordinalMax.get(homeHour) ?? -1)) this.ordinalMax.set(homeHour, ordinal)
    if (lsn > this.lsnMax) this.lsnMax = lsn
  }

  /** The copy that counts; false when the task was found before. */
  addLive({ homeHour, ordinal, placeHour, queue }: FoundVersion): boolean {
    if (this.isLive(homeHour, ordinal)) return false
    const key = pageOf(homeHour, ordinal)
    let page = this.#pages.get(key)
    if (page === undefined) this.#pages.set(key, (page = new Uint8Array(pageOrdinals / 8)))
    page[(ordinal % pageOrdinals) >> 3]! |= 1 << (ordinal & 7)
    this.tasks++
    this.byQueue.set(queue, (this.byQueue.get(queue) ?? 0) + 1)
    this.byHour.set(placeHour, (this.byHour.get(placeHour) ?? 0) + 1)
    if (homeHour !== placeHour) this.moved.set(packId(homeHour, ordinal), placeHour)
    return true
  }

  isLive(homeHour: number, ordinal: number): boolean {
    const page = this.#pages.get(pageOf(homeHour, ordinal))
    return page !== undefined && (page[(ordinal % pageOrdinals) >> 3]! & (1 << (ordinal & 7))) !== 0
  }

  addDead({ homeHour, ordinal, placeHour, queue, lsn }: FoundVersion): boolean {
    const id = packId(homeHour, ordinal)
    if (this.dead.has(id)) return false
    this.dead.set(id, { id, queue, lsn, placeHour })
    return true
  }
}

function pageOf(homeHour: number, ordinal: number): number {
  return homeHour * 2 ** 20 + Math.floor(ordinal / pageOrdinals)
}

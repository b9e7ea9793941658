/**
 * Finds the bytes of a task that has not ended, wherever they lie: look-up order is row (block or log file), then
 * segments. What is read from disk may be out of date when it arrives; callers look again before they act on it.
 */

import { ordinalOf, homeHourOf } from '../model/ids.ts'
import type { Ledger } from '../model/ledger.ts'
import { putBytesMax, deadBytesMax } from '../model/records.ts'
import { writeDead, writePutFromParts } from '../model/record-writers.ts'
import type { Log } from '../storage/wal/log.ts'
import type { SegmentEntry } from '../storage/segments/segment-reader.ts'
import type { LogBodies } from './log-bodies.ts'
import type { TaskBytes } from '../delivery/attempt-records.ts'
import type { Recorder } from './recorder.ts'
import type { SegmentSet } from './segment-set.ts'
import type { Tiers } from './tiers.ts'

export class TaskLookup {
  readonly #tiers: Tiers
  readonly #ledger: Ledger
  readonly #log: Log
  readonly #bodies: LogBodies
  readonly #segments: SegmentSet
  readonly #recorder: Recorder

  constructor(parts: {
    tiers: Tiers
    ledger: Ledger
    log: Log
    bodies: LogBodies
    segments: SegmentSet
    recorder: Recorder
  }) {
    this.#tiers = parts.tiers
    this.#ledger = parts.ledger
    this.#log = parts.log
    this.#bodies = parts.bodies
    this.#segments = parts.segments
    this.#recorder = parts.recorder
  }

  /** The bytes of a near row, without waiting; undefined when they are on disk. */
  near(row: number): TaskBytes | undefined {
    const { table, blocks } = this.#tiers
    if (table.block[row]! < 0) return undefined
    return { bytes: blocks.bytes(table.block[row]!), at: table.offset[row]! }
  }

  /** Under which hour a live task is filed. */
  placeHourOf(id: number): number {
    const row = this.#tiers.rowOf(homeHourOf(id), ordinalOf(id))
    if (row >= 0) return this.#tiers.table.placeHour[row]!
    return this.#ledger.moved.get(id) ?? homeHourOf(id)
  }

  /** Where a live task is, as something to compare. */
  versionOf(id: number): string {
    const row = this.#tiers.rowOf(homeHourOf(id), ordinalOf(id))
    return `${row} ${row < 0 ? 0 : this.#tiers.table.lsn[row]!} ${this.placeHourOf(id)}`
  }

  /** The bytes of a live task; a copy. Undefined when it is not to be found (it ended or moved meanwhile), or damaged. */
  async live(id: number): Promise<TaskBytes | undefined | 'damaged'> {
    const homeHour = homeHourOf(id)
    const ordinal = ordinalOf(id)
    const row = this.#tiers.rowOf(homeHour, ordinal)
    if (row >= 0) {
      const near = this.near(row)
      if (near !== undefined) return near
      const { table } = this.#tiers
      const place = { walCell: table.walFile[row]!, walOffset: table.walOffset[row]! }
      await this.#log.whenWritten(this.#log.appendedLsn)
      if (this.#tiers.rowOf(homeHour, ordinal) !== row || table.walOffset[row] !== place.walOffset) return undefined
      return { bytes: await this.#bodies.read(place), at: 0 }
    }
    const placeHour = this.placeHourOf(id)
    const entry = await this.#segments.find('tasks', placeHour, homeHour, ordinal)
    if (entry === undefined || entry === 'damaged') return entry
    if (!this.#ledger.copyCounts(homeHour, ordinal, placeHour, entry.lsn)) return undefined
    return asPut(entry, placeHour)
  }

  /** The bytes (a `dead` record) of a dead letter; a copy. */
  async dead(id: number): Promise<TaskBytes | undefined | 'damaged'> {
    const place = this.#recorder.deadInLog.get(id)
    if (place !== undefined) {
      await this.#log.whenWritten(this.#log.appendedLsn)
      if (this.#recorder.deadInLog.get(id) !== place) return undefined
      return { bytes: await this.#bodies.read(place), at: 0 }
    }
    const dead = this.#ledger.dead.get(id)
    if (dead === undefined) return undefined
    const entry = await this.#segments.find('dead', dead.placeHour, homeHourOf(id), ordinalOf(id))
    if (entry === undefined || entry === 'damaged') return entry
    return entry.lsn === dead.lsn ? asDead(entry, dead.placeHour) : undefined
  }
}

function asPut(entry: SegmentEntry, placeHour: number): TaskBytes {
  const bytes = Buffer.alloc(putBytesMax(entry.payload, entry.extras))
  writePutFromParts(bytes, 0, entry, placeHour)
  return { bytes, at: 0 }
}

/** From which state it died is not in a segment, and nobody asks. */
function asDead(entry: SegmentEntry, placeHour: number): TaskBytes {
  const { payload, extras } = entry
  const dead = entry.dead!
  const bytes = Buffer.alloc(deadBytesMax(dead.error, payload, extras))
  writeDead(bytes, 0, { ...entry, ...dead, kind: 'dead', from: 'leased', placeHour })
  return { bytes, at: 0 }
}

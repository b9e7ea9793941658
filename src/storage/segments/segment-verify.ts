/**
 * Reads all of a segment and checks what open and reading do not: that directories have exactly the tasks of the blocks, and
 * that LSNs are within those of the footer. Memory is bounded by the directory of the largest hour.
 */

import { homeHourOf, packId } from '../../model/ids.ts'
import type { Disk } from '../../platform/ports.ts'
import { segmentFileName, type SegmentMeta } from '../file-meta.ts'
import { lowerBound, type HourDirectory } from './hour-directory.ts'
import { corruptSegment } from './segment-format.ts'
import type { CursorEntry } from './segment-cursor.ts'
import type { DamagedBlock } from './segment-parts.ts'
import { openSegment, type Segment } from './segment-reader.ts'

export interface VerifiedSegment {
  /** Entries that were read. With the counts of the damage they are the segment's. */
  readonly count: number
  readonly damage: DamagedBlock[]
}

/**
 * Rejects as `openSegment` does, or when entries and directory contradict each other although every checksum is right.
 * `onEntry` gets one object that changes from call to call.
 */
export async function verifySegment(
  disk: Disk,
  directory: string,
  meta: SegmentMeta,
  onEntry?: ((entry: CursorEntry) => void) | undefined,
): Promise<VerifiedSegment> {
  const segment = await openSegment(disk, directory, meta)
  try {
    return await verifyHours(segment, onEntry)
  } finally {
    await segment.close()
  }
}

async function verifyHours(
  segment: Segment,
  onEntry: ((entry: CursorEntry) => void) | undefined,
): Promise<VerifiedSegment> {
  const cursor = segment.cursor()
  const damage: DamagedBlock[] = []
  let total = 0
  try {
    for (const { hour, count } of segment.hours) {
      if (cursor.needsFill) await cursor.fill()
      const listed = await segment.directory(hour)
      const expected = new ExpectedRows(hour, listed)
      let read = 0
      while (cursor.current?.hour === hour) {
        read++
        checkEntry(segment, expected, cursor.current)
        onEntry?.(cursor.current)
        cursor.advance()
        if (cursor.needsFill) await cursor.fill()
      }
      let lost = 0
      for (const part of cursor.damage) {
        if (part.hour !== hour) continue
        lost += part.count
        for (const { homeHour, ordinal } of part.ids) expected.take(packId(homeHour, ordinal))
      }
      if (read + lost !== count || (expected.left > 0 && listed.damagedAt.length === 0)) {
        throw contradiction(segment, `hour ${hour} has ${count} tasks, ${read} were read and ${lost} are damaged`)
      }
      total += read
      damage.push(...segment.takeDamage())
    }
  } finally {
    await cursor.close()
  }
  return { count: total, damage: [...cursor.damage, ...damage] }
}

/** The rows of a directory, each to be taken once: arrays and bisection, since an hour may have millions of them. */
class ExpectedRows {
  left: number
  readonly #listed: HourDirectory
  readonly #natives: Float64Array
  readonly #foreigners: Float64Array
  readonly #hour: number
  readonly #taken: Uint8Array

  constructor(hour: number, listed: HourDirectory) {
    let natives = 0
    while (natives < listed.count && homeHourOf(listed.ids[natives]!) === hour) natives++
    this.#hour = hour
    this.#listed = listed
    this.#natives = listed.ids.subarray(0, natives)
    this.#foreigners = listed.ids.subarray(natives, listed.count)
    this.#taken = new Uint8Array(listed.count)
    this.left = listed.count
  }

  get isWhole(): boolean {
    return this.#listed.damagedAt.length === 0
  }

  /** The queue that the row says, or undefined when there is none (any more). */
  take(id: number): number | undefined {
    const isNative = homeHourOf(id) === this.#hour
    const run = isNative ? this.#natives : this.#foreigners
    const place = lowerBound(run, run.length, id)
    const row = isNative ? place : place + this.#natives.length
    if (run[place] !== id || this.#taken[row] === 1) return undefined
    this.#taken[row] = 1
    this.left--
    return this.#listed.queues[row]!
  }
}

/** Takes the entry's row away. */
function checkEntry(segment: Segment, expected: ExpectedRows, entry: CursorEntry): void {
  const { lsnMin, lsnMax } = segment.meta
  const { homeHour, ordinal, queue, lsn } = entry
  if (lsn < lsnMin || lsn > lsnMax) throw contradiction(segment, `task ${homeHour}.${ordinal} has LSN ${lsn}`)
  const expectedQueue = expected.take(packId(homeHour, ordinal))
  if (expectedQueue === undefined ? !expected.isWhole : expectedQueue === queue) return
  throw contradiction(segment, `the directory does not have task ${homeHour}.${ordinal} of queue ${queue}`)
}

function contradiction(segment: Segment, what: string): Error {
  const { meta } = segment
  return corruptSegment(segmentFileName(meta), 0, meta.count, what)
}

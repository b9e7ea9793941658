/**
 * Reads all of a segment and checks what open and reading do not: that directories have exactly the tasks of the blocks, and
 * that LSNs are within those of the footer. Memory is bounded by the directory of the largest hour.
 */

import { packId } from '../../model/ids.ts'
import type { Disk } from '../../platform/ports.ts'
import { segmentFileName, type SegmentMeta } from '../file-meta.ts'
import type { HourDirectory } from './hour-directory.ts'
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
      const expected = new Map<number, number>()
      for (let row = 0; row < listed.count; row++) expected.set(listed.ids[row]!, listed.queues[row]!)
      let read = 0
      while (cursor.current?.hour === hour) {
        read++
        checkEntry(segment, listed, expected, cursor.current)
        onEntry?.(cursor.current)
        cursor.advance()
        if (cursor.needsFill) await cursor.fill()
      }
      let lost = 0
      for (const part of cursor.damage) {
        if (part.hour !== hour) continue
        lost += part.count
        for (const { homeHour, ordinal } of part.ids) expected.delete(packId(homeHour, ordinal))
      }
      if (read + lost !== count || (expected.size > 0 && listed.damagedAt.length === 0)) {
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

/** Takes the entry's row away. */
function checkEntry(segment: Segment, listed: HourDirectory, expected: Map<number, number>, entry: CursorEntry): void {
  const { lsnMin, lsnMax } = segment.meta
  const { homeHour, ordinal, queue, lsn } = entry
  if (lsn < lsnMin || lsn > lsnMax) throw contradiction(segment, `task ${homeHour}.${ordinal} has LSN ${lsn}`)
  const id = packId(homeHour, ordinal)
  const expectedQueue = expected.get(id)
  if (expectedQueue === undefined ? listed.damagedAt.length > 0 : expectedQueue === queue) {
    expected.delete(id)
    return
  }
  throw contradiction(segment, `the directory does not have task ${homeHour}.${ordinal} of queue ${queue}`)
}

function contradiction(segment: Segment, what: string): Error {
  const { meta } = segment
  return corruptSegment(segmentFileName(meta), 0, meta.count, what)
}

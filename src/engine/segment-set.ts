/**
 * The live segments of tasks and of dead letters, as the newest manifest (or the checkpoint being swapped in) has them.
 * Finds a task's newest copy, and opens merges over the slices of an hour.
 */

import { hourMs } from '../model/units.ts'
import type { Disk } from '../platform/ports.ts'
import { SegmentMerge } from '../storage/segments/segment-merge.ts'
import {
  openSegment,
  type DamagedBlock,
  type Segment,
  type SegmentEntry,
  type SegmentMeta,
} from '../storage/segments/segment-reader.ts'

const readAheadBytes = 128 * 1024

export class SegmentSet {
  readonly #disk: Disk
  readonly #directory: string
  readonly #segments: Map<number, Segment> = new Map()
  readonly #damaged: (damage: DamagedBlock) => void
  tasks = 0
  bytes = 0

  constructor(disk: Disk, directory: string, damaged: (damage: DamagedBlock) => void) {
    this.#disk = disk
    this.#directory = directory
    this.#damaged = damaged
  }

  /** Verifies and adds a segment. */
  async open(meta: SegmentMeta): Promise<Segment> {
    const segment = await openSegment(this.#disk, this.#directory, meta)
    this.#segments.set(meta.number, segment)
    this.tasks += meta.count
    this.bytes += meta.bytes
    return segment
  }

  /** Takes a segment out. Merges under way read on; searches pass it over. */
  async retire(number: number): Promise<void> {
    const segment = this.#segments.get(number)
    if (segment === undefined) return
    this.#segments.delete(number)
    this.tasks -= segment.meta.count
    this.bytes -= segment.meta.bytes
    await segment.close()
  }

  get size(): number {
    return this.#segments.size
  }

  metas(): SegmentMeta[] {
    return [...this.#segments.values()].map((segment) => segment.meta)
  }

  /** Whether any segment of tasks covers an hour. */
  covers(hour: number): boolean {
    for (const { meta } of this.#segments.values()) {
      if (meta.kind === 'tasks' && hour >= meta.hourFrom && hour <= meta.hourTo) return true
    }
    return false
  }

  /** The copy with the largest LSN of a task filed under `placeHour`; 'damaged' when it lies in a bad block. */
  async find(
    kind: SegmentMeta['kind'],
    placeHour: number,
    homeHour: number,
    ordinal: number,
  ): Promise<SegmentEntry | undefined | 'damaged'> {
    let newest: SegmentEntry | undefined
    let isDamaged = false
    for (const segment of this.#segments.values()) {
      const { meta } = segment
      if (meta.kind !== kind || placeHour < meta.hourFrom || placeHour > meta.hourTo) continue
      const found = await this.#findIn(segment, placeHour, homeHour, ordinal)
      for (const damage of segment.takeDamage()) this.#damaged(damage)
      if (found === 'damaged') isDamaged = true
      else if (found !== undefined && (newest === undefined || found.lsn > newest.lsn)) newest = found
    }
    return newest ?? (isDamaged ? 'damaged' : undefined)
  }

  async #findIn(segment: Segment, placeHour: number, homeHour: number, ordinal: number): ReturnType<Segment['find']> {
    try {
      return await segment.find(placeHour, homeHour, ordinal)
    } catch (error) {
      // It was retired meanwhile: nothing in it counts.
      if (this.#segments.get(segment.meta.number) !== segment) return undefined
      throw error
    }
  }

  /** A merge over an hour's slices of task segments, positioned after a key. Close it with `closeMerge`. */
  async openMerge(hour: number, afterAt: number, afterId: number): Promise<SegmentMerge> {
    const start = hour * hourMs
    const cursors = []
    for (const segment of this.#segments.values()) {
      const { meta } = segment
      if (meta.kind !== 'tasks' || hour < meta.hourFrom || hour > meta.hourTo) continue
      const key =
        afterAt < start
          ? { hour, orderAt: start - 1, homeHour: 0, ordinal: 0 }
          : afterId === Infinity
            ? { hour, orderAt: afterAt, homeHour: 2 ** 20, ordinal: 0 }
            : { hour, orderAt: afterAt, homeHour: Math.floor(afterId / 2 ** 32), ordinal: afterId % 2 ** 32 }
      cursors.push(segment.cursor(key, { readAheadBytes, hourTo: hour }))
    }
    const merge = new SegmentMerge(cursors)
    await merge.fill()
    return merge
  }

  /** Ends a merge, and reports the damage that it met. */
  async closeMerge(merge: SegmentMerge): Promise<void> {
    for (const damage of merge.takeDamage()) this.#damaged(damage)
    await merge.close()
  }

  async close(): Promise<void> {
    const segments = [...this.#segments.values()]
    // First, so that who is reading takes them for retired, and looks again, at an engine that is not open any more.
    this.#segments.clear()
    for (const segment of segments) await segment.close()
  }
}

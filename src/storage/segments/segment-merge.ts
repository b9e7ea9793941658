/**
 * Merges cursors over several segments in key order: (hour, orderAt, home hour, ordinal). Of copies of one task with the same
 * key, the newest (greatest LSN) comes first. A binary heap of cursors; used by promotion, listing and the merging of files.
 *
 *   needsFill --fill--> current is an entry --advance--> current, or needsFill, or at the end
 */

import type { CursorEntry, SegmentCursor } from './segment-cursor.ts'
import type { DamagedBlock } from './segment-parts.ts'

export class SegmentMerge {
  current: CursorEntry | undefined
  needsFill: boolean
  readonly #cursors: readonly SegmentCursor[]
  /** Cursors with a current entry. */
  readonly #heap: SegmentCursor[] = []

  constructor(cursors: readonly SegmentCursor[]) {
    this.#cursors = cursors
    this.needsFill = cursors.some((cursor) => cursor.needsFill)
  }

  /** Fills every cursor that needs it. After a rejection the merge is closed. */
  async fill(): Promise<void> {
    if (!this.needsFill) return
    const waiting = this.#cursors.filter((cursor) => cursor.needsFill)
    const settled = await Promise.allSettled(waiting.map((cursor) => cursor.fill()))
    const failure = settled.find((result) => result.status === 'rejected')
    if (failure !== undefined) {
      await this.close()
      throw failure.reason
    }
    for (const cursor of waiting) if (cursor.current !== undefined) this.#push(cursor)
    this.needsFill = false
    this.current = this.#heap[0]?.current
  }

  advance(): void {
    const heap = this.#heap
    const top = heap[0]
    if (this.current === undefined || top === undefined) return
    top.advance()
    if (top.current === undefined) {
      const last = heap.pop()!
      if (last !== top) heap[0] = last
      if (top.needsFill) this.needsFill = true
    }
    if (heap.length > 1) this.#sink()
    this.current = this.needsFill ? undefined : heap[0]?.current
  }

  /** What the cursors found damaged since the last time. */
  takeDamage(): DamagedBlock[] {
    const damage: DamagedBlock[] = []
    for (const cursor of this.#cursors) damage.push(...cursor.damage.splice(0))
    return damage
  }

  /** Lets go of all files. Idempotent; needed unless the merge was read to its end. */
  async close(): Promise<void> {
    this.current = undefined
    this.needsFill = false
    this.#heap.length = 0
    await Promise.all(this.#cursors.map((cursor) => cursor.close()))
  }

  #push(cursor: SegmentCursor): void {
    const heap = this.#heap
    const entry = cursor.current!
    let at = heap.length
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(entry, heap[parent]!.current!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = cursor
  }

  /** The top has a later entry than before: moves it down to its place. */
  #sink(): void {
    const heap = this.#heap
    const cursor = heap[0]!
    const entry = cursor.current!
    const { length } = heap
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= length) break
      if (child + 1 < length && isBefore(heap[child + 1]!.current!, heap[child]!.current!)) child++
      if (!isBefore(heap[child]!.current!, entry)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = cursor
  }
}

/** An order instant determines its hour. */
function isBefore(one: CursorEntry, other: CursorEntry): boolean {
  if (one.orderAt !== other.orderAt) return one.orderAt < other.orderAt
  if (one.homeHour !== other.homeHour) return one.homeHour < other.homeHour
  if (one.ordinal !== other.ordinal) return one.ordinal < other.ordinal
  return one.lsn > other.lsn
}

/**
 * The bulk work of a merge, done in a worker thread: reads segments of one range in key order and writes the copies that still
 * count into new ones. The ledger comes along as the sections of a snapshot, since it says which copies count.
 */

import { Ledger } from '../model/ledger.ts'
import { refuse } from '../model/errors.ts'
import type { Disk, Random } from '../platform/ports.ts'
import { SegmentMerge } from '../storage/segments/segment-merge.ts'
import { rangeOf } from '../storage/segments/segment-ranges.ts'
import { openSegment, type SegmentMeta } from '../storage/segments/segment-reader.ts'
import { SegmentWriter } from '../storage/segments/segment-writer.ts'
import { decodeLedger, type Section } from './ledger-sections.ts'

export interface MergeInput {
  readonly directory: string
  readonly openCount: number
  readonly metas: readonly SegmentMeta[]
  readonly ledger: readonly Section[]
  readonly oldestHour: number
  readonly nowHour: number
  readonly firstNumber: number
  /** In shared memory: not 0 when the merge is to be given up. */
  readonly stop: Int32Array
}

export interface MergeOutput {
  readonly segments: SegmentMeta[]
}

export async function mergeJob(disk: Disk, random: Random, input: MergeInput): Promise<MergeOutput> {
  const { directory, openCount, nowHour } = input
  const ledger = new Ledger(input.oldestHour)
  decodeLedger(ledger, input.ledger)
  const opened = []
  for (const meta of input.metas) opened.push(await openSegment(disk, directory, meta))
  const merge = new SegmentMerge(opened.map((segment) => segment.cursor()))
  const segments: SegmentMeta[] = []
  let writer: SegmentWriter | undefined
  let hourTo = -1
  let number = input.firstNumber
  try {
    while (merge.needsFill || merge.current !== undefined) {
      if (merge.needsFill) {
        if (Atomics.load(input.stop, 0) !== 0) throw new Error('the merge was given up')
        await merge.fill()
      }
      const entry = merge.current
      if (entry === undefined) continue
      const { homeHour, ordinal, placeHour, lsn } = entry
      if (ledger.copyCounts(homeHour, ordinal, placeHour, lsn)) {
        if (writer === undefined || placeHour > hourTo) {
          if (writer !== undefined) segments.push(await writer.finish())
          hourTo = rangeOf(placeHour, nowHour).hourTo
          writer = await SegmentWriter.create(disk, random, { directory, number: number++, openCount, kind: 'tasks' })
        }
        if (writer.needsFlush) await writer.flush()
        writer.add(entry)
      }
      merge.advance()
    }
    if (merge.takeDamage().length > 0) {
      // Its tasks are settled by name when they are read for promotion; a merge must not make them vanish.
      throw refuse('HW_CORRUPT', 'a block of a segment to be merged is damaged; it is left as it is')
    }
    if (writer !== undefined) segments.push(await writer.finish())
    return { segments }
  } catch (error) {
    await writer?.abandon()
    throw error
  } finally {
    await merge.close()
    for (const segment of opened) await segment.close()
  }
}

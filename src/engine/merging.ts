/**
 * When and which segments are merged. Every merge is a third write of what is in them, so it is rare: only when very many
 * files cover the same range of hours, or when most of what they hold no longer counts. Pure.
 */

import type { SegmentMeta } from '../storage/file-meta.ts'
import { rangeOf } from '../storage/segments/segment-ranges.ts'

export interface MergeLimits {
  /** From so many files of one range on some of them are merged. */
  readonly filesMin: number
  /** The smallest are merged, so many at once: what was merged before is left until there is more of its size. */
  readonly filesAtOnce: number
  /** A range is merged when little of it is live, and it has as many entries: there is something to win. */
  readonly deadEntriesMin: number
}

export const mergeLimits: MergeLimits = { filesMin: 48, filesAtOnce: 32, deadEntriesMin: 10_000 }
/** For logs so small that they would never have as many segments: those of simulations. */
export const mergeLimitsTiny: MergeLimits = { filesMin: 16, filesAtOnce: 10, deadEntriesMin: 200 }

const liveShareMin = 0.25

/**
 * The files of one range to merge now, or undefined. `liveBetween` counts the live tasks filed under hours from..to. Files that
 * reach over several of the ranges of now are left to be retired.
 */
export function filesToMerge(
  metas: readonly SegmentMeta[],
  nowHour: number,
  liveBetween: (hourFrom: number, hourTo: number) => number,
  { filesMin, filesAtOnce, deadEntriesMin }: MergeLimits,
): SegmentMeta[] | undefined {
  const groups = new Map<number, { hourTo: number; metas: SegmentMeta[] }>()
  for (const meta of metas) {
    if (meta.kind !== 'tasks') continue
    const range = rangeOf(meta.hourFrom, nowHour)
    if (meta.hourTo > range.hourTo) continue
    const group = groups.get(range.hourFrom)
    if (group === undefined) groups.set(range.hourFrom, { hourTo: range.hourTo, metas: [meta] })
    else group.metas.push(meta)
  }
  let most: SegmentMeta[] | undefined
  for (const [hourFrom, { hourTo, metas: group }] of groups) {
    const entries = group.reduce((sum, meta) => sum + meta.count, 0)
    const mostlyDead = entries >= deadEntriesMin && liveBetween(hourFrom, hourTo) < entries * liveShareMin
    if (group.length < filesMin && !(mostlyDead && hourFrom > nowHour)) continue
    if (most === undefined || group.length > most.length) most = group
  }
  if (most === undefined || most.length < filesMin) return most
  return most.toSorted((a, b) => a.count - b.count || a.number - b.number).slice(0, filesAtOnce)
}

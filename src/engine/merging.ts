/**
 * When and which segments are merged. Every merge is a third write of what is in them, so it is rare: only when very many
 * files cover the same range of hours, or when most of what they hold no longer counts. Pure.
 */

import type { SegmentMeta } from '../storage/file-meta.ts'
import { rangeOf } from '../storage/segments/segment-ranges.ts'

/** So many files of one range are merged into one. */
export const filesPerRangeMax = 96
/** A range is merged when less than this share of its entries is live, and there is enough to win. */
const liveShareMin = 0.25
const entriesMin = 10_000

/**
 * The files of one range to merge now, or undefined. `liveBetween` counts the live tasks filed under hours from..to. Files that
 * reach over several of the ranges of now are left to be retired.
 */
export function filesToMerge(
  metas: readonly SegmentMeta[],
  nowHour: number,
  liveBetween: (hourFrom: number, hourTo: number) => number,
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
    const mostlyDead = entries >= entriesMin && liveBetween(hourFrom, hourTo) < entries * liveShareMin
    if (group.length < filesPerRangeMax && !(mostlyDead && hourFrom > nowHour)) continue
    if (most === undefined || group.length > most.length) most = group
  }
  return most
}

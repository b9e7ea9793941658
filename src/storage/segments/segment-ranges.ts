/**
 * Which hours go into one segment. Ranges are aligned powers of two of hours, at least `narrowest`, and at most one and a
 * half times as wide as they are far away, so that a range's files go soon after they have passed, and ranges that were made
 * at different times contain each other or are apart. What has passed is one range.
 *
 * From any hour on, the whole horizon is at most 26 ranges and the first year at most 18.
 */

import { hourLimit } from '../../model/units.ts'

export interface HourRange {
  readonly hourFrom: number
  /** The last hour of the range. */
  readonly hourTo: number
}

const narrowest = 8

/** The range of a place hour, as seen from `nowHour`. For one `nowHour` ranges do not overlap and leave no gap. */
export function rangeOf(placeHour: number, nowHour: number): HourRange {
  const present = Math.min(nowHour, hourLimit - 1)
  let from = present - (present % narrowest)
  if (placeHour < from) return { hourFrom: 0, hourTo: from - 1 }
  for (;;) {
    const width = widthAt(from, (from - present) * 1.5)
    if (placeHour < from + width) return { hourFrom: from, hourTo: from + width - 1 }
    from += width
  }
}

/** The widest aligned power of two from `from` on that is not wider than `most`. */
function widthAt(from: number, most: number): number {
  let width = narrowest
  while (width * 2 <= most && from % (width * 2) === 0 && from + width * 2 <= hourLimit) width *= 2
  return width
}

import { describe, expect, test } from 'vitest'
import { hourLimit } from '../../../src/model/units.ts'
import { rangeOf, type HourRange } from '../../../src/storage/segments/segment-ranges.ts'
import { SeededRandom } from '../../../src/testing/seeded-random.ts'

function rangesFrom(nowHour: number): HourRange[] {
  const ranges: HourRange[] = []
  for (let hour = 0; hour < hourLimit; hour = ranges.at(-1)!.hourTo + 1) ranges.push(rangeOf(hour, nowHour))
  return ranges
}

const random = new SeededRandom(1)
const nows = [0, 1, 7, 8, 500_000, 524_287, 524_288, hourLimit - 1, hourLimit + 5]
for (let i = 0; i < 300; i++) nows.push(random.below(hourLimit))

describe('rangeOf', () => {
  test('covers the whole horizon without gap or overlap, in at most 26 files', () => {
    for (const now of nows) {
      const ranges = rangesFrom(now)
      ranges.forEach(({ hourFrom }, index) => expect(hourFrom).toBe(index === 0 ? 0 : ranges[index - 1]!.hourTo + 1))
      expect(ranges.at(-1)!.hourTo).toBe(hourLimit - 1)
      expect(ranges.length).toBeLessThanOrEqual(26)
      const inYear = ranges.filter(({ hourFrom, hourTo }) => hourTo >= now && hourFrom < now + 8_760)
      expect(inYear.length).toBeLessThanOrEqual(18)
    }
  })

  test('says the same range for each of its hours', () => {
    for (const now of nows.slice(0, 40)) {
      for (const range of rangesFrom(now)) {
        const hours = [range.hourFrom, range.hourTo, random.between(range.hourFrom, range.hourTo)]
        for (const hour of hours) expect(rangeOf(hour, now)).toEqual(range)
      }
    }
  })

  test('widens with distance: ranges are aligned powers of two, at most 8 or one and a half times their distance', () => {
    for (const now of nows.slice(0, 100)) {
      for (const { hourFrom, hourTo } of rangesFrom(now)) {
        if (hourTo < now) continue
        const width = hourTo - hourFrom + 1
        expect(Math.log2(width) % 1).toBe(0)
        expect(hourFrom % width).toBe(0)
        expect(width).toBeLessThanOrEqual(Math.max(8, (hourFrom - now) * 1.5))
      }
    }
  })
})

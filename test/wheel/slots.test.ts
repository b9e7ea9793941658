import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import * as slots from '../../src/wheel/slots.ts'

const hourMs = 3_600_000

describe('levelFor', () => {
  it.each([
    // now, at, level
    [0, 1, 0],
    [0, 511, 0],
    [0, 512, 1],
    [511, 512, 0],
    [511, 1022, 0],
    [511, 1023, 1],
    [0, 512 * 8192 - 1, 1],
    [0, 512 * 8192, 2],
    // A little less than all of level 1 ahead, yet 8192 of its slots: one level up.
    [511, 512 * 8192, 2],
    [0, 2 ** 30 - 1, 2],
    [0, 2 ** 30, 3],
    [1, 2 ** 30, 3],
    [0, 2 ** 36 - 1, 3],
    [0, 2 ** 36, 4],
    [1_800_000_000_000, 1_800_000_000_000 + hourMs, 1],
    [1_800_000_000_000, 1_800_000_000_000 + 24 * hourMs, 2],
    [0, 2 ** 53 - 1, 6],
  ])('from %d, instant %d is on level %d', (now, at, level) => {
    expect(slots.levelFor(now, at)).toBe(level)
  })
})

describe('slotFor', () => {
  it.each([
    [0, 0, 0],
    [0, 511, 511],
    [0, 512, 0],
    [1, 512, 512 + 1],
    [1, 512 * 8192 + 512, 512 + 1],
    [2, 512 * 8192, 512 + 8192 + 1],
    [3, 2 ** 30 * 65, 512 + 8192 + 256 + 1],
    [6, 2 ** 48 * 3, 512 + 8192 + 256 + 64 * 3 + 3],
  ])('on level %d, instant %d is in slot %d', (level, at, slot) => {
    expect(slots.slotFor(level, at)).toBe(slot)
  })
})

describe('the levels', () => {
  it('are as wide as all finer slots of a level together', () => {
    for (let level = 1; level < slots.levels; level++) {
      expect(slots.levelWidthMs[level]).toBe(slots.levelWidthMs[level - 1]! * (slots.levelMask[level - 1]! + 1))
    }
  })

  it('span every instant', () => {
    const last = slots.levels - 1
    expect(slots.levelWidthMs[last]! * (slots.levelMask[last]! + 1)).toBeGreaterThanOrEqual(slots.instantEndMs)
    expect(slots.levelWidthMs[slots.nearLevels]).toBe(slots.tickSpanMs)
  })

  it('start at multiples of 32, and slot numbers fit the column', () => {
    for (const first of slots.levelFirst) expect(first % 32).toBe(0)
    expect(slots.slotsTotal % 32).toBe(0)
    expect(slots.slotsTotal).toBeLessThan(2 ** 15)
  })

  it('only get finer for an instant as time goes by', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), fc.maxSafeNat(), (a, b, c) => {
        const [now, later, at] = [a, b, c].sort((x, y) => x - y) as [number, number, number]
        fc.pre(later < at)
        expect(slots.levelFor(later, at)).toBeLessThanOrEqual(slots.levelFor(now, at))
      }),
    )
  })
})

it('levelByZeros names the right level, or the one before it when all of its slots lie between', () => {
  const ticks = fc.integer({ min: 0, max: 2 ** 30 - 1 })
  fc.assert(
    fc.property(ticks, fc.oneof(ticks, fc.integer({ min: 1, max: 5_000_000 })), (now, ahead) => {
      fc.pre(ahead > 0)
      const level = slots.levelByZeros[Math.clz32(ahead)]!
      const isTooFine = slots.slotsAhead(level, now, now + ahead) > slots.levelMask[level]!
      expect(slots.levelFor(now, now + ahead)).toBe(isTooFine ? level + 1 : level)
    }),
  )
})

import { expect, it } from 'vitest'
import fc from 'fast-check'
import { markEmpty, markOccupied, nextOccupied } from '../../src/wheel/occupancy.ts'

it('finds what a plain search finds', () => {
  const slot = fc.integer({ min: 0, max: 255 })
  fc.assert(
    fc.property(fc.array(slot), fc.array(slot), slot, fc.integer({ min: 0, max: 8 }), (marked, cleared, from, end) => {
      const words = new Int32Array(8)
      for (const each of marked) markOccupied(words, each)
      for (const each of cleared) markEmpty(words, each)
      const left = marked.filter((each) => !cleared.includes(each) && each >= from && each < end * 32)
      expect(nextOccupied(words, from, end * 32)).toBe(left.length === 0 ? -1 : Math.min(...left))
    }),
  )
})

it('leaves words outside its range alone', () => {
  const words = new Int32Array(2)
  markOccupied(words, 40)
  expect(nextOccupied(words, 0, 32)).toBe(-1)
  expect(nextOccupied(words, 32, 32)).toBe(-1)
  expect(nextOccupied(words, 0, 64)).toBe(40)
})

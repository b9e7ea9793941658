import { expect, it } from 'vitest'
import { grown } from '../../src/wheel/column.ts'

it('grows in place within its reservation and by a copy beyond it, and new cells are 0', () => {
  const first = grown(undefined, Int32Array, 4)
  first.set([1, 2, 3, 4])
  const inPlace = grown(first, Int32Array, 8)
  expect(inPlace.buffer).toBe(first.buffer)
  expect([...inPlace]).toEqual([1, 2, 3, 4, 0, 0, 0, 0])
  inPlace[7] = 8
  const copied = grown(inPlace, Int32Array, 4 * 1024 + 1)
  expect(copied.buffer).not.toBe(first.buffer)
  expect([...copied.subarray(0, 9)]).toEqual([1, 2, 3, 4, 0, 0, 0, 8, 0])
  expect(copied.length).toBe(4097)
})

import { expect, test } from 'vitest'
import { simulate } from '../../src/testing/simulator/simulation.ts'

test.each([3, 17, 1001])('seed %i gives the same run twice', async (seed) => {
  const first = await simulate({ seed })
  const second = await simulate({ seed })
  expect(second.hash).toBe(first.hash)
  expect(second.counts).toEqual(first.counts)
})

test('different seeds give different runs', async () => {
  const hashes = await Promise.all([1, 2, 3].map(async (seed) => (await simulate({ seed, lives: 1 })).hash))
  expect(new Set(hashes).size).toBe(3)
})

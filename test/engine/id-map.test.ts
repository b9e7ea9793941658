import { expect, test } from 'vitest'
import { IdMap } from '../../src/engine/inspect/id-map.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'

test('it holds what a Map holds, whatever is set and deleted', () => {
  const random = new SeededRandom(5)
  const map = new IdMap()
  const model = new Map<number, number>()
  for (let step = 0; step < 60_000; step++) {
    const id = random.below(40) * 2 ** 32 + random.below(step < 20_000 ? 40 : 2_000)
    if (random.chance(0.4)) {
      map.delete(id)
      model.delete(id)
    } else {
      map.set(id, step)
      model.set(id, step)
    }
    expect(map.size).toBe(model.size)
  }
  for (let hour = 0; hour < 40; hour++) {
    for (let ordinal = 0; ordinal < 2_000; ordinal++) {
      const id = hour * 2 ** 32 + ordinal
      if (map.get(id) !== model.get(id) || map.has(id) !== model.has(id)) expect(id).toBe('the same')
    }
  }
  expect([...map.keys()].sort((a, b) => a - b)).toEqual([...model.keys()].sort((a, b) => a - b))
})

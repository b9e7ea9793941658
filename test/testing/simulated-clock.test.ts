import { expect, test } from 'vitest'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import { machineOf } from './rig.ts'

test('a timer never fires early on the monotonic clock, and at most so late', async () => {
  const { clock, loop } = machineOf({ lateMsMax: 2 })
  for (let round = 0; round < 300; round++) {
    const startMs = clock.monotonicMs()
    const afterMs = (round * 0.37) % 1000
    await loop.run(() => new Promise<void>((resolve) => clock.setTimer(afterMs, resolve)))
    const tookMs = clock.monotonicMs() - startMs
    expect(tookMs).toBeGreaterThanOrEqual(afterMs)
    expect(tookMs).toBeLessThan(afterMs + 2.01)
  }
})

test('the wall clock steps either way and the monotonic one does not', async () => {
  const { clock, loop } = machineOf({ wallMs: 1_900_000_000_000 })
  const startMs = clock.monotonicMs()
  clock.step(-3_600_000)
  await loop.advanceBy(5)
  expect(clock.wallMs()).toBe(1_900_000_000_000 - 3_600_000 + 5)
  expect(clock.monotonicMs() - startMs).toBeCloseTo(5, 6)
})

test('soon takes a little time, so that a loop of it comes to an end', async () => {
  const { clock, loop } = machineOf()
  let turns = 0
  const again = (): void => {
    turns++
    clock.soon(again)
  }
  clock.soon(again)
  await loop.advanceBy(1)
  expect(turns).toBeGreaterThan(100)
  expect(turns).toBeLessThan(1000)
})

test('timers are refused outside 0 to 1000 ms', () => {
  const { clock } = machineOf()
  for (const afterMs of [-1, 1001, NaN]) expect(() => clock.setTimer(afterMs, () => undefined)).toThrow(RangeError)
})

test('seeds give the same numbers again, and others in every fork', () => {
  const draw = (random: SeededRandom): number[] => Array.from({ length: 50 }, () => random.u32())
  expect(draw(new SeededRandom(7))).toEqual(draw(new SeededRandom(7)))
  expect(draw(new SeededRandom(7))).not.toEqual(draw(new SeededRandom(8)))
  const parent = new SeededRandom(7)
  expect(draw(parent.fork('a'))).not.toEqual(draw(parent.fork('a')))
})

test('seeded numbers are spread evenly and stay in their range', () => {
  const random = new SeededRandom('spread')
  const counts = new Array<number>(10).fill(0)
  for (let round = 0; round < 20_000; round++) counts[random.below(10)]!++
  for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(250)
  const units = Array.from({ length: 1000 }, () => random.unit())
  expect(Math.min(...units)).toBeGreaterThanOrEqual(0)
  expect(Math.max(...units)).toBeLessThan(1)
  expect(random.bytes(16)).toHaveLength(16)
  const items = random.shuffle(Array.from({ length: 100 }, (_, index) => index))
  expect([...items].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, index) => index))
})

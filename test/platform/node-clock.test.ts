import { expect, test } from 'vitest'
import { createNodeClock } from '../../src/platform/node/node-clock.ts'

test('a timer never fires before its time has passed on the monotonic clock', async () => {
  const clock = createNodeClock({ keepAlive: true })
  const early: number[] = []
  const timers = Array.from({ length: 60 }, (_, index) => {
    const afterMs = index * 0.7
    const startMs = clock.monotonicMs()
    return new Promise<void>((resolve) => {
      clock.setTimer(afterMs, () => {
        if (clock.monotonicMs() - startMs < afterMs) early.push(afterMs)
        resolve()
      })
    })
  })
  await Promise.all(timers)
  expect(early).toEqual([])
})

test('a cleared timer does not fire, also when cleared twice or too late', async () => {
  const clock = createNodeClock({ keepAlive: true })
  let fired = 0
  const cleared = clock.setTimer(1, () => fired++)
  clock.clearTimer(cleared)
  clock.clearTimer(cleared)
  const timer = await new Promise<object>((resolve) => {
    const handle = clock.setTimer(5, () => {
      fired++
      resolve(handle)
    })
  })
  clock.clearTimer(timer)
  expect(fired).toBe(1)
})

test('a timer of more than a second, or less than nothing, is refused', () => {
  const clock = createNodeClock({ keepAlive: true })
  for (const afterMs of [-1, 1001, NaN, Infinity])
    expect(() => clock.setTimer(afterMs, () => undefined)).toThrow(RangeError)
})

test('soon runs in another turn, after promise reactions', async () => {
  const clock = createNodeClock({ keepAlive: false })
  const order: string[] = []
  await new Promise<void>((resolve) => {
    clock.soon(() => {
      order.push('soon')
      resolve()
    })
    void Promise.resolve().then(() => order.push('reaction'))
  })
  expect(order).toEqual(['reaction', 'soon'])
})

test('the wall clock gives whole milliseconds', () => {
  const clock = createNodeClock({ keepAlive: false })
  expect(Number.isInteger(clock.wallMs())).toBe(true)
  expect(clock.wallMs()).toBeGreaterThan(1e12)
})

import { expect, test } from 'vitest'
import { SimulationLoop } from '../../src/testing/simulation-loop.ts'

test('events run in the order of their instants, ties in the order they were asked for', async () => {
  const loop = new SimulationLoop()
  const order: string[] = []
  for (const [name, afterMs] of [
    ['c', 5],
    ['a', 1],
    ['d', 5],
    ['b', 2.5],
    ['e', 5],
  ] as const) {
    loop.schedule(afterMs, () => order.push(`${name}@${loop.nowMs}`))
  }
  await loop.advanceBy(10)
  expect(order).toEqual(['a@1', 'b@2.5', 'c@5', 'd@5', 'e@5'])
  expect(loop.nowMs).toBe(10)
})

test('many events come in order whatever was cancelled in between', async () => {
  const loop = new SimulationLoop()
  const seen: number[] = []
  const events = Array.from({ length: 1000 }, (_, index) => {
    const atMs = (index * 7919) % 1000
    return loop.schedule(atMs, () => seen.push(atMs))
  })
  for (let index = 0; index < 1000; index += 3) loop.cancel(events[index]!)
  loop.cancel(events[0]!)
  expect(loop.eventsWaiting).toBe(666)
  await loop.advanceBy(1000)
  expect(seen).toHaveLength(666)
  expect(seen).toEqual([...seen].sort((a, b) => a - b))
  expect(loop.eventsWaiting).toBe(0)
})

test('a whole chain of promises runs between two events', async () => {
  const loop = new SimulationLoop()
  const order: string[] = []
  loop.schedule(1, () => {
    void (async () => {
      for (let link = 0; link < 1000; link++) await Promise.resolve()
      await Promise.all([1, 2, 3].map((part) => new Promise((resolve) => queueMicrotask(() => resolve(part)))))
      order.push('chain')
    })()
  })
  loop.schedule(1, () => order.push('next event'))
  await loop.advanceBy(1)
  expect(order).toEqual(['chain', 'next event'])
})

test('running answers as the work does, and leaves later events alone', async () => {
  const loop = new SimulationLoop()
  let late = false
  loop.schedule(100, () => (late = true))
  const answer = loop.run(() => new Promise<string>((resolve) => loop.schedule(3, () => resolve('done'))))
  expect(await answer).toBe('done')
  expect(loop.nowMs).toBe(3)
  expect(late).toBe(false)
  await expect(loop.run(Promise.reject(new Error('bad')))).rejects.toThrow('bad')
})

test('waiting for what never happens is an error, and so are events without end', async () => {
  const loop = new SimulationLoop()
  await expect(loop.run(new Promise(() => undefined))).rejects.toThrow('no event is left')
  const again = (): void => void loop.schedule(1, again)
  again()
  await expect(loop.run(new Promise(() => undefined), { eventsMax: 1000 })).rejects.toThrow('still running')
})

test('work may wait for a few real turns', async () => {
  const loop = new SimulationLoop()
  expect(await loop.run(() => import('node:path').then((path) => path.basename('/a/b')))).toBe('b')
})

test('an event that throws fails the run, which can go on afterwards', async () => {
  const loop = new SimulationLoop()
  loop.schedule(1, () => {
    throw new Error('from an event')
  })
  loop.schedule(2, () => undefined)
  await expect(loop.advanceBy(5)).rejects.toThrow('from an event')
  await loop.advanceBy(5)
  expect(loop.eventsRun).toBe(2)
})

test('what falls due in a stall runs late, in order', async () => {
  const loop = new SimulationLoop()
  const seen: string[] = []
  loop.schedule(20, () => seen.push(`b@${loop.nowMs}`))
  loop.schedule(10, () => seen.push(`a@${loop.nowMs}`))
  loop.stall(50)
  await loop.advanceBy(0)
  expect(seen).toEqual(['a@50', 'b@50'])
})

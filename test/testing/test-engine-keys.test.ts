import { expect, test } from 'vitest'
import { openTestEngine } from '../../src/testing.ts'

test('keys are there in the testing kit, over crashes and with time', async () => {
  await using engine = await openTestEngine({ start: '2027-01-01T09:00Z' })
  const ran: unknown[] = []
  await engine.handle('q', (task) => {
    ran.push(task.payload)
  })
  const first = await engine.schedule({ queue: 'q', key: 'k', delay: '30d', payload: 1 })
  await engine.crash()
  const second = await engine.schedule({ queue: 'q', key: 'k', delay: '1d', payload: 2 })
  expect(second).toMatchObject({ id: first.id, outcome: 'kept' })
  await engine.advanceBy('30d')
  expect(ran).toEqual([1])
  expect(await engine.get({ queue: 'q', key: 'k' })).toMatchObject({ state: 'ended', how: 'succeeded' })
  await engine.advanceBy('1d')
  expect(await engine.get({ queue: 'q', key: 'k' })).toBeUndefined()
  expect((await engine.schedule({ queue: 'q', key: 'k', delay: 0, payload: 3 })).outcome).toBe('created')
  await engine.advanceBy(1)
  expect(ran).toEqual([1, 3])
})

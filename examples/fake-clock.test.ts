/**
 * How code that uses hourwheel is tested: the real engine in memory, with a time that moves when the test says so. A trial of
 * 30 days is over in milliseconds.
 */

import { afterEach, expect, test } from 'vitest'
import { openTestEngine, type TestEngine } from 'hourwheel/testing'
import type { Hourwheel } from 'hourwheel'

/** The code under test: it takes any engine. */
async function startTrials(engine: Hourwheel, send: (text: string) => Promise<void>): Promise<void> {
  await engine.handle('trial-ends', async (task) => send(`Your trial is over, ${String(task.payload)}`))
}

let t: TestEngine
afterEach(() => t.close())

test('a trial ends after 30 days', async () => {
  t = await openTestEngine({ start: '2027-01-01T09:00Z' })
  const sent: string[] = []
  await startTrials(t, async (text) => void sent.push(text))
  await t.schedule({ queue: 'trial-ends', delay: '30d', payload: 'Ada' })

  await t.advanceBy('29d')
  expect(sent).toEqual([])
  await t.advanceBy('1d')
  expect(sent).toEqual(['Your trial is over, Ada'])
  expect(t.now).toBe(Date.parse('2027-01-31T09:00Z'))
})

test('mail that cannot be sent is tried again, also when the machine loses power', async () => {
  t = await openTestEngine()
  let tries = 0
  await startTrials(t, async () => {
    if (++tries < 3) throw new Error('451 try again later')
  })
  await t.schedule({ queue: 'trial-ends', delay: '1h', payload: 'Ada' })

  await t.advanceBy('1h')
  expect(tries).toBe(1)
  await t.crash()
  await t.advanceBy('1d')
  expect(tries).toBe(3)
  expect((await t.stats()).total).toMatchObject({ succeeded: 1, dead: 0 })
})

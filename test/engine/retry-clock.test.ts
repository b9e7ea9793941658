/** Retries, dead letters and their keys go by the clock as far as it is believed. */

import { expect, it } from 'vitest'
import { Rig } from './rig.ts'

const yearMs = 365 * 86_400_000

it('a retry that is decided while the clock is years ahead comes soon after that is put right', async () => {
  for (const notedMs of [0, 5_000]) {
    const rig = await Rig.open({ queues: { q: { retry: { delay: '1s', backoff: 'fixed', jitter: 0, attempts: 5 } } } })
    const { id } = await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 0 }))
    await rig.advance(50)
    const [leased] = await rig.run(() => rig.engine.lease('q'))
    rig.machine.clock.step(10 * yearMs)
    // Noticed by the engine, or not yet.
    await rig.advance(notedMs)
    expect(await rig.run(() => rig.engine.nack(leased!.token))).toEqual({ outcome: 'nacked' })
    rig.machine.clock.step(-10 * yearMs)
    await rig.advance(10_000)
    expect(await rig.run(() => rig.engine.lease('q'))).toMatchObject([{ id, attempt: 2 }])
    await rig.run(() => rig.engine.close({ drain: 0 }))
  }
})

it('a dead letter of that time is not remembered by its key for years', async () => {
  const rig = await Rig.open({ keyWindow: '1h' })
  await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 0, key: 'k' }))
  await rig.advance(50)
  const [leased] = await rig.run(() => rig.engine.lease('q'))
  rig.machine.clock.step(10 * yearMs)
  await rig.advance(5_000)
  await rig.run(() => rig.engine.nack(leased!.token, { dead: true }))
  rig.machine.clock.step(-10 * yearMs)
  await rig.advance(5_000)
  rig.machine.clock.step(2 * 3_600_000)
  await rig.advance(5_000)
  expect(await rig.run(() => rig.engine.schedule({ queue: 'q', delay: '1h', key: 'k' }))).toMatchObject({
    outcome: 'created',
  })
  await rig.close()
})

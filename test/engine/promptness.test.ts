import { expect, test } from 'vitest'
import { Rig } from './rig.ts'

/** With its timers up to 1 ms late and the log on a disk that may be slow now and then. */
const lateMsMax = 50

test('retries and successors are as prompt as what is scheduled, however soon they are due', async () => {
  const rig = await Rig.open(
    { queues: { flaky: { retry: { attempts: 10, backoff: 'fixed', delay: 30, jitter: 0 } } } },
    { disk: { slowSyncChance: 0 } },
  )
  const lates: Record<string, number[]> = { flaky: [], chain: [] }
  await rig.run(() =>
    rig.engine.handle('flaky', (_task, { lateMs, attempt }) => {
      lates['flaky']!.push(lateMs)
      if (attempt < 10) throw new Error('again')
    }),
  )
  await rig.run(() =>
    rig.engine.handle('chain', (_task, context) => {
      if (lates['chain']!.push(context.lateMs) < 10) context.scheduleNext({ queue: 'chain', delay: 30 })
    }),
  )
  await rig.run(() => rig.engine.schedule({ queue: 'flaky', delay: 30 }))
  await rig.run(() => rig.engine.schedule({ queue: 'chain', delay: 30 }))
  await rig.advance(2_000)
  for (const queue of ['flaky', 'chain']) {
    expect(lates[queue]).toHaveLength(10)
    expect(Math.max(...lates[queue]!)).toBeLessThan(lateMsMax)
  }
  await rig.close()
})

import { expect, it } from 'vitest'
import { Rig } from './rig.ts'

const day = 86_400_000

it('what is scheduled faster than checkpoints move it waits: the log, and with it memory and restart, stay small', async () => {
  const rig = await Rig.open()
  const tasks = Array.from({ length: 20 }, () => ({ queue: 'q', delay: 60 * day, payload: 'x'.repeat(100) }))
  let filesMost = 0
  let accepted = 0
  const caller = async (): Promise<void> => {
    for (let call = 0; call < 25; call++) {
      await rig.engine.scheduleMany(tasks)
      accepted += tasks.length
      filesMost = Math.max(filesMost, (await rig.engine.stats()).wal.files)
    }
  }
  await rig.run(() => Promise.all(Array.from({ length: 8 }, caller)))
  expect(accepted).toBe(4_000)
  expect(filesMost).toBe(4)
  const stats = await rig.run(() => rig.engine.stats())
  expect(stats).toMatchObject({ conservation: 0, total: { accepted, pending: accepted } })
  expect(stats.checkpoints).toBeGreaterThan(30)
  await rig.close()
})

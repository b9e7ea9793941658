import { describe, expect, it } from 'vitest'
import { Rig } from './rig.ts'

const day = 86_400_000

describe('a full disk', () => {
  it('refuses new tasks before anything changes, goes on with answers and cancels, and resumes by itself', async () => {
    const rig = await Rig.open({ walFilesMax: 1 })
    const { disk } = rig.machine
    const ids: string[] = []
    let refused: { code: string; outcome: string } | undefined
    const fill = async (): Promise<void> => {
      const tasks = Array.from({ length: 20 }, () => ({ queue: 'q', delay: 60 * day, payload: 'x'.repeat(100) }))
      await rig.run(async () => {
        try {
          ids.push(...(await rig.engine.scheduleMany(tasks)).map(({ id }) => id))
        } catch (error) {
          refused = error as { code: string; outcome: string }
        }
      })
      await rig.advance(200)
    }
    for (let i = 0; i < 30; i++) await fill()
    const soon = await rig.run(() => rig.engine.schedule({ queue: 'soon', delay: '5s' }))
    disk.capacityBytes = disk.model.bytesUsed + 4_096
    for (let i = 0; i < 200 && refused === undefined; i++) await fill()
    expect(refused).toMatchObject({ code: 'HW_DISK_FULL', outcome: 'not done' })
    expect((await rig.run(() => rig.engine.stats())).total.accepted).toBe(ids.length + 1)
    expect(await rig.run(() => rig.engine.cancel(ids[0]!))).toMatchObject({ outcome: 'cancelled' })
    let ran = 0
    await rig.run(() => rig.engine.handle('soon', () => void ran++))
    await rig.advance(10_000)
    expect(ran).toBe(1)
    expect(await rig.run(() => rig.engine.get(soon.id))).toMatchObject({ how: 'succeeded' })
    disk.capacityBytes = Infinity
    await rig.advance(5_000)
    refused = undefined
    await fill()
    expect(refused).toBe(undefined)
    rig.machine.crash('loseAll')
    await rig.reopen()
    const { total } = await rig.run(() => rig.engine.stats())
    expect(total).toMatchObject({ accepted: ids.length + 1, pending: ids.length - 1, cancelled: 1, succeeded: 1 })
    await rig.close()
  })

  it('a checkpoint still finds the space that was set aside for it', async () => {
    const rig = await Rig.open({ walFilesMax: 1 })
    const { disk } = rig.machine
    const schedule = async (): Promise<boolean> => {
      const tasks = Array.from({ length: 20 }, () => ({ queue: 'q', delay: 60 * day, payload: 'x'.repeat(100) }))
      return rig.run(() =>
        rig.engine.scheduleMany(tasks).then(
          () => true,
          () => false,
        ),
      )
    }
    for (let i = 0; i < 6; i++) await schedule()
    await rig.advance(1_000)
    const before = (await rig.run(() => rig.engine.stats())).checkpoints
    disk.capacityBytes = disk.model.bytesUsed
    for (let i = 0; i < 20; i++) {
      await schedule()
      await rig.advance(500)
    }
    expect((await rig.run(() => rig.engine.stats())).checkpoints).toBeGreaterThan(before)
    await rig.close()
  })
})

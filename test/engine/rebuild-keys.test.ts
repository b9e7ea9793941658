import { expect, test } from 'vitest'
import { rebuildKeysOffline } from '../../src/engine/rebuild-keys-offline.ts'
import { Rig } from './rig.ts'

test('a view that was made anew names the same tasks', async () => {
  const rig = await Rig.open({}, { seed: 2 })
  const ids = new Map<string, string>()
  for (let i = 0; i < 30; i++) {
    const tasks = Array.from({ length: 20 }, (_, k) => ({
      queue: 'q',
      delay: `${1 + ((i + k) % 60)}d`,
      key: `${i}-${k}`,
    }))
    const receipts = await rig.run(() => rig.engine.scheduleMany(tasks))
    receipts.forEach(({ id }, k) => ids.set(`${i}-${k}`, id))
    await rig.advance(400)
  }
  await rig.run(() => rig.engine.cancel(ids.get('3-3')!))
  await rig.close()
  const counts: number[] = []
  const { platform } = rig.machine
  const keys = await rig.run(() => rebuildKeysOffline(platform, rig.options, (count) => counts.push(count)))
  expect(keys).toBeGreaterThanOrEqual(599)
  expect(counts.at(-1)).toBe(keys)
  await rig.reopen()
  for (const [key, id] of ids) {
    if (key === '3-3') continue
    expect(await rig.run(() => rig.engine.get({ queue: 'q', key }))).toMatchObject({ id, state: 'pending' })
  }
  await rig.close()
  await expect(rig.run(() => rebuildKeysOffline(platform, { dir: '/elsewhere' }))).rejects.toMatchObject({
    code: 'HW_DIRECTORY_UNUSABLE',
  })
})

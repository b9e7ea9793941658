/** A batch with keys that brings in more than memory, or the view of keys, takes at once: it is done as a whole all the same. */

import { expect, it, vi } from 'vitest'
import { KeyTable } from '../../src/storage/keys/key-table.ts'
import { Rig } from './rig.ts'

it('a batch changes a task that was near when it began, and was sent to the disk by what came before it in the batch', async () => {
  const rig = await Rig.open({ nearBytesMax: 64 << 10, walFileBytes: 64 << 10 })
  const key = 'order-1'
  const { id } = await rig.run(() => rig.engine.schedule({ queue: 'q', delay: '9m', key, payload: 'old' }))
  const near: number[] = []
  for (let round = 0; round < 6; round++) {
    const bulk = Array.from({ length: 8 }, (_, n) => ({ queue: 'q', delay: '1m', payload: String(n).repeat(1_000) }))
    const last = { queue: 'q', delay: '9m', key, onConflict: 'replace', payload: `new ${round}` } as const
    const receipts = await rig.run(() => rig.engine.scheduleMany([...bulk, last]))
    expect(receipts.at(-1)).toMatchObject({ id, outcome: 'replaced', generation: round + 1 })
    near.push((await rig.run(() => rig.engine.stats())).near)
    await rig.advance(150)
  }
  // All near, then none.
  expect(near).toEqual([9, 0, 0, 0, 0, 0])
  expect(await rig.run(() => rig.engine.get(id))).toMatchObject({ payload: 'new 5', state: 'pending' })
  await rig.close()
})

it('a batch that fills what waits for the view of keys is done as a whole', async () => {
  const rig = await Rig.open()
  await rig.run(() => rig.engine.schedule({ queue: 'q', delay: '1h', key: 'a' }))
  const isFull = vi.spyOn(KeyTable.prototype, 'isFull', 'get')
  isFull.mockReturnValueOnce(false).mockReturnValue(true)
  const tasks = ['a', 'b', 'c'].map((key) => ({ queue: 'q', delay: '2h', key, onConflict: 'latest' }) as const)
  const receipts = await rig.run(() => rig.engine.scheduleMany(tasks))
  expect(receipts.map(({ outcome }) => outcome)).toEqual(['replaced', 'created', 'created'])
  isFull.mockRestore()
  await rig.close()
})

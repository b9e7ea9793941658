/** Each opening begins a log file, and a stop gives up the checkpoint under way: files must not pile up all the same. */

import { expect, test } from 'vitest'
import { Rig } from './rig.ts'

test('an engine that is opened briefly, again and again, leaves few log files', async () => {
  const rig = await Rig.open({ walFilesMax: 1 })
  const ids = new Set<string>()
  for (let round = 0; round < 40; round++) {
    const { id } = await rig.run(() => rig.engine.schedule({ queue: 'q', delay: '30d', payload: round }))
    ids.add(id)
    await rig.close()
    await rig.reopen()
    expect((await rig.run(() => rig.engine.stats())).wal.files).toBeLessThan(12)
  }
  expect(new Set((await rig.list(rig.engine.list())).map(({ id }) => id))).toEqual(ids)
  await rig.close()
})

/** Replacing a task with a key only if it is still of a generation, alone and in a batch. */

import { expect, test } from 'vitest'
import { openTestEngine } from '../../src/testing.ts'

const key = 'k'
const queue = 'q'

test('ifGeneration replaces that generation and no other, alone and in a batch', async () => {
  await using engine = await openTestEngine()
  await engine.schedule({ queue, key, delay: '1h', payload: 0 })
  const replace = (ifGeneration: number) =>
    ({ queue, key, delay: '2h', payload: 1, onConflict: 'replace', ifGeneration }) as const
  expect(await engine.schedule(replace(0))).toMatchObject({ outcome: 'replaced', generation: 1 })
  const changed = { code: 'HW_TASK_CHANGED', outcome: 'not done' }
  await expect(engine.schedule(replace(0))).rejects.toMatchObject(changed)
  await expect(engine.scheduleMany([{ queue, delay: 1 }, replace(0)])).rejects.toMatchObject({ ...changed, index: 1 })
  await expect(engine.scheduleMany([replace(1), replace(2)])).rejects.toMatchObject({ ...changed, index: 1 })
  expect((await engine.stats()).total).toMatchObject({ accepted: 2, pending: 1, replaced: 1 })
  expect(await engine.scheduleMany([replace(1)])).toMatchObject([{ outcome: 'replaced', generation: 2 }])
  await expect(engine.schedule({ ...replace(0), key: 'none' })).rejects.toMatchObject(changed)
  await engine.cancel({ queue, key })
  await expect(engine.schedule(replace(2))).rejects.toMatchObject({ ...changed, details: { state: 'ended' } })
  for (const wrong of [
    { onConflict: 'keep' },
    { onConflict: 'reject' },
    { ifGeneration: -1 },
    { ifGeneration: 0.5 },
  ] as const) {
    await expect(engine.schedule({ ...replace(0), ...wrong })).rejects.toMatchObject({ code: 'HW_INVALID_OPTIONS' })
  }
})

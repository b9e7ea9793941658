/** Handlers of `--handlers` follow the settings of their queues, in this thread and in threads of their own. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
// Threads run from compiled code only.
import { loadHandlers } from '../../dist/daemon/handler-module.js'
import { ServedHandlers } from '../../dist/daemon/served-handlers.js'
import { openEngine, type Engine } from '../../dist/index.js'

const directory = mkdtempSync(join(tmpdir(), 'hw-handlers-'))
const modulePath = join(directory, 'handlers.mjs')
let engine: Engine

beforeAll(async () => {
  engine = await openEngine({ dir: join(directory, 'data') })
  writeFileSync(
    modulePath,
    `const wait = (task, { signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve))
     export default {
       inline: { handler: wait, concurrency: 2 },
       threads: { handler: wait, concurrency: 4, threads: 2, timeout: '60s' },
     }\n`,
  )
})
afterAll(async () => {
  await engine.close({ drain: 0 })
  rmSync(directory, { recursive: true, force: true })
})

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5))
}

const running = async (queue: string): Promise<number> => (await engine.stats()).queues[queue]!.running

test.each(['inline', 'threads'])(
  '%s: concurrency and time-out are those of the settings, then of the module',
  async (queue) => {
    const served = new ServedHandlers(
      engine,
      new Map([...(await loadHandlers(modulePath))].filter(([name]) => name === queue)),
    )
    expect([served.has(queue), served.has('other')]).toEqual([true, false])
    // Not before the start.
    await served.apply(queue, {})
    expect((await engine.stats()).queues[queue]?.handled ?? false).toBe(false)
    await served.start(() => ({ concurrency: 1 }))
    await engine.scheduleMany(Array.from({ length: 12 }, () => ({ queue, delay: 0, retry: { attempts: 1 } })))
    await until(async () => (await running(queue)) === 1)
    // Beside the one that is under way still.
    await served.apply(queue, { concurrency: 3 })
    await until(async () => (await running(queue)) === 3)
    await served.apply(queue, {})
    await until(async () => (await running(queue)) === (queue === 'inline' ? 2 : 4))
    // Now those that wait are given up quickly, one after the other.
    await served.apply(queue, { concurrency: 12, timeout: 50 })
    await until(async () => (await engine.stats()).queues[queue]!.dead >= 4)
    await served.apply('other', {})
    await expect(served.apply(queue, { concurrency: 0 })).rejects.toMatchObject({ code: 'HW_INVALID_OPTIONS' })
    await served.apply(queue, { timeout: 60 })
    expect((await engine.stats()).queues[queue]).toMatchObject({ handled: true })
  },
)

test('one that is refused at the start stops those before it', async () => {
  const bad = join(directory, 'bad.mjs')
  writeFileSync(bad, `export default { fine: () => 1, broken: { module: './none.mjs' } }\n`)
  const served = new ServedHandlers(engine, await loadHandlers(bad))
  await expect(served.start(() => ({}))).rejects.toMatchObject({ code: 'HW_HANDLER_INVALID' })
  expect((await engine.stats()).queues['fine']).toMatchObject({ handled: false })
})

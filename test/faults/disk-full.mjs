/**
 * Fills a small disk under an engine, sees what is refused and what still works, frees it, and says what it saw as JSON.
 *
 *     node disk-full.mjs <main module of the package> <directory of the disk>
 */

import * as fs from 'node:fs'
import { pathToFileURL } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { fillUp } from './fill-up.mjs'

const [, , module = '', disk = ''] = process.argv
const { openEngine } = await import(pathToFileURL(module).href)
const options = { dir: `${disk}/data`, walFileBytes: 64 << 10, walFilesMax: 2 }
const payload = { fill: 'x'.repeat(1_000) }
const seen = { running: 0, refusedWith: [], cancelled: 0, succeeded: 0, startedWhileFull: 0 }

let engine = await openEngine(options)
const kept = new Set()
const keep = async (task) => {
  const { id } = await engine.schedule(task)
  kept.add(id)
  return id
}
const far = await Promise.all(Array.from({ length: 50 }, () => keep({ queue: 'far', delay: '30d', payload })))

let release
const released = new Promise((resolve) => (release = resolve))
engine.on('succeeded', ({ id }) => {
  seen.succeeded++
  kept.delete(id)
})
await engine.handle('work', async () => {
  seen.running++
  await released
})
for (let i = 0; i < 20; i++) await keep({ queue: 'work', delay: 0 })
// Due while the disk is full.
for (let i = 0; i < 20; i++) await keep({ queue: 'late', delay: 1_500 })
await until(() => seen.running === 20)

fillUp(`${disk}/filler`)
while (seen.refusedWith.length < 20) {
  try {
    await keep({ queue: 'far', delay: '10d', payload })
  } catch (error) {
    seen.refusedWith.push(`${error.code}, ${error.outcome}`)
    await sleep(5)
  }
}
seen.acceptedBefore = kept.size
for (const id of far.slice(0, 25)) {
  if ((await engine.cancel(id)).outcome === 'cancelled') seen.cancelled++
  kept.delete(id)
}
release()
await until(() => seen.succeeded === 20)
await engine.handle('late', () => {
  seen.startedWhileFull++
})
await until(() => seen.startedWhileFull === 20 && seen.succeeded === 40)
seen.isFullInStats = (await engine.stats()).wal.diskFull

fs.unlinkSync(`${disk}/filler`)
const freedMs = performance.now()
for (;;) {
  try {
    await keep({ queue: 'far', delay: '10d', payload })
    break
  } catch (error) {
    if (error.code !== 'HW_DISK_FULL') throw error
    await sleep(20)
  }
}
seen.resumedAfterMs = performance.now() - freedMs
seen.conservation = (await engine.stats()).conservation
await engine.close()

engine = await openEngine(options)
const listed = []
for await (const { id } of engine.list()) listed.push(id)
seen.lost = [...kept].filter((id) => !listed.includes(id)).length
seen.extra = listed.filter((id) => !kept.has(id)).length
await engine.close()
process.stdout.write(JSON.stringify(seen))

async function until(holds) {
  while (!holds()) await sleep(5)
}

// Schedules tasks with keys, over and over in random order, each by two callers at once, and tells what was acknowledged: one line
// an answer, `key id`. Runs until it is killed.

import { writeSync } from 'node:fs'
import { openEngine } from '../../dist/index.js'

const [dir, seedText] = process.argv.slice(2)
const keyCount = 1_500

let state = Number(seedText) + 1
function random(below) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return Math.floor((state / 2 ** 32) * below)
}

const engine = await openEngine({ dir, walFileBytes: 64 << 10, walFilesMax: 1 })
await engine.handle('q', () => undefined)

async function caller() {
  for (;;) {
    const n = random(keyCount)
    // Some end at once and are remembered, the others wait.
    const task = {
      queue: 'q',
      key: `k${n}`,
      payload: 'x'.repeat(100),
      ...(n % 3 === 0 ? { delay: 0 } : { delay: '30d' }),
    }
    const both = await Promise.all([engine.schedule(task), engine.schedule(task)])
    writeSync(1, both.map(({ id }) => `k${n} ${id}\n`).join(''))
  }
}

await Promise.all(Array.from({ length: 20 }, caller))

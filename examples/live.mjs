/**
 * What `npm start` runs: an engine on a data directory, about a thousand tasks of `tasks.ndjson` scheduled at the first
 * start, handlers that do real work, and a live view. Stop it with Ctrl-C or kill -9 and start it again: it goes on where
 * it was and doubles nothing.
 *
 *   node examples/live.mjs [--dir DIR] [--for SECONDS] [--plain]
 */

import { createReadStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { openEngine } from 'hourwheel'
import { LiveView } from '../dist/cli/live-view.js'
import { makeHandlers } from './live-handlers.mjs'

const { values: options } = parseArgs({
  options: {
    dir: { type: 'string', default: 'data' },
    for: { type: 'string' },
    plain: { type: 'boolean', default: !process.stdout.isTTY },
  },
})
const directory = resolve(options.dir)
const queues = {
  webhook: { retry: { attempts: 6, delay: '1s', maxDelay: '8s' } },
  'slow-export': { timeout: '2s' },
}

const startedAtMs = performance.now()
const engine = await openEngine({ dir: `${directory}/engine`, queues })
const openedInMs = performance.now() - startedAtMs
const view = new LiveView(engine, {
  plain: options.plain,
  directory,
  openedInMs,
  footer: 'Ctrl-C (or kill -9) and `npm start` again: it goes on where it was.',
})

const { total } = await engine.stats()
if (total.accepted === 0) {
  // One batch is one durable unit: a kill during the first start leaves all of it or nothing.
  await engine.scheduleMany(await readTasks(new URL('./tasks.ndjson', import.meta.url)))
  await engine.pause('flash-sale')
}

await mkdir(`${directory}/outbox`, { recursive: true })
const handlers = await makeHandlers(`${directory}/outbox`)
// Threads get a copy of the environment.
process.env.OUTBOX = `${directory}/outbox`
for (const [queue, { handler, concurrency }] of Object.entries(handlers.byQueue)) {
  await engine.handle(queue, handler, { concurrency })
}
// Flash sales wait for their opening; some of them expire meanwhile.
const opening = setTimeout(() => void engine.resume('flash-sale').catch(() => undefined), 40_000)

view.start()
let stopping
function stop() {
  stopping ??= (async () => {
    clearTimeout(opening)
    await engine.close({ drain: '3s' })
    await handlers.close()
    view.stop(`start again to go on from ${directory}`)
  })()
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop)
if (options.for !== undefined) setTimeout(stop, Number(options.for) * 1_000)

const { reason, error } = await engine.closed
if (reason === 'failed') {
  view.stop('it failed')
  console.error(`the engine stopped: ${error.code}: ${error.message}`)
  process.exit(1)
}

/** Tasks as lines of JSON. `expires` is a time after the fire time; both count from now. */
async function readTasks(url) {
  const now = Date.now()
  const tasks = []
  for await (const line of createInterface({ input: createReadStream(url) })) {
    if (line.trim() === '') continue
    const { expires, ...task } = JSON.parse(line)
    tasks.push(expires === undefined ? task : { ...task, expiresAt: now + msOf(task.delay) + msOf(expires) })
  }
  return tasks
}

function msOf(duration) {
  return Number(duration.slice(0, -2))
}

/**
 * What `npm start` runs: the daemon on a data directory, about a thousand tasks of `tasks.ndjson` scheduled at the first
 * start, handlers that do real work, and a live view with a line to paste into another terminal. Stop it with Ctrl-C or
 * kill -9 and start it again: it goes on where it was and doubles nothing.
 *
 *   node examples/live.mjs [--dir DIR] [--port PORT] [--for SECONDS] [--plain]
 */

import { createReadStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { LiveView } from '../dist/cli/live-view.js'
import { readConfig } from '../dist/daemon/config.js'
import { startDaemon } from '../dist/daemon/daemon.js'
import { makeLog } from '../dist/daemon/log.js'
import { makeHandlers } from './live-handlers.mjs'

const { values: options } = parseArgs({
  options: {
    dir: { type: 'string', default: 'data' },
    port: { type: 'string', default: '7420' },
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
const daemon = await serve(options.port).catch((error) => {
  // Such as a second start beside the first: said in a sentence.
  if (!String(error.code).startsWith('HW_')) throw error
  console.error(`hourwheel: ${error.code}: ${error.message}`)
  process.exit(1)
})
const { engine } = daemon
const openedInMs = performance.now() - startedAtMs
// Stop it with Ctrl-C or kill -9, start it again: it goes on where it was.
const tryIt = `curl ${daemon.url.slice('http://'.length)}/v1/tasks -d '{"queue":"hello","delay":"3s"}'`
const view = new LiveView(engine, {
  plain: options.plain,
  directory,
  openedInMs,
  footer: `Try: ${tryIt}`,
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
await engine.handle('hello', ({ id }) => view.note('hello', 'hello', id, 'it has come over HTTP'))
// Flash sales wait for their opening; some of them expire meanwhile.
const opening = setTimeout(() => void engine.resume('flash-sale').catch(() => undefined), 40_000)

if (options.plain) console.log(`${daemon.url} serves; try: ${tryIt}`)
view.start()
let stopping
function stop() {
  stopping ??= (async () => {
    clearTimeout(opening)
    await daemon.close(3_000)
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

/** The daemon, on the port that was asked for, or on a free one when that is taken. */
async function serve(port) {
  const dir = `${directory}/engine`
  // The path of a socket must be short; that of a clone may be anything.
  const socket = Buffer.byteLength(dir) < 80 ? undefined : 'none'
  // What runs on this machine may be posted to.
  const given = { dir, socket, logLevel: 'silent', webhookHosts: 'localhost:*,127.0.0.1:*' }
  const start = async (listen) => {
    const config = await readConfig({ ...given, listen }, {}, undefined)
    return startDaemon(config, makeLog('silent'), queues)
  }
  try {
    return await start(`127.0.0.1:${port}`)
  } catch (error) {
    if (error.code !== 'HW_ADDRESS_UNUSABLE') throw error
    return start('127.0.0.1:0')
  }
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

/**
 * Handlers in worker threads: pictures are computed in two threads while this one stays free. Keeps its directory, and draws
 * one more round of pictures each time; with --once it uses a directory of its own and removes it.
 *
 * After `npm run build`: `npx tsx examples/worker-threads.ts`, or `node examples/worker-threads.ts` from Node 22.18 on.
 */

import { mkdtemp, mkdir, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openEngine } from 'hourwheel'

const { values: options } = parseArgs({
  options: { dir: { type: 'string', default: 'data/pictures' }, once: { type: 'boolean', default: false } },
})
const directory = options.once ? await mkdtemp(join(tmpdir(), 'hourwheel-')) : options.dir
const pictures = join(directory, 'outbox')
await mkdir(pictures, { recursive: true })
// Threads get a copy of the environment.
process.env.OUTBOX = pictures

const engine = await openEngine({ dir: join(directory, 'engine') })
const count = 12
let done = 0
const allDone = new Promise<void>((resolve) => {
  engine.on('succeeded', () => {
    if (++done === count) resolve()
  })
})

// Resolves once the module is loaded. Four at once, in two threads; one that takes longer than 30 s fails and is retried.
const module = new URL('./thumbnail.mjs', import.meta.url)
await engine.handle('thumbnail', { module }, { concurrency: 4, threads: 2, timeout: '30s' })

const round = Date.now()
await engine.scheduleMany(
  Array.from({ length: count }, (_, at) => ({
    queue: 'thumbnail',
    delay: '200ms',
    payload: { image: `${round}-${at}`, x: -0.743643, y: 0.131825, zoom: 2 ** at, size: 120 },
  })),
)
// How long this thread stands still at most while the others compute.
let lastMs = performance.now()
let stallMs = 0
const heart = setInterval(() => {
  const now = performance.now()
  stallMs = Math.max(stallMs, now - lastMs)
  lastMs = now
}, 5)
await allDone
clearInterval(heart)
await engine.close()
console.log(
  `${(await readdir(pictures)).length} pictures in ${pictures}; this thread was never busy for more than ${Math.ceil(stallMs)} ms`,
)
if (options.once) await rm(directory, { recursive: true, force: true })

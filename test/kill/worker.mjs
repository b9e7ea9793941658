/**
 * The process that is killed: opens an engine of the built package on a directory, lists what it finds, then schedules,
 * cancels, moves and runs tasks, and says everything it does as lines on its standard output (lines.ts).
 *
 *     node worker.mjs <plan as JSON>
 */

import { pathToFileURL } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { headersOf, isSame, payloadOf, tagOf } from './contents.mjs'
import { hear, say } from './pipe.mjs'
import { seededRandom } from './seeded-random.mjs'

const plan = JSON.parse(process.argv[2] ?? '{}')
const hourMs = 3_600_000
const events = [
  'succeeded',
  'attemptFailed',
  'deadLettered',
  'cancelled',
  'expired',
  'tornTail',
  'damaged',
  'clockJump',
]

const random = seededRandom(plan.seed)
const whole = (from, to) => from + Math.floor(random() * (to - from + 1))
const oneOf = (list) => list[Math.floor(random() * list.length)]

const retryOf = { attempts: 3, backoff: 'fixed', delay: 20, jitter: 0 }
const queues = { quick: {}, slow: {}, flaky: { retry: retryOf }, chain: {}, paused: {} }
for (const name of Object.keys(queues)) queues[name] = { retry: retryOf, timeout: '60s' }

let lastTag = plan.firstTag - 1

/** A task to ask for, and what is known of it. */
function makeTask(from = Date.now()) {
  const tag = ++lastTag
  const queue = oneOf(['quick', 'quick', 'slow', 'flaky', 'flaky', 'chain', 'paused'])
  const dice = random()
  let aheadMs = whole(0, 400)
  if (dice < 0.1) aheadMs = -whole(0, 2 * hourMs)
  else if (dice < 0.25) aheadMs = whole(500, 6_000)
  else if (dice < 0.5 && plan.far) aheadMs = Math.floor(hourMs * (oneOf([1, 2, 3, 24, 100, 1_000, 8_000]) + random()))
  const fireAt = from + aheadMs
  const attemptsMax = random() < 0.2 ? whole(1, 4) : retryOf.attempts
  const asked = { tag, queue, fireFrom: fireAt, fireTo: fireAt, attemptsMax, delayMs: retryOf.delay }
  const input = { queue, at: fireAt, payload: payloadOf(tag), headers: headersOf(tag) }
  if (attemptsMax !== retryOf.attempts) input.retry = { attempts: attemptsMax }
  if (random() < 0.04) {
    asked.expiresAt = fireAt + whole(1, 300)
    input.expiresAt = asked.expiresAt
  }
  return { asked, input }
}

// Calls: `busy` keeps it to one call a task at a time.

/** Ids by tag, of tasks that calls are made about. */
const live = new Map()
const dead = new Map()
/** Tags by id, of all tasks met in this life. */
const tags = new Map()
const busy = new Set()
let calls = 0

async function call(line, make, answered) {
  const n = ++calls
  say({ ...line, n })
  try {
    const answer = await make()
    say({ n, ...answered(answer) })
  } catch (error) {
    say({ t: 'failed', n, code: String(error?.code), outcome: error?.outcome ?? `none: ${error?.stack ?? error}` })
    if (error?.code === 'HW_DISK_FULL' || error?.code === 'HW_OVERLOADED') await sleep(20)
  }
}

function accepted(tasks, receipts) {
  for (const [index, { id }] of receipts.entries()) {
    live.set(tasks[index].asked.tag, id)
    tags.set(id, tasks[index].asked.tag)
  }
  return { t: 'accepted', receipts: receipts.map(({ id, fireAt }) => [id, fireAt]) }
}

async function scheduleOne(engine) {
  const task = makeTask()
  await call(
    { t: 'submit', tasks: [task.asked] },
    () => engine.schedule(task.input),
    (receipt) => accepted([task], [receipt]),
  )
}

async function scheduleMany(engine) {
  const tasks = Array.from({ length: whole(2, plan.batchMax) }, () => makeTask())
  await call(
    { t: 'submit', tasks: tasks.map(({ asked }) => asked) },
    () => engine.scheduleMany(tasks.map(({ input }) => input)),
    (receipts) => accepted(tasks, receipts),
  )
}

/** One call about a task of the map; it stays there while it may still be live. */
async function about(map, kind, more, make, answered) {
  const tags = [...map.keys()].filter((tag) => !busy.has(tag))
  if (tags.length === 0) return
  // Young tasks more often: they are about to start.
  const tag = random() < 0.6 ? tags[tags.length - 1 - Math.floor(random() * Math.min(10, tags.length))] : oneOf(tags)
  const id = map.get(tag)
  busy.add(tag)
  await call({ t: kind, tag, wallMs: Date.now(), ...more }, () => make(id), answered)
  busy.delete(tag)
  if (kind !== 'get') map.delete(tag)
  if (kind === 'move' || kind === 'redrive') live.set(tag, id)
  if (live.size > 400) live.delete(live.keys().next().value)
}

const answerOf = ({ outcome, how, fireAt, generation }) => ({ t: 'answer', outcome, how, fireAt, generation })
const gotOf = (found) => ({
  t: 'answer',
  outcome: found?.state ?? 'missing',
  how: found?.how,
  fireAt: found?.fireAt,
  generation: found?.generation,
})

function cancel(engine) {
  return about(live, 'cancel', {}, (id) => engine.cancel(id), answerOf)
}

function move(engine) {
  const fireAt = Date.now() + (plan.far && random() < 0.5 ? whole(0, 40 * hourMs) : whole(0, 300))
  return about(live, 'move', { fireAt }, (id) => engine.reschedule(id, { at: fireAt }), answerOf)
}

function get(engine) {
  return about(live, 'get', {}, (id) => engine.get(id), gotOf)
}

function redrive(engine) {
  const answered = ({ redriven }) => ({ t: 'answer', outcome: String(redriven) })
  return about(dead, 'redrive', {}, (id) => engine.deadLetters.redrive(id), answered)
}

function purge(engine) {
  const answered = ({ purged }) => ({ t: 'answer', outcome: String(purged) })
  return about(dead, 'purge', {}, (id) => engine.deadLetters.purge(id), answered)
}

let isPaused = false
let pausing = false

async function pauseOrResume(engine) {
  if (pausing) return
  pausing = true
  const kind = isPaused ? 'resume' : 'pause'
  await call(
    { t: kind, queue: 'paused' },
    () => engine[kind]('paused'),
    () => ({ t: 'answer', outcome: 'done' }),
  )
  isPaused = !isPaused
  pausing = false
}

// Handlers

async function attempt(task, context) {
  const wallMs = Date.now()
  const upMs = Math.round(performance.now())
  const tag = tagOf(task.payload)
  const { attempt, fence, scheduledFor } = context
  tags.set(task.id, tag)
  say({
    t: 'start',
    id: task.id,
    tag,
    queue: task.queue,
    attempt,
    fence,
    scheduledFor,
    wallMs,
    upMs,
    same: isSame(task),
  })
  const end = (how, more = {}) => say({ t: 'end', tag, attempt, how, wallMs: Date.now(), ...more })
  if (task.queue === 'slow' || random() < 0.1) await sleep(whole(0, 40))
  const dice = random()
  if (task.queue === 'flaky' && dice < 0.6) {
    if (dice < 0.05) {
      end('dead')
      throw context.deadLetter('asked for')
    }
    if (dice < 0.15) {
      const delayMs = whole(0, 60)
      end('retry', { delayMs })
      throw context.retry({ delay: delayMs })
    }
    end('fail')
    throw new Error(`attempt ${attempt} fails`)
  }
  // Successors of successors would never end.
  if (task.queue === 'chain' && plan.work === 'load' && dice < 0.7) {
    const next = makeTask()
    context.scheduleNext(next.input)
    end('ok', { next: next.asked })
  } else end('ok')
}

async function handleAll(engine) {
  for (const queue of Object.keys(queues))
    await engine.handle(queue, attempt, { concurrency: queue === 'slow' ? 8 : 50 })
}

// Lives

async function scan(engine) {
  const reasons = new Map()
  for await (const { id, reason } of engine.deadLetters.list()) reasons.set(id, reason)
  for await (const task of engine.list()) {
    const { id, queue, state, fireAt, attempt, generation } = task
    const tag = tagOf(task.payload)
    tags.set(id, tag)
    const reason = reasons.get(id)
    say({ t: 'listed', id, tag, queue, state, fireAt, attempt, generation, same: isSame(task), reason })
  }
  const stats = await engine.stats()
  const paused = Object.keys(stats.queues).filter((name) => stats.queues[name].paused)
  isPaused = paused.length > 0
  const { total, conservation, openCount } = stats
  say({ t: 'stats', total, conservation, openCount, paused })
  const hours = (await engine.calendar()).map(({ hour, pending }) => [hour, pending])
  say({ t: 'scanned', wallMs: Date.now(), hours })
}

async function tally(engine) {
  const { conservation, checkpoints, segments } = await engine
    .stats()
    .catch(() => ({ conservation: 0, checkpoints: 0 }))
  say({ t: 'tally', conservation, checkpoints, segments: segments?.files ?? 0 })
}

async function load(engine) {
  const kinds = [
    [40, scheduleOne],
    [8, scheduleMany],
    [16, cancel],
    [14, move],
    [8, get],
    [5, redrive],
    [4, purge],
    [3, pauseOrResume],
    [4, tally],
  ]
  const sum = kinds.reduce((all, [weight]) => all + weight, 0)
  let stopping = false
  void engine.closed.then(() => (stopping = true))
  const client = async () => {
    while (!stopping) {
      let dice = random() * sum
      await kinds.find(([weight]) => (dice -= weight) < 0)[1](engine)
      await sleep(random() * 2 * plan.pauseMs)
    }
  }
  const clients = Array.from({ length: plan.clients }, client)
  if (plan.runMs !== undefined) {
    await Promise.race([sleep(plan.runMs), engine.closed])
    stopping = true
  }
  await Promise.all(clients)
}

/** Until nothing is due that is not running; answers how many are left after a long time. */
async function drain(engine) {
  if (isPaused) await pauseOrResume(engine)
  const startedMs = performance.now()
  for (;;) {
    let left = 0
    for await (const task of engine.list({ to: Date.now(), limit: 20 })) if (task.state !== 'dead') left++
    if (left === 0 || performance.now() - startedMs > 15_000) return left
    await sleep(20)
  }
}

async function run(openEngine) {
  let engine
  try {
    engine = await openEngine({ dir: plan.dir, queues, ...plan.options })
  } catch (error) {
    say({ t: 'refused', code: String(error?.code), message: String(error?.message ?? error) })
    return
  }
  say({ t: 'opened', wallMs: Date.now() })
  const closed = engine.closed.then(({ reason, error }) => {
    say({ t: 'closed', reason, code: error?.code, message: error?.message })
  })
  for (const name of events) {
    engine.on(name, ({ id, attempt, reason, held }) => {
      say({ t: 'event', name, id, attempt, reason, held, wallMs: Date.now() })
      if (name === 'deadLettered' && tags.has(id)) dead.set(tags.get(id), id)
    })
  }
  try {
    await scan(engine)
    const known = hear()
    for (const [tag, id] of known.ask) {
      await call({ t: 'get', tag, wallMs: Date.now() }, () => engine.get(id), gotOf)
    }
    for (const [tag, id] of known.live) live.set(tag, id)
    for (const [tag, id] of known.dead) dead.set(tag, id)
    say({ t: 'ready' })
    if (plan.work !== 'look') {
      await handleAll(engine)
      if (plan.work === 'load') await load(engine)
      else say({ t: 'drained', left: await drain(engine) })
    }
    await engine.close({ drain: '5s' })
  } catch (error) {
    if (!String(error?.code).startsWith('HW_')) throw error
    // A disk that fails a listing does not stop the engine.
    say({ t: 'given up', code: error.code, message: error.message })
    await engine.close({ drain: 0 }).catch(() => undefined)
  }
  await closed
}

process.on('uncaughtException', (error) => {
  say({ t: 'uncaught', text: String(error?.stack ?? error) })
  process.exit(70)
})
say({ t: 'born', pid: process.pid })
const { openEngine, verify } = await import(pathToFileURL(plan.package).href)
if (plan.work === 'verify') {
  const { sound, problems } = await verify({ dir: plan.dir })
  say({ t: 'verified', sound, problems: JSON.stringify(problems) })
} else await run(openEngine)

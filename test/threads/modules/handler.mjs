/** Does what the payload says. What it wants to tell goes to the queue `report`, as a successor. */

import { isMainThread, threadId } from 'node:worker_threads'

let running = 0
let runningMax = 0

const deeds = {
  echo: ({ payload, ...task }, context) => {
    const { attempt, fence, scheduledFor, lateMs } = context
    const seen = payload instanceof Uint8Array ? [...payload] : payload
    report(context, { ...task, payload: seen, attempt, fence, scheduledFor, lateMs, isMainThread, threadId })
  },
  nothing: () => undefined,
  threadOf: async ({ payload }, context) => {
    await sleep(payload.ms)
    report(context, threadId)
  },
  sleep: ({ payload }) => sleep(payload.ms),
  atOnce: async ({ payload }, context) => {
    runningMax = Math.max(runningMax, ++running)
    await sleep(payload.ms)
    running--
    report(context, runningMax)
  },
  fail: ({ payload }) => {
    throw Object.assign(new RangeError(payload.text), { extra: () => 1 })
  },
  reject: async ({ payload }) => {
    await sleep(1)
    // oxlint-disable-next-line no-throw-literal -- handlers of others do
    throw payload.text
  },
  failThenEcho: (task, context) => {
    if (context.attempt === 1) throw new Error('first')
    return deeds.echo(task, context)
  },
  retry: (task, context) => {
    if (context.attempt > 1) return deeds.echo(task, context)
    throw context.retry({ delay: task.payload.delay })
  },
  deadLetter: ({ payload }, context) => context.deadLetter(payload.text),
  badNext: (_task, context) => context.scheduleNext({ queue: 'report', delay: 'soon' }),
  untilAbort: ({ payload }, { signal }) =>
    new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => {
        if (payload.ends === 'well') resolve()
        else if (payload.ends === 'badly') reject(new Error(`stopped: ${signal.reason.message}`))
      })
    }),
  exit: () => process.exit(7),
  exitOnce: (_task, { attempt }) => attempt === 1 && process.exit(7),
  throwOutside: async () => {
    setTimeout(() => {
      throw new Error('nobody catches this')
    })
    await sleep(60_000)
  },
  throwOutsideLater: () => {
    setTimeout(() => {
      throw new Error('nobody catches this either')
    }, 50)
  },
  eat: () => {
    const eaten = []
    for (;;) eaten.push({ at: eaten.length, text: `number ${eaten.length}` })
  },
  loopOnce: (_task, { attempt }) => {
    while (attempt === 1);
  },
  block: ({ payload }) => {
    const until = Date.now() + payload.ms
    while (Date.now() < until);
  },
}

function report(context, payload) {
  context.scheduleNext({ queue: 'report', delay: 0, payload })
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

export default function handle(task, context) {
  return deeds[task.payload.do ?? 'echo'](task, context)
}

/** Routes of single tasks and batches: schedule, put by key, get, cancel, reschedule, list. */

import type { Engine } from '../../model/engine.ts'
import { HourwheelError, refuse } from '../../model/errors.ts'
import type { CancelAnswer, Receipt, RescheduleAnswer, TaskInput, TaskRef } from '../../model/hourwheel.ts'
import { limits } from '../../model/limits.ts'
import { batchFormats, decodeBatch } from '../../protocol/batch-bodies.ts'
import { taskFromWire, toWire } from '../../protocol/wire.ts'
import { json, problem, queryOf, type Call, type Reply, type RouteHandler } from '../http/call.ts'
import { valid, validBody } from '../http/validate.ts'

/** A page ends early when it has so many bytes: clients that do not read must not fill the memory. */
const pageBytesMax = 1 << 20
const pageTasksDefault = 100

export type TaskRoutes = 'schedule' | 'scheduleMany' | 'list' | 'get' | 'cancel' | 'reschedule'
export type KeyRoutes = 'putByKey' | 'getByKey' | 'cancelByKey' | 'rescheduleByKey'

export function taskRoutes(engine: Engine): Readonly<Record<TaskRoutes | KeyRoutes, RouteHandler>> {
  return {
    schedule: (call) => engine.schedule(taskFromWire(validBody('task', call.body))).then(scheduled),
    scheduleMany: (call) => engine.scheduleMany(batchOf(call)).then(scheduledMany),
    list: (call) => listPage(engine, call),
    get: (call) => getOne(engine, idOf(call), call),
    cancel: (call) => cancelOne(engine, idOf(call)),
    reschedule: (call) => rescheduleOne(engine, idOf(call), call),
    putByKey: (call) => putByKey(engine, call),
    getByKey: (call) => getOne(engine, keyRefOf(call), call),
    cancelByKey: (call) => cancelOne(engine, keyRefOf(call)),
    rescheduleByKey: (call) => rescheduleOne(engine, keyRefOf(call), call),
  }
}

/** The engine's words for what is wrong with ids and names are better than a pattern. */
function idOf({ parameters }: Call): string {
  return parameters['id'] ?? ''
}

export function queueOf({ parameters }: Call): string {
  return parameters['queue'] ?? ''
}

function keyRefOf(call: Call): TaskRef {
  return { queue: queueOf(call), key: call.parameters['key'] ?? '' }
}

function scheduled(receipt: Receipt): Reply {
  const { id, outcome, generation } = receipt
  const headers = ['etag', `"${generation}"`, 'location', `/v1/tasks/${id}`]
  return { status: outcome === 'created' ? 201 : 200, body: receiptText(receipt), headers }
}

function scheduledMany(receipts: readonly Receipt[]): Reply {
  let body = '{"receipts":['
  for (let i = 0; i < receipts.length; i++)
    body += i === 0 ? receiptText(receipts[i]!) : `,${receiptText(receipts[i]!)}`
  return { status: 201, body: `${body}]}` }
}

/** Half the time of JSON.stringify for what nearly all receipts are: none of these texts needs escapes. */
function receiptText(receipt: Receipt): string {
  const { id, fireAt, outcome, generation, state, running } = receipt
  if (state !== undefined || running !== undefined) return JSON.stringify(receipt)
  return `{"id":"${id}","fireAt":${fireAt},"outcome":"${outcome}","generation":${generation}}`
}

/** The engine looks at the tasks themselves, and says which of them is wrong. */
function batchOf({ request, body, query }: Call): TaskInput[] {
  if (query !== '') throw refuse('HW_INVALID_REQUEST', 'this route has no query')
  const type = request.headers['content-type'] ?? ''
  const media = (type.includes(';') ? type.slice(0, type.indexOf(';')) : type).trim().toLowerCase()
  const format = Object.hasOwn(batchFormats, media) ? batchFormats[media] : undefined
  if (format !== undefined) return decodeBatch(format, body)
  throw refuse(
    'HW_UNSUPPORTED_MEDIA_TYPE',
    `a batch is application/json, application/x-ndjson or application/vnd.msgpack, not '${media.slice(0, 40)}'`,
  )
}

async function putByKey(engine: Engine, call: Call): Promise<Reply> {
  try {
    return scheduled(await engine.schedule(taskOfKey(call)))
  } catch (error) {
    // The same refusal, but of a condition that the request has made.
    const isCondition = call.request.headers['if-none-match'] !== undefined
    if (isCondition && error instanceof HourwheelError && error.code === 'HW_KEY_EXISTS')
      return problem(error, { status: 412 })
    throw error
  }
}

/** PUT: what the headers ask for decides what happens to a task that is there. */
function taskOfKey(call: Call): TaskInput {
  const { queue, key } = keyRefOf(call) as { queue: string; key: string }
  const task = taskFromWire({ ...validBody('taskOfKey', call.body), queue, key })
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = call.request.headers
  if (ifMatch !== undefined) {
    if (ifNoneMatch !== undefined) throw refuse('HW_INVALID_REQUEST', 'give one of If-Match and If-None-Match')
    return { ...task, onConflict: task.onConflict ?? 'replace', ifGeneration: generationOf(ifMatch) }
  }
  if (ifNoneMatch === undefined) return task
  if (ifNoneMatch !== '*') throw refuse('HW_INVALID_REQUEST', 'If-None-Match can only be *: the key must be free')
  if (task.onConflict !== undefined) {
    throw refuse('HW_INVALID_REQUEST', 'onConflict says nothing with If-None-Match: leave one of them out')
  }
  return { ...task, onConflict: 'reject' }
}

/** The generation in an entity tag, as answers have it in ETag. */
function generationOf(tag: string): number {
  const match = /^"(\d{1,10})"$/u.exec(tag.trim())
  if (match === null) throw refuse('HW_INVALID_REQUEST', 'If-Match must be one generation in quotes, such as "0"')
  return Number(match[1])
}

async function getOne(engine: Engine, ref: TaskRef, call: Call): Promise<Reply> {
  noQuery(call)
  const answer = await engine.get(ref)
  if (answer === undefined) return missing()
  if (answer.state === 'ended') return json(answer)
  return json(toWire(answer), 200, ['etag', `"${answer.generation}"`])
}

async function cancelOne(engine: Engine, ref: TaskRef): Promise<Reply> {
  const answer = await engine.cancel(ref)
  if (answer.outcome === 'missing') return missing(answer)
  // A second cancel finds what it wanted; anything else that has ended cannot be cancelled any more.
  if (answer.outcome === 'ended' && answer.how !== 'cancelled') return endedAlready(answer)
  return json(answer, answer.outcome === 'leased' ? 202 : 200)
}

async function rescheduleOne(engine: Engine, ref: TaskRef, call: Call): Promise<Reply> {
  const input = validBody('reschedule', call.body)
  const ifMatch = call.request.headers['if-match']
  const ifGeneration = ifMatch === undefined ? undefined : generationOf(ifMatch)
  const answer = await engine.reschedule(ref, { ...input, ifGeneration })
  switch (answer.outcome) {
    case 'rescheduled':
      return json(answer, 200, ['etag', `"${answer.generation}"`])
    case 'changed':
      return problem(
        refuse('HW_TASK_CHANGED', `the task is of generation ${answer.generation} now; nothing was done`),
        { answer },
      )
    case 'leased':
      return problem(refuse('HW_TASK_STATE', 'an attempt of the task runs; it was not moved'), { answer })
    case 'ended':
      return endedAlready(answer)
    case 'missing':
      return missing(answer)
  }
}

function endedAlready(answer: CancelAnswer | RescheduleAnswer): Reply {
  return problem(refuse('HW_TASK_STATE', 'the task has ended; nothing was done'), { answer })
}

export function missing(answer: { readonly outcome: 'missing' } = { outcome: 'missing' }): Reply {
  return problem(refuse('HW_TASK_MISSING', 'there is no such task'), { answer })
}

export function noQuery({ query }: Call): void {
  if (query !== '') throw refuse('HW_INVALID_REQUEST', 'this route has no query')
}

async function listPage(engine: Engine, call: Call): Promise<Reply> {
  const { limit, from, to, ...rest } = valid('listQuery', queryOf(call.query), 'the query')
  const count = pageLimit(limit)
  const parts: string[] = []
  let bytes = 0
  let last: string | undefined
  let more = false
  for await (const task of engine.list({ ...rest, from: instant(from), to: instant(to), limit: count + 1 })) {
    more = parts.length === count || bytes >= pageBytesMax
    if (more) break
    const text = JSON.stringify(toWire(task))
    bytes += text.length
    parts.push(text)
    last = task.cursor
  }
  const cursor = more && last !== undefined ? `,"cursor":${JSON.stringify(last)}` : ''
  return { status: 200, body: `{"tasks":[${parts.join(',')}]${cursor}}` }
}

export function pageLimit(text: string | undefined): number {
  if (text === undefined) return pageTasksDefault
  const count = Number(text)
  if (count >= 1 && count <= limits.listTasksMax) return count
  throw refuse('HW_INVALID_REQUEST', `limit is ${text}; give 1 to ${limits.listTasksMax}`)
}

/** Digits of a query are epoch milliseconds. */
export function instant(text: string | undefined): number | string | undefined {
  return text !== undefined && /^\d{1,16}$/u.test(text) ? Number(text) : text
}

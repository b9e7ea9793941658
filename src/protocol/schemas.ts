/**
 * The shapes of /v1 as JSON Schema. What the daemon validates bodies and queries with is what /openapi.json shows.
 *
 * A schema with a `title` is a component of that document. Schemas say the shape; what is finer (whether a time exists, whether a
 * payload fits) is the engine's to check, with its own codes.
 */

import { Type, type TProperties, type TSchema, type TSchemaOptions } from 'typebox'
import { limits } from '../model/limits.ts'
import { counterNames } from '../model/stats.ts'
import { conflictModes } from '../model/task-encoder.ts'

const closed = { additionalProperties: false }

function object(title: string, properties: TProperties, description?: string): TSchema {
  return Type.Object(properties, { title, ...closed, ...(description === undefined ? {} : { description }) })
}

function oneOf(values: readonly string[], options: TSchemaOptions = {}): TSchema {
  return Type.Union(
    values.map((value) => Type.Literal(value)),
    options,
  )
}

const optional = (schema: TSchema): TSchema => Type.Optional(schema)

const queueName: TSchema = Type.String({
  title: 'QueueName',
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$',
  description: 'A fixed name for each kind of task',
})
const taskId: TSchema = Type.String({
  title: 'TaskId',
  pattern: '^[0-9a-hjkmnp-tv-z]{14}$',
  description: '14 characters; sorts by hour',
})
const taskKey: TSchema = Type.String({
  title: 'TaskKey',
  minLength: 1,
  maxLength: limits.keyBytesMax,
  description:
    'What the task is for, at most 256 bytes of UTF-8: names at most one task of its queue that has not ended',
})
const instant: TSchema = Type.Union([Type.Integer(), Type.String()], {
  title: 'Instant',
  description: 'Epoch milliseconds, or ISO 8601 text with a zone such as 2027-01-01T09:00:00Z',
})
const duration: TSchema = Type.Union([Type.Integer({ minimum: 0 }), Type.String()], {
  title: 'Duration',
  description: 'Whole milliseconds, or text such as 90s, 1h30m, 30d, PT15M',
})
const epochMs: TSchema = Type.Integer({ description: 'UTC epoch milliseconds' })
const count: TSchema = Type.Integer({ minimum: 0 })
const ms: TSchema = Type.Number({ minimum: 0, description: 'Milliseconds' })
const token: TSchema = Type.String({ maxLength: 64, description: 'From the leased task, exactly as it was given' })
const headers: TSchema = Type.Record(Type.String(), Type.String(), {
  description: 'Short facts such as trace ids: at most 64, 4 KiB in all',
})
const payload: TSchema = Type.Unknown({ description: 'JSON data; absent for none' })
const payloadBase64: TSchema = Type.String({ description: 'In place of payload: bytes, as base64 with padding' })

const retry = object('Retry', {
  attempts: optional(Type.Integer({ minimum: 1, maximum: limits.attemptsMax, description: 'In all. Default 10' })),
  backoff: optional(oneOf(['fixed', 'exponential'])),
  delay: optional(duration),
  maxDelay: optional(duration),
  jitter: optional(Type.Number({ minimum: 0, maximum: 1 })),
  maxAge: optional(duration),
})

const whenFields = { at: optional(instant), delay: optional(duration) }
const taskFields = {
  ...whenFields,
  payload: optional(payload),
  payloadBase64: optional(payloadBase64),
  retry: optional(retry),
  timeout: optional(duration),
  expiresAt: optional(instant),
  headers: optional(headers),
  onConflict: optional(oneOf(conflictModes)),
}
const whenNote = 'Give one of `at` and `delay`.'

const task = object(
  'Task',
  { queue: queueName, ...taskFields, key: optional(taskKey), ifGeneration: optional(count) },
  whenNote,
)
const taskOfKey = object('TaskOfKey', taskFields, `${whenNote} Queue and key are in the path.`)

const liveState = oneOf(['pending', 'leased', 'dead'])
const endedHow = oneOf(['succeeded', 'cancelled', 'other'])

const receipt = object('Receipt', {
  id: taskId,
  fireAt: epochMs,
  outcome: oneOf(['created', 'kept', 'replaced']),
  generation: count,
  state: optional(oneOf(['pending', 'leased', 'dead', 'ended'])),
  running: optional(taskId),
})

const viewFields = {
  id: taskId,
  queue: queueName,
  key: optional(taskKey),
  state: liveState,
  fireAt: epochMs,
  attempt: count,
  generation: count,
  payload: optional(payload),
  payloadBase64: optional(payloadBase64),
  headers: optional(headers),
  expiresAt: optional(epochMs),
  lastError: optional(Type.String()),
}
const deadFields = {
  reason: oneOf(['attempts', 'lost', 'asked', 'damaged', 'maxAge']),
  diedAt: epochMs,
  error: Type.String(),
}
const cursor: TSchema = Type.String({ maxLength: 64, description: 'Where an earlier page ended' })
const view = object('TaskView', {
  ...viewFields,
  reason: optional(deadFields.reason),
  diedAt: optional(epochMs),
  error: optional(Type.String()),
})
const ended = object('EndedTask', { state: Type.Literal('ended'), how: optional(endedHow) })

const counters = Object.fromEntries(counterNames.map((name) => [name, count]))
const queueStats = object('QueueStats', {
  ...counters,
  paused: Type.Boolean(),
  handled: Type.Boolean({ description: 'Whether this process runs its tasks' }),
  due: count,
  running: count,
  overdueOldestMs: ms,
  nearBytes: count,
})
const settings = object(
  'QueueSettings',
  {
    retry: optional(retry),
    timeout: optional(duration),
    keyWindow: optional(duration),
    concurrency: optional(Type.Integer({ minimum: 1, maximum: limits.concurrencyMax })),
    webhook: optional(Type.Union([Type.Null(), Type.Object({}, { additionalProperties: true })])),
  },
  'What is left out has its default. `webhook` is described in docs/webhooks.md.',
)
const queueView = object('QueueView', { queue: queueName, stats: queueStats, settings })

const stats = object('Stats', {
  queues: Type.Record(Type.String(), queueStats),
  total: object('Counters', counters),
  conservation: Type.Integer({ description: 'Accepted minus all the rest: 0, always' }),
  overdueOldestMs: ms,
  lateness: Type.Object({ count, p50Ms: ms, p99Ms: ms, maxMs: ms }),
  wal: Type.Object({
    files: count,
    bytes: count,
    appendedLsn: count,
    syncedLsn: count,
    diskFull: Type.Boolean(),
    syncs: count,
    syncMs: ms,
    syncMsMax: ms,
  }),
  near: count,
  far: count,
  nearBytes: count,
  segments: Type.Object({ files: count, bytes: count, tasks: count }),
  checkpoints: count,
  merges: count,
  clock: Type.Object({ held: Type.Boolean(), heldBecause: optional(Type.String()) }),
  healthy: Type.Boolean(),
  incarnation: count,
  openCount: count,
})

const leasedTask = object('LeasedTask', {
  token,
  id: taskId,
  queue: queueName,
  payload: optional(payload),
  payloadBase64: optional(payloadBase64),
  headers,
  attempt: count,
  fence: count,
  scheduledFor: epochMs,
  lateMs: ms,
  leaseMs: ms,
})

const answer = (outcomes: readonly string[], fields: TProperties = {}): TSchema =>
  Type.Object({ outcome: oneOf(outcomes), ...fields }, closed)
const lateOutcomes = ['stale', 'ended', 'missing']

const problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.String({ pattern: '^HW_[A-Z_]+$' }),
    outcome: oneOf(['not done', 'unknown']),
    retryAfterMs: optional(ms),
    index: optional(count),
    details: optional(Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]))),
    answer: optional(
      Type.Object(
        { outcome: Type.String() },
        {
          additionalProperties: true,
          description: 'What the state of the task was, when nothing was done because of it',
        },
      ),
    ),
    requestId: optional(Type.String()),
  },
  { title: 'Problem', description: 'An RFC 9457 problem. `code` is stable; `outcome` tells not done from unknown.' },
)

const target = object(
  'DeadTarget',
  {
    id: optional(taskId),
    queue: optional(queueName),
    key: optional(taskKey),
    all: optional(Type.Literal(true)),
  },
  'One of `{id}`, `{queue, key}`, `{queue}` and `{"all": true}`.',
)

export type SchemaName =
  | 'task'
  | 'taskOfKey'
  | 'reschedule'
  | 'leaseRequest'
  | 'ackRequest'
  | 'ackManyRequest'
  | 'nackRequest'
  | 'extendRequest'
  | 'deadTarget'
  | 'settings'
  | 'empty'
  | 'listQuery'
  | 'listDeadQuery'
  | 'calendarQuery'
  | 'eventsQuery'
  | 'receipt'
  | 'receipts'
  | 'getAnswer'
  | 'listPage'
  | 'deadPage'
  | 'cancelAnswer'
  | 'rescheduleAnswer'
  | 'leased'
  | 'ackAnswer'
  | 'ackManyAnswer'
  | 'nackAnswer'
  | 'extendAnswer'
  | 'redriven'
  | 'purged'
  | 'queues'
  | 'queueView'
  | 'paused'
  | 'stats'
  | 'calendar'
  | 'backupRequest'
  | 'backupReport'
  | 'errorEntry'
  | 'health'
  | 'problem'
  | 'taskId'
  | 'taskKey'
  | 'queueName'

/** By name: those that bodies and queries are validated with, and those of answers. */
export const schemas: Readonly<Record<SchemaName, TSchema>> = {
  task,
  taskOfKey,
  reschedule: object('Reschedule', whenFields, whenNote),
  leaseRequest: object('LeaseRequest', {
    max: optional(Type.Integer({ minimum: 1, maximum: limits.leaseTasksMax, description: 'Default 1' })),
    lease: optional(duration),
    wait: optional(duration),
  }),
  ackRequest: object('Ack', { token, next: optional(task) }),
  ackManyRequest: object('AckMany', {
    answers: Type.Array(object('AckOne', { token, next: optional(task) }), { maxItems: limits.leaseTasksMax }),
  }),
  nackRequest: object(
    'Nack',
    {
      token,
      retryAt: optional(instant),
      delay: optional(duration),
      dead: optional(Type.Boolean()),
      error: optional(Type.String()),
    },
    'At most one of `retryAt`, `delay` and `dead`.',
  ),
  extendRequest: object('Extend', { token, lease: duration }),
  deadTarget: target,
  settings,
  empty: Type.Object({}, closed),

  listQuery: Type.Object(
    {
      queue: optional(queueName),
      state: optional(liveState),
      from: optional(Type.String()),
      to: optional(Type.String()),
      cursor: optional(cursor),
      limit: optional(Type.String({ pattern: '^[0-9]{1,4}$', description: '1 to 1,000; default 100' })),
    },
    closed,
  ),
  listDeadQuery: Type.Object(
    {
      queue: optional(queueName),
      cursor: optional(cursor),
      limit: optional(Type.String({ pattern: '^[0-9]{1,4}$', description: '1 to 1,000; default 100' })),
    },
    closed,
  ),
  calendarQuery: Type.Object({ from: optional(Type.String()), to: optional(Type.String()) }, closed),
  eventsQuery: Type.Object(
    {
      queue: optional(queueName),
      types: optional(Type.String({ maxLength: 256, description: 'Names of events, separated by commas' })),
      since: optional(Type.String({ maxLength: 64, description: 'As Last-Event-ID, for clients that cannot send it' })),
    },
    closed,
  ),

  receipt,
  receipts: object('Receipts', { receipts: Type.Array(receipt) }),
  getAnswer: Type.Union([view, ended]),
  listPage: object('ListPage', {
    tasks: Type.Array(object('ListedTask', { ...viewFields, cursor })),
    cursor: optional(cursor),
  }),
  deadPage: object('DeadPage', {
    deadLetters: Type.Array(object('DeadLetter', { ...viewFields, ...deadFields })),
    cursor: optional(cursor),
  }),
  cancelAnswer: answer(['cancelled', 'leased', 'ended'], {
    generation: optional(count),
    attempt: optional(count),
    lsn: optional(count),
    how: optional(endedHow),
  }),
  rescheduleAnswer: answer(['rescheduled'], { fireAt: epochMs, generation: count, lsn: count }),
  leased: object('Leased', { tasks: Type.Array(leasedTask) }),
  ackAnswer: answer(['acked']),
  ackManyAnswer: object('AckedMany', { answers: Type.Array(answer(['acked', ...lateOutcomes])) }),
  nackAnswer: answer(['nacked']),
  extendAnswer: answer(['extended']),
  redriven: Type.Object({ redriven: count, unnamed: optional(count) }, closed),
  purged: Type.Object({ purged: count }, closed),
  queues: object('Queues', { queues: Type.Array(queueView) }),
  queueView,
  paused: Type.Object({ queue: queueName, paused: Type.Boolean() }, closed),
  stats,
  calendar: object('Calendar', { hours: Type.Array(Type.Object({ hour: epochMs, pending: count }, closed)) }),
  backupRequest: object('BackupRequest', {
    name: Type.String({
      pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$',
      description: 'In the directory for backups: of a new directory, or of a new file that ends in .tar',
    }),
  }),
  backupReport: object('BackupReport', {
    to: Type.String(),
    files: count,
    bytes: count,
    lsn: count,
    incarnation: count,
    queues: count,
  }),
  errorEntry: object('ErrorEntry', { code: Type.String(), summary: Type.String(), remedy: Type.String() }),
  health: object('Health', {
    status: oneOf(['ok', 'not ready']),
    reasons: Type.Array(Type.String(), { description: 'Why it is not ready' }),
  }),
  problem,
  taskId,
  taskKey,
  queueName,
}

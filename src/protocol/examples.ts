/**
 * One example of a call for every route, as /openapi.json shows them. A test plays each of them against a daemon: with ids and
 * tokens of its own in place of these, it must get this status and an answer of this shape.
 */

import type { RouteName } from './routes.ts'

export interface Example {
  readonly path?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly status: number
  /** Text for what is no JSON; absent where it would say nothing. */
  readonly answer?: unknown
}

/** Stand for those of a real task. */
export const exampleId = '8bnq0000000000'
export const exampleToken: string = `${exampleId}.1z141z5`

const fireAt = 1_800_000_000_000

const receipt = { id: exampleId, fireAt, outcome: 'created', generation: 0 }
const view = {
  id: exampleId,
  queue: 'email',
  key: 'trial-42',
  state: 'pending',
  fireAt,
  attempt: 0,
  generation: 0,
  payload: { to: 'ada@example.com' },
}
const dead = {
  ...view,
  key: undefined,
  state: 'dead',
  attempt: 3,
  lastError: 'the mail server said no',
  reason: 'asked',
  diedAt: fireAt + 60_000,
  error: 'the mail server said no',
}
const counters = {
  accepted: 3,
  pending: 2,
  leased: 0,
  succeeded: 1,
  dead: 0,
  cancelled: 0,
  expired: 0,
  replaced: 0,
  purged: 0,
  damaged: 0,
}
const queueStats = {
  ...counters,
  paused: false,
  handled: false,
  due: 0,
  running: 0,
  overdueOldestMs: 0,
  nearBytes: 412,
}
const settings = { retry: { attempts: 5, delay: '2s' }, timeout: '30s', webhook: null }
const queue = { queue: 'email' }
const byKey = { queue: 'email', key: 'trial-42' }

export const examples: Readonly<Record<RouteName, Example>> = {
  schedule: {
    body: { queue: 'email', delay: '30d', payload: { to: 'ada@example.com' } },
    status: 201,
    answer: receipt,
  },
  scheduleMany: {
    body: [
      { queue: 'email', at: '2027-01-15T08:00:00Z', payload: { to: 'ada@example.com' } },
      { queue: 'thumbs', delay: '90s', payloadBase64: 'AAECAw==' },
    ],
    status: 201,
    answer: { receipts: [receipt, { ...receipt, id: '8bnq0000000001' }] },
  },
  list: {
    query: { queue: 'email', limit: '1' },
    status: 200,
    answer: { tasks: [{ ...view, cursor: `${fireAt}.${exampleId}` }], cursor: `${fireAt}.${exampleId}` },
  },
  get: { path: { id: exampleId }, status: 200, answer: view },
  cancel: { path: { id: exampleId }, status: 200, answer: { outcome: 'cancelled', generation: 0, lsn: 57 } },
  reschedule: {
    path: { id: exampleId },
    headers: { 'if-match': '"0"' },
    body: { delay: '7d' },
    status: 200,
    answer: { outcome: 'rescheduled', fireAt, generation: 1, lsn: 57 },
  },
  putByKey: {
    path: byKey,
    body: { at: '2027-01-15T08:00:00Z', payload: { to: 'ada@example.com' } },
    status: 201,
    answer: receipt,
  },
  getByKey: { path: byKey, status: 200, answer: view },
  cancelByKey: { path: byKey, status: 200, answer: { outcome: 'cancelled', generation: 0, lsn: 57 } },
  rescheduleByKey: {
    path: byKey,
    body: { at: '2027-02-01T08:00:00Z' },
    status: 200,
    answer: { outcome: 'rescheduled', fireAt, generation: 1, lsn: 57 },
  },
  lease: {
    path: queue,
    body: { max: 10, lease: '30s', wait: '5s' },
    status: 200,
    answer: {
      tasks: [
        {
          token: exampleToken,
          id: exampleId,
          queue: 'email',
          payload: { to: 'ada@example.com' },
          headers: {},
          attempt: 1,
          fence: 4_294_967_297,
          scheduledFor: fireAt,
          lateMs: 2,
          leaseMs: 30_000,
        },
      ],
    },
  },
  ack: {
    body: { token: exampleToken, next: { queue: 'email', delay: '30d', payload: { to: 'ada@example.com' } } },
    status: 200,
    answer: { outcome: 'acked' },
  },
  ackMany: { body: { answers: [{ token: exampleToken }] }, status: 200, answer: { answers: [{ outcome: 'acked' }] } },
  nack: {
    body: { token: exampleToken, delay: '1m', error: 'the mail server said no' },
    status: 200,
    answer: { outcome: 'nacked' },
  },
  extend: { body: { token: exampleToken, lease: '1m' }, status: 200, answer: { outcome: 'extended' } },
  listDead: { query: { queue: 'email' }, status: 200, answer: { deadLetters: [dead] } },
  redrive: { body: { queue: 'email' }, status: 200, answer: { redriven: 1 } },
  purge: { body: { id: exampleId }, status: 200, answer: { purged: 1 } },
  queues: { status: 200, answer: { queues: [{ queue: 'email', stats: queueStats, settings }] } },
  queue: { path: queue, status: 200, answer: { queue: 'email', stats: queueStats, settings } },
  getSettings: { path: queue, status: 200, answer: settings },
  putSettings: {
    path: queue,
    body: { retry: { attempts: 5, delay: '2s' }, timeout: '30s' },
    status: 200,
    answer: settings,
  },
  pause: { path: queue, status: 200, answer: { queue: 'email', paused: true } },
  resume: { path: queue, status: 200, answer: { queue: 'email', paused: false } },
  stats: {
    status: 200,
    answer: {
      queues: { email: queueStats },
      total: counters,
      conservation: 0,
      overdueOldestMs: 0,
      lateness: { count: 1, p50Ms: 2, p99Ms: 2, maxMs: 2 },
      wal: {
        files: 1,
        bytes: 4_096,
        appendedLsn: 57,
        syncedLsn: 57,
        diskFull: false,
        syncs: 20,
        syncMs: 11.5,
        syncMsMax: 2.1,
      },
      near: 2,
      far: 0,
      nearBytes: 412,
      segments: { files: 0, bytes: 0, tasks: 0 },
      checkpoints: 0,
      merges: 0,
      clock: { held: false },
      healthy: true,
      incarnation: 1,
      openCount: 1,
    },
  },
  calendar: { query: { from: '2027-01-01T00:00Z' }, status: 200, answer: { hours: [{ hour: fireAt, pending: 2 }] } },
  events: {
    query: { queue: 'email', types: 'fired,succeeded' },
    status: 200,
    answer: `retry: 1000\n\nid: 1.1\nevent: fired\ndata: {"id":"${exampleId}","queue":"email","attempt":1,"lateMs":2}\n\n`,
  },
  backup: {
    body: { name: 'monday.tar' },
    status: 201,
    answer: { to: '/backup/monday.tar', files: 4, bytes: 1_048_576, lsn: 57, incarnation: 1, queues: 2 },
  },
  error: {
    path: { code: 'HW_TASK_MISSING' },
    status: 200,
    answer: { code: 'HW_TASK_MISSING', summary: 'There is no such task ...', remedy: 'Check the id or key ...' },
  },
  openapi: { status: 200 },
  metrics: { status: 200 },
  healthz: { status: 200, answer: { status: 'ok', reasons: [] } },
  readyz: { status: 200, answer: { status: 'ok', reasons: [] } },
}

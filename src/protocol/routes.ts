/**
 * The routes of /v1: one table that the daemon's router, the OpenAPI document and the client share. `path` has parameters as
 * {name}; bodies are JSON unless the route says otherwise.
 */

/** What a token must be good for; each includes those before it. `open`: no token is asked for. */
export type Scope = 'open' | 'read' | 'write' | 'admin'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export interface Route {
  readonly method: Method
  readonly path: string
  readonly scope: Scope
  /** Whether it takes a body; 'batch' for those that take large ones in several formats. */
  readonly body: 'none' | 'json' | 'batch'
  readonly summary: string
}

export type RouteName =
  | 'schedule'
  | 'scheduleMany'
  | 'list'
  | 'get'
  | 'cancel'
  | 'reschedule'
  | 'putByKey'
  | 'getByKey'
  | 'cancelByKey'
  | 'rescheduleByKey'
  | 'lease'
  | 'ack'
  | 'ackMany'
  | 'nack'
  | 'extend'
  | 'listDead'
  | 'redrive'
  | 'purge'
  | 'queues'
  | 'queue'
  | 'getSettings'
  | 'putSettings'
  | 'pause'
  | 'resume'
  | 'stats'
  | 'calendar'
  | 'events'
  | 'backup'
  | 'error'
  | 'openapi'
  | 'metrics'
  | 'healthz'
  | 'readyz'

export const routes: Readonly<Record<RouteName, Route>> = {
  schedule: post('/v1/tasks', 'write', 'Schedule a task'),
  scheduleMany: {
    ...post('/v1/tasks/batch', 'write', 'Schedule up to 10,000 tasks, all or none'),
    body: 'batch',
  },
  list: get('/v1/tasks', 'read', 'List live tasks and dead letters in fire order'),
  get: get('/v1/tasks/{id}', 'read', 'Get a task by its id'),
  cancel: bare('DELETE', '/v1/tasks/{id}', 'write', 'Cancel a task'),
  reschedule: withBody('PATCH', '/v1/tasks/{id}', 'write', 'Move a pending task to another time'),

  putByKey: withBody('PUT', '/v1/queues/{queue}/tasks/{key}', 'write', 'Schedule a task by its key, idempotent'),
  getByKey: get('/v1/queues/{queue}/tasks/{key}', 'read', 'Get a task by its key'),
  cancelByKey: bare('DELETE', '/v1/queues/{queue}/tasks/{key}', 'write', 'Cancel a task by its key'),
  rescheduleByKey: withBody('PATCH', '/v1/queues/{queue}/tasks/{key}', 'write', 'Move a pending task by its key'),

  lease: post('/v1/queues/{queue}/leases', 'write', 'Lease due tasks, waiting for the first'),
  ack: post('/v1/leases/ack', 'write', 'Answer a lease: it succeeded'),
  ackMany: post('/v1/leases/ack-many', 'write', 'Answer several leases: they succeeded'),
  nack: post('/v1/leases/nack', 'write', 'Answer a lease: it failed'),
  extend: post('/v1/leases/extend', 'write', 'Ask for more time'),

  listDead: get('/v1/dead-letters', 'read', 'List dead letters'),
  redrive: post('/v1/dead-letters/redrive', 'admin', 'Make dead letters pending again'),
  purge: post('/v1/dead-letters/purge', 'admin', 'Remove dead letters for good'),

  queues: get('/v1/queues', 'read', 'Statistics and settings of all queues'),
  queue: get('/v1/queues/{queue}', 'read', 'Statistics and settings of a queue'),
  getSettings: get('/v1/queues/{queue}/settings', 'read', 'Settings of a queue'),
  putSettings: withBody('PUT', '/v1/queues/{queue}/settings', 'admin', 'Set the settings of a queue, durably'),
  pause: bare('POST', '/v1/queues/{queue}/pause', 'admin', 'Start no more attempts of a queue'),
  resume: bare('POST', '/v1/queues/{queue}/resume', 'admin', 'Start attempts of a queue again'),

  stats: get('/v1/stats', 'read', 'Counters, lateness, log and memory'),
  calendar: get('/v1/calendar', 'read', 'Pending tasks by hour over the whole horizon'),
  events: get('/v1/events', 'read', 'What happens, as server-sent events'),
  backup: post('/v1/backups', 'admin', 'Back up everything, without stopping'),
  error: get('/v1/errors/{code}', 'open', 'What an error code means and what to do'),

  openapi: get('/openapi.json', 'open', 'This document'),
  metrics: get('/metrics', 'read', 'Metrics for Prometheus'),
  healthz: get('/healthz', 'open', 'Whether the process serves'),
  readyz: get('/readyz', 'open', 'Whether it takes and fires tasks'),
}

/** Bytes of a body; those of a batch before it is decoded. */
export const bodyBytesMax = 1_048_576
export const batchBodyBytesMax = 16_777_216
export const eventsRetryMs = 1_000

/** What a client asks for: the path of a route with its parameters filled in. */
export function pathOf(
  name: RouteName,
  parameters: Readonly<Record<string, string>> = {},
  query: Readonly<Record<string, string | number | undefined>> = {},
): string {
  const path = routes[name].path.replace(/\{(\w+)\}/gu, (_whole, parameter: string) =>
    encodeURIComponent(parameters[parameter] ?? ''),
  )
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined)
  if (pairs.length === 0) return path
  return `${path}?${pairs.map(([field, value]) => `${field}=${encodeURIComponent(String(value))}`).join('&')}`
}

function get(path: string, scope: Scope, summary: string): Route {
  return { method: 'GET', path, scope, body: 'none', summary }
}

function post(path: string, scope: Scope, summary: string): Route {
  return withBody('POST', path, scope, summary)
}

function withBody(method: Method, path: string, scope: Scope, summary: string): Route {
  return { method, path, scope, body: 'json', summary }
}

function bare(method: Method, path: string, scope: Scope, summary: string): Route {
  return { method, path, scope, body: 'none', summary }
}

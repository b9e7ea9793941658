/**
 * The OpenAPI 3.1 document: made from the routes, the schemas that validate, and the examples that a test plays. Nothing about
 * /v1 is said in two places.
 */

import type { TSchema } from 'typebox'
import { examples } from './examples.ts'
import { routes, type Route, type RouteName } from './routes.ts'
import { schemas, type SchemaName } from './schemas.ts'

type Json = Readonly<Record<string, unknown>>

interface Shape {
  readonly query?: SchemaName
  readonly body?: SchemaName
  /** Of the answer, by status. */
  readonly answers: Readonly<Record<number, SchemaName | 'text' | 'document'>>
  readonly about?: string
}

const ifMatch = 'With If-Match only if the task is still of that generation: 412 otherwise.'

const shapes: Readonly<Record<RouteName, Shape>> = {
  schedule: {
    body: 'task',
    answers: { 201: 'receipt', 200: 'receipt' },
    about: '201 for a new task, 200 when its key had one. Either is on disk.',
  },
  scheduleMany: {
    body: 'task',
    answers: { 201: 'receipts' },
    about: 'All or none, in one durable step. An error has the `index` of the task that is wrong. At most 16 MiB.',
  },
  list: { query: 'listQuery', answers: { 200: 'listPage' } },
  get: { answers: { 200: 'getAnswer' }, about: 'ETag is the generation, for If-Match.' },
  cancel: {
    answers: { 200: 'cancelAnswer', 202: 'cancelAnswer' },
    about:
      'After 200 it never starts again. 202: an attempt runs; none follows, and the task ends as cancelled unless this one succeeds. 409: it has ended.',
  },
  reschedule: { body: 'reschedule', answers: { 200: 'rescheduleAnswer' }, about: ifMatch },
  putByKey: {
    body: 'taskOfKey',
    answers: { 201: 'receipt', 200: 'receipt' },
    about: `Repeating it is safe: a task that has the key is kept, as onConflict says otherwise. With \`If-None-Match: *\` the key must be free: 412 otherwise. ${ifMatch} Then it is replaced.`,
  },
  getByKey: { answers: { 200: 'getAnswer' } },
  cancelByKey: { answers: { 200: 'cancelAnswer', 202: 'cancelAnswer' } },
  rescheduleByKey: { body: 'reschedule', answers: { 200: 'rescheduleAnswer' }, about: ifMatch },
  lease: {
    body: 'leaseRequest',
    answers: { 200: 'leased' },
    about: 'Waits up to `wait` for the first task; an empty list when none came.',
  },
  ack: {
    body: 'ackRequest',
    answers: { 200: 'ackAnswer' },
    about: '`next` is scheduled durably in the same step. 409: the lease is outdated, or the task has ended.',
  },
  ackMany: {
    body: 'ackManyRequest',
    answers: { 200: 'ackManyAnswer' },
    about: 'Answers in order, also of those that are outdated.',
  },
  nack: { body: 'nackRequest', answers: { 200: 'nackAnswer' } },
  extend: { body: 'extendRequest', answers: { 200: 'extendAnswer' } },
  listDead: { query: 'listDeadQuery', answers: { 200: 'deadPage' } },
  redrive: { body: 'deadTarget', answers: { 200: 'redriven' } },
  purge: { body: 'deadTarget', answers: { 200: 'purged' } },
  queues: { answers: { 200: 'queues' } },
  queue: { answers: { 200: 'queueView' } },
  getSettings: { answers: { 200: 'settings' } },
  putSettings: {
    body: 'settings',
    answers: { 200: 'settings' },
    about: 'Replaces them all; what is left out has its default.',
  },
  pause: { answers: { 200: 'paused' } },
  resume: { answers: { 200: 'paused' } },
  stats: { answers: { 200: 'stats' } },
  calendar: { query: 'calendarQuery', answers: { 200: 'calendar' } },
  events: {
    query: 'eventsQuery',
    answers: { 200: 'text' },
    about: 'text/event-stream. Goes on after Last-Event-ID; an event `gap` says that something was missed.',
  },
  backup: {
    body: 'backupRequest',
    answers: { 201: 'backupReport' },
    about:
      'Into the directory that the daemon has for backups (backupDir), under this name. Answers when it is complete.',
  },
  error: { answers: { 200: 'errorEntry' } },
  openapi: { answers: { 200: 'document' } },
  metrics: { answers: { 200: 'text' } },
  healthz: { answers: { 200: 'health' } },
  readyz: { answers: { 200: 'health', 503: 'health' } },
}

/** How the answer of a route is validated, for tests and clients. */
export function answerSchema(name: RouteName, status: number): TSchema | undefined {
  const schema = shapes[name].answers[status]
  return schema === undefined || schema === 'text' || schema === 'document' ? undefined : schemas[schema]
}

const parameterSchemas: Readonly<Record<string, TSchema>> = {
  id: schemas.taskId,
  queue: schemas.queueName,
  key: schemas.taskKey,
}
const ifMatchRoutes: readonly RouteName[] = ['putByKey', 'reschedule', 'rescheduleByKey']

let text: string | undefined

/** The document as JSON text, made once. */
export function openApiText(): string {
  text ??= JSON.stringify(openApi())
  return text
}

function openApi(): Json {
  const components: Record<string, Json> = {}
  const paths: Record<string, Record<string, Json>> = {}
  for (const [name, route] of Object.entries(routes) as [RouteName, Route][]) {
    ;(paths[route.path] ??= {})[route.method.toLowerCase()] = operation(name, route, components)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'hourwheel',
      version: '1',
      summary: 'Durable timers over HTTP',
      description:
        'A 2xx answer means that the change is on disk. Errors are RFC 9457 problems; their `code` is stable. ' +
        'Instants in answers are UTC epoch milliseconds.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    tags: [{ name: 'read' }, { name: 'write' }, { name: 'admin' }, { name: 'open' }],
    paths,
    components: {
      schemas: components,
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'Needed where the daemon has tokens configured' },
      },
    },
  }
}

function operation(name: RouteName, route: Route, components: Record<string, Json>): Json {
  const shape = shapes[name]
  const example = examples[name]
  const problem = {
    description: 'An error',
    content: { 'application/problem+json': { schema: refer(schemas.problem, components) } },
  }
  const responses: Record<string, Json> = {}
  for (const [status, schema] of Object.entries(shape.answers)) {
    const shown = example.status === Number(status) ? example.answer : undefined
    responses[status] = answer(route, schema, shown, components)
  }
  return {
    operationId: name,
    summary: route.summary,
    ...(shape.about === undefined ? {} : { description: shape.about }),
    tags: [route.scope],
    ...(route.scope === 'open' ? { security: [] } : {}),
    parameters: parameters(name, route, shape, components),
    ...(shape.body === undefined ? {} : { requestBody: requestBody(name, route, shape.body, components) }),
    responses: { ...responses, default: problem },
  }
}

function answer(
  route: Route,
  schema: SchemaName | 'text' | 'document',
  example: unknown,
  components: Record<string, Json>,
): Json {
  const shown = example === undefined ? {} : { example }
  if (schema === 'text')
    return { description: 'Text', content: { 'text/plain': { schema: { type: 'string' }, ...shown } } }
  if (schema === 'document') {
    return { description: 'OpenAPI 3.1', content: { 'application/json': { schema: { type: 'object' } } } }
  }
  return {
    description: route.method === 'GET' ? 'The answer' : 'Done, and on disk',
    content: { 'application/json': { schema: refer(schemas[schema], components), ...shown } },
  }
}

function requestBody(name: RouteName, route: Route, body: SchemaName, components: Record<string, Json>): Json {
  const schema = refer(schemas[body], components)
  const example = examples[name].body
  if (route.body !== 'batch') return { required: true, content: { 'application/json': { schema, example } } }
  const lines = (example as unknown[]).map((task) => JSON.stringify(task)).join('\n')
  const array = { type: 'array', items: schema, maxItems: 10_000 }
  return {
    required: true,
    content: {
      'application/json': { schema: array, example },
      'application/x-ndjson': { schema: { type: 'string', description: 'One task a line' }, example: lines },
      'application/vnd.msgpack': { schema: { ...array, description: 'As msgpack, without extension types' } },
    },
  }
}

function parameters(name: RouteName, route: Route, shape: Shape, components: Record<string, Json>): Json[] {
  const example = examples[name]
  const all: Json[] = [...route.path.matchAll(/\{(\w+)\}/gu)].map(([, parameter = '']) => ({
    name: parameter,
    in: 'path',
    required: true,
    schema: refer(parameterSchemas[parameter] ?? { type: 'string' }, components),
    example: example.path?.[parameter],
  }))
  if (shape.query !== undefined) {
    const { properties } = schemas[shape.query] as unknown as { properties: Record<string, TSchema> }
    for (const [field, schema] of Object.entries(properties)) {
      const value = example.query?.[field]
      const shown = value === undefined ? {} : { example: value }
      all.push({ name: field, in: 'query', required: false, schema: refer(schema, components), ...shown })
    }
  }
  if (ifMatchRoutes.includes(name)) {
    const value = example.headers?.['if-match']
    const shown = value === undefined ? {} : { example: value }
    all.push({ name: 'If-Match', in: 'header', required: false, schema: { type: 'string' }, ...shown })
  }
  if (name === 'putByKey') {
    all.push({ name: 'If-None-Match', in: 'header', required: false, schema: { type: 'string', enum: ['*'] } })
  }
  if (name === 'events') {
    all.push({ name: 'Last-Event-ID', in: 'header', required: false, schema: { type: 'string' } })
  }
  return all
}

/** A schema with its titled parts, and itself if it has a title, as references into the components. */
function refer(schema: unknown, components: Record<string, Json>): unknown {
  const plain = JSON.parse(JSON.stringify(schema)) as unknown
  return referPlain(plain, components)
}

function referPlain(value: unknown, components: Record<string, Json>): unknown {
  if (Array.isArray(value)) return value.map((item) => referPlain(item, components))
  if (typeof value !== 'object' || value === null) return value
  const walked = Object.fromEntries(Object.entries(value).map(([field, item]) => [field, referPlain(item, components)]))
  const { title, ...rest } = walked
  if (typeof title !== 'string' || !('type' in rest || 'anyOf' in rest)) return walked
  components[title] ??= rest
  return { $ref: `#/components/schemas/${title}` }
}

/**
 * From a request to its answer: route, gate, body, handler, reply. Everything that can go wrong on the way ends as a problem, and
 * what was not foreseen as HW_INTERNAL in the log; no request can take the process with it.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import makeRouter from 'find-my-way'
import type { Logger } from 'pino'
import { HourwheelError, refuse } from '../../model/errors.ts'
import { batchBodyBytesMax, bodyBytesMax, routes, type RouteName } from '../../protocol/routes.ts'
import type { BodyReader } from './body.ts'
import { answered, problem, send, type Handled, type Reply, type RouteHandler } from './call.ts'
import { refusalOf, type Gate } from './gate.ts'

export interface DispatcherParts {
  readonly handlers: Readonly<Record<RouteName, RouteHandler>>
  readonly bodies: BodyReader
  /** Bytes of large answers that clients may leave untaken, together, before no more are made. */
  readonly unsentBytesMax: number
  readonly log: Logger
  /** An answer has been sent. */
  readonly done: (name: RouteName | 'none', status: number, tookMs: number) => void
  /** Whether connections should end with their answer. */
  readonly isDraining: () => boolean
}

/** Requests of one connection, kept with its socket: a map of sockets would cost the garbage collector. */
interface Line {
  last: ServerResponse
  waiting: number
}
const lineOf: unique symbol = Symbol('line')
type Lined = Socket & { [lineOf]?: Line }

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
const methods: readonly Method[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']
/** A key of 256 bytes of UTF-8, each escaped. */
const parameterLengthMax = 1_024
const pipelinedMax = 16
const discardedBytesMax = 67_108_864
const largeBytesMin = 65_536
/** Routes whose answers may be large, with what is set aside for one while it is being made. */
const largeRoutes: ReadonlyMap<string, number> = new Map<RouteName, number>([
  ['list', 1 << 20],
  ['listDead', 1 << 20],
  ['lease', 0],
  ['queues', 0],
  ['stats', 0],
])
const empty: Buffer = Buffer.alloc(0)
const requestIdForm = /^[A-Za-z0-9._-]{1,64}$/u

export class Dispatcher {
  readonly #parts: DispatcherParts
  readonly #router: makeRouter.Instance<makeRouter.HTTPVersion.V1>
  #requests = 0
  #unsentBytes = 0

  constructor(parts: DispatcherParts) {
    this.#parts = parts
    this.#router = makeRouter({ maxParamLength: parameterLengthMax, caseSensitive: true })
    for (const [name, { method, path }] of Object.entries(routes)) {
      const pattern = path.replace(/\{(\w+)\}/gu, ':$1')
      this.#router.on(method, pattern, () => undefined, name)
    }
  }

  /** Handles requests that come through a listener with this gate. */
  listener(gate: Gate): (request: IncomingMessage, response: ServerResponse) => void {
    return (request, response) => {
      const socket = request.socket as Lined
      const line = socket[lineOf]
      if (line === undefined) socket[lineOf] = { last: response, waiting: 0 }
      else if (line.last.writableFinished || line.last.destroyed) line.last = response
      else {
        this.#inTurn(line, gate, request, response)
        return
      }
      this.#handle(gate, request, response)
    }
  }

  /**
   * Requests that come before the one before them is answered wait for it to be taken: a client that asks a thousand times and
   * never reads would have a thousand answers made for it. Beyond a few, it is cut off.
   */
  #inTurn(line: Line, gate: Gate, request: IncomingMessage, response: ServerResponse): void {
    if (line.waiting === pipelinedMax) {
      request.socket.destroy()
      return
    }
    line.waiting++
    line.last.once('close', () => {
      line.waiting--
      if (!request.socket.destroyed) this.#handle(gate, request, response)
    })
    line.last = response
  }

  #handle(gate: Gate, request: IncomingMessage, response: ServerResponse): void {
    const startedMs = performance.now()
    const url = request.url!
    const mark = url.indexOf('?')
    const path = mark < 0 ? url : url.slice(0, mark)
    const method = (request.method === 'HEAD' ? 'GET' : request.method) as Method
    let name: RouteName | 'none' = 'none'
    let asideBytes = 0
    const finish = (reply: Handled): void => {
      this.#unsentBytes -= asideBytes
      asideBytes = 0
      if (reply !== answered) this.#answer(request, response, reply)
      this.#parts.done(name, response.statusCode, performance.now() - startedMs)
    }
    const failed = (error: unknown): void => finish(this.#problemOf(error, request, name))
    try {
      // The form for proxies, with a host of its own beside the one that was checked, and `*`.
      if (url[0] !== '/') throw refuse('HW_INVALID_REQUEST', 'the target of a request is a path')
      const found = this.#router.find(method, path)
      if (found === null) {
        const refusal = refusalOf(gate, request, 'open')
        finish(refusal === undefined ? this.#noRoute(path, method) : problem(refusal))
        return
      }
      name = found.store as RouteName
      const route = routes[name]
      const refusal = refusalOf(gate, request, route.scope)
      if (refusal !== undefined) {
        if (refusal.code !== 'HW_FORBIDDEN' || route.scope !== 'open') {
          this.#parts.log.warn({ route: name, code: refusal.code }, refusal.message)
        }
        finish(problem(refusal))
        return
      }
      const large = largeRoutes.get(name)
      if (large !== undefined) {
        if (this.#unsentBytes > this.#parts.unsentBytesMax) throw tooMuchUnsent()
        asideBytes = large
        this.#unsentBytes += large
      }
      const call = {
        request,
        response,
        name,
        route,
        parameters: found.params as Readonly<Record<string, string>>,
        query: mark < 0 ? '' : url.slice(mark + 1),
        body: empty,
      }
      const handler = this.#parts.handlers[name]
      const run = (body: Buffer): void => {
        call.body = body
        try {
          const handled = handler(call)
          if (handled instanceof Promise) handled.then(finish, failed)
          else finish(handled)
        } catch (error) {
          failed(error)
        }
      }
      if (method === 'GET') {
        run(empty)
        return
      }
      const bytesMax = route.body === 'batch' ? batchBodyBytesMax : bodyBytesMax
      this.#parts.bodies.check(request, bytesMax)
      if (request.headers.expect !== undefined) response.writeContinue()
      this.#parts.bodies.read(request, bytesMax, run, failed)
    } catch (error) {
      failed(error)
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse, reply: Reply): void {
    if (response.destroyed || response.headersSent) return
    const asked = request.headers['x-request-id']
    if (typeof asked === 'string' && requestIdForm.test(asked)) response.setHeader('x-request-id', asked)
    if (mustClose(request) || this.#parts.isDraining()) response.setHeader('connection', 'close')
    const bytes = send(response, reply)
    if (bytes < largeBytesMin) return
    this.#unsentBytes += bytes
    response.once('close', () => (this.#unsentBytes -= bytes))
  }

  #noRoute(path: string, method: string): Reply {
    const allowed = methods.filter((other) => other !== method && this.#router.find(other, path) !== null)
    if (allowed.length === 0) return problem(refuse('HW_NOT_FOUND', `there is nothing at ${shownPath(path)}`))
    const error = refuse('HW_METHOD_NOT_ALLOWED', `${shownPath(path)} takes ${allowed.join(', ')}`)
    const reply = problem(error)
    return { ...reply, headers: [...(reply.headers ?? []), 'allow', allowed.join(', ')] }
  }

  #problemOf(error: unknown, request: IncomingMessage, route: string): Reply {
    const { log } = this.#parts
    const known =
      error instanceof HourwheelError
        ? error
        : refuse('HW_INTERNAL', 'the request failed; the log says why', { cause: error })
    const asked = request.headers['x-request-id']
    const requestId =
      typeof asked === 'string' && requestIdForm.test(asked) ? asked : `${process.pid}-${++this.#requests}`
    const reply = problem(known, { requestId })
    if (reply.status >= 500 && reply.status !== 503) log.error({ err: error, route, requestId }, known.message)
    else log.debug({ code: known.code, route, requestId }, known.message)
    return reply
  }
}

function shownPath(path: string): string {
  return path.length > 80 ? `${path.slice(0, 80)}...` : path
}

/**
 * What is left of a body that was refused is received and thrown away, so that its sender comes to read the answer; the time a
 * request may take is the limit. Unless it is endless, or will not be sent because it was asked about first.
 */
function mustClose({ complete, headers }: IncomingMessage): boolean {
  if (complete) return false
  return headers.expect !== undefined || Number(headers['content-length'] ?? 0) > discardedBytesMax
}

function tooMuchUnsent(): HourwheelError {
  return refuse('HW_OVERLOADED', 'too many large answers wait for their clients to take them', { retryAfterMs: 1_000 })
}

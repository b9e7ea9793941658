/**
 * From a request to its answer: route, gate, body, handler, reply. Everything that can go wrong on the way ends as a problem, and
 * what was not foreseen as HW_INTERNAL in the log; no request can take the process with it.
 *
 * Requests that come in one turn of the event loop are handled together at its end: small bodies are there by then, which saves
 * listening for them; and the code that parses HTTP and the code behind it do not push each other out of the processor's caches
 * for every request, which saves a tenth of its time.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import makeRouter from 'find-my-way'
import type { Logger } from 'pino'
import { HourwheelError, refuse } from '../../model/errors.ts'
import {
  batchBodyBytesMax,
  bodyBytesMax,
  routes,
  type Method,
  type Route,
  type RouteName,
} from '../../protocol/routes.ts'
import type { RequestTimes, RouteTimes } from '../request-times.ts'
import type { BodyReader } from './body.ts'
import { answered, problem, send, type Handled, type Reply, type RouteHandler } from './call.ts'
import { refusalOf, type Gate } from './gate.ts'

export interface DispatcherParts {
  readonly handlers: Readonly<Record<RouteName, RouteHandler>>
  readonly bodies: BodyReader
  /** Bytes of large answers that clients may leave untaken, together, before no more are made. */
  readonly unsentBytesMax: number
  readonly log: Logger
  readonly times: RequestTimes
  /** Whether connections should end with their answer. */
  readonly isDraining: () => boolean
}

/** What the router finds. */
interface Served {
  readonly name: RouteName
  readonly route: Route
  readonly handler: RouteHandler
  readonly bodyBytesMax: number
  readonly times: RouteTimes
  /** Of a route whose answers may be large: what is set aside for one while it is being made. */
  readonly asideBytes: number | undefined
}

interface Arrived {
  readonly gate: Gate
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** How many requests of a connection wait for those before them; kept with its socket. */
const waiting: unique symbol = Symbol('waiting')
type Pipelined = Socket & { [waiting]?: number }

const methods: readonly Method[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']
/** A key of 256 bytes of UTF-8, each escaped. */
const parameterLengthMax = 1_024
const pipelinedMax = 16
const discardedBytesMax = 67_108_864
const largeBytesMin = 65_536
/** Routes whose answers may be large (`asideBytes`). */
const largeRoutes: Readonly<Partial<Record<RouteName, number>>> = {
  list: 1 << 20,
  listDead: 1 << 20,
  lease: 0,
  queues: 0,
  stats: 0,
}
const empty: Buffer = Buffer.alloc(0)
const requestIdForm = /^[A-Za-z0-9._-]{1,64}$/u

export class Dispatcher {
  readonly #parts: DispatcherParts
  readonly #router: makeRouter.Instance<makeRouter.HTTPVersion.V1>
  readonly #otherTimes: RouteTimes
  #arrived: Arrived[] = []
  #requests = 0
  #unsentBytes = 0

  constructor(parts: DispatcherParts) {
    this.#parts = parts
    this.#otherTimes = parts.times.of('none')
    this.#router = makeRouter({ maxParamLength: parameterLengthMax, caseSensitive: true })
    for (const name of Object.keys(routes) as RouteName[]) {
      const route = routes[name]
      const served: Served = {
        name,
        route,
        handler: parts.handlers[name],
        bodyBytesMax: route.body === 'batch' ? batchBodyBytesMax : bodyBytesMax,
        times: parts.times.of(name),
        asideBytes: largeRoutes[name],
      }
      this.#router.on(route.method, route.path.replace(/\{(\w+)\}/gu, ':$1'), () => undefined, served)
    }
  }

  /** Handles requests that come through a listener with this gate. */
  listener(gate: Gate): (request: IncomingMessage, response: ServerResponse) => void {
    return (request, response) => {
      // One that comes before those before it are answered has no socket yet.
      if (response.socket === null) this.#inTurn(gate, request, response)
      else if (this.#arrived.push({ gate, request, response }) === 1) setImmediate(this.#handleArrived)
    }
  }

  /**
   * It waits for the answers before it to be taken: a client that asks a thousand times and never reads would have a thousand
   * answers made for it. Beyond a few, it is cut off.
   */
  #inTurn(gate: Gate, request: IncomingMessage, response: ServerResponse): void {
    const socket = request.socket as Pipelined
    const count = socket[waiting] ?? 0
    if (count === pipelinedMax) {
      socket.destroy()
      return
    }
    socket[waiting] = count + 1
    response.once('socket', () => {
      socket[waiting] = (socket[waiting] ?? 1) - 1
      this.#handle(gate, request, response, performance.now())
    })
  }

  readonly #handleArrived = (): void => {
    const arrived = this.#arrived
    this.#arrived = []
    const startedMs = performance.now()
    for (const { gate, request, response } of arrived) this.#handle(gate, request, response, startedMs)
  }

  #handle(gate: Gate, request: IncomingMessage, response: ServerResponse, startedMs: number): void {
    const url = request.url!
    const mark = url.indexOf('?')
    const path = mark < 0 ? url : url.slice(0, mark)
    const method = (request.method === 'HEAD' ? 'GET' : request.method) as Method
    let served: Served | undefined
    let asideBytes = 0
    const finish = (reply: Handled): void => {
      this.#unsentBytes -= asideBytes
      asideBytes = 0
      if (reply !== answered) this.#answer(request, response, reply)
      const times = served === undefined ? this.#otherTimes : served.times
      times.add(response.statusCode, performance.now() - startedMs)
    }
    const failed = (error: unknown): void => finish(this.#problemOf(error, request, served?.name ?? 'none'))
    try {
      // The form for proxies, with a host of its own beside the one that was checked, and `*`.
      if (url[0] !== '/') throw refuse('HW_INVALID_REQUEST', 'the target of a request is a path')
      const found = this.#router.find(method, path)
      if (found === null) {
        const refusal = refusalOf(gate, request, 'open')
        finish(refusal === undefined ? this.#noRoute(path, method) : problem(refusal))
        return
      }
      served = found.store as Served
      const { name, route, handler } = served
      const refusal = refusalOf(gate, request, route.scope)
      if (refusal !== undefined) {
        if (refusal.code !== 'HW_FORBIDDEN' || route.scope !== 'open') {
          this.#parts.log.warn({ route: name, code: refusal.code }, refusal.message)
        }
        finish(problem(refusal))
        return
      }
      if (served.asideBytes !== undefined) {
        if (this.#unsentBytes > this.#parts.unsentBytesMax) throw tooMuchUnsent()
        asideBytes = served.asideBytes
        this.#unsentBytes += asideBytes
      }
      const run = (body: Buffer): void => {
        try {
          const query = mark < 0 ? '' : url.slice(mark + 1)
          const parameters = found.params as Readonly<Record<string, string>>
          const handled = handler({ request, response, name, route, parameters, query, body })
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
      const { bodies } = this.#parts
      bodies.check(request, served.bodyBytesMax)
      const body = bodies.arrived(request, served.bodyBytesMax)
      if (body !== undefined) {
        run(body)
        return
      }
      if (request.headers.expect !== undefined) response.writeContinue()
      bodies.read(request, served.bodyBytesMax, run, failed)
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

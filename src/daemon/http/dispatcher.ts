/**
 * From a request to its answer: route, gate, body, handler, reply. Everything that can go wrong on the way ends as a problem, and
 * what was not foreseen as HW_INTERNAL in the log; no request can take the process with it.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
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
  readonly log: Logger
  /** An answer has been sent. */
  readonly done: (name: RouteName | 'none', status: number, tookMs: number) => void
  /** Whether connections should end with their answer. */
  readonly isDraining: () => boolean
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
const methods: readonly Method[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']
/** A key of 256 bytes of UTF-8, each escaped. */
const parameterLengthMax = 1_024
const empty: Buffer = Buffer.alloc(0)
const requestIdForm = /^[A-Za-z0-9._-]{1,64}$/u

export class Dispatcher {
  readonly #parts: DispatcherParts
  readonly #router: makeRouter.Instance<makeRouter.HTTPVersion.V1>
  #requests = 0

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
    return (request, response) => this.#handle(gate, request, response)
  }

  #handle(gate: Gate, request: IncomingMessage, response: ServerResponse): void {
    const startedMs = performance.now()
    const url = request.url!
    const mark = url.indexOf('?')
    const path = mark < 0 ? url : url.slice(0, mark)
    const method = (request.method === 'HEAD' ? 'GET' : request.method) as Method
    let name: RouteName | 'none' = 'none'
    const finish = (reply: Handled): void => {
      if (reply !== answered) this.#answer(request, response, reply)
      this.#parts.done(name, response.statusCode, performance.now() - startedMs)
    }
    const failed = (error: unknown): void => finish(this.#problemOf(error, request, name))
    try {
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
      this.#parts.bodies.read(request, bytesMax).then(run, failed)
    } catch (error) {
      failed(error)
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse, reply: Reply): void {
    if (response.destroyed || response.headersSent) return
    const asked = request.headers['x-request-id']
    if (typeof asked === 'string' && requestIdForm.test(asked)) response.setHeader('x-request-id', asked)
    // What is left of a body that was refused is not waited for.
    if (hasUnreadBody(request) || this.#parts.isDraining()) response.setHeader('connection', 'close')
    send(response, reply)
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

/** A request without a body is not yet complete when its handler begins. */
function hasUnreadBody({ complete, headers }: IncomingMessage): boolean {
  return !complete && (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0)
}

/**
 * One request and what a handler answers: the parsed side of node:http that handlers of routes see. Head and body of an answer
 * leave in one write.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { refuse } from '../../model/errors.ts'
import { problemContentType, problemOf, retryAfterSeconds, type ProblemExtra } from '../../protocol/problems.ts'
import type { HourwheelError } from '../../model/errors.ts'
import type { Route, RouteName } from '../../protocol/routes.ts'

export interface Call {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly name: RouteName
  readonly route: Route
  readonly parameters: Readonly<Record<string, string>>
  /** The text after the question mark. */
  readonly query: string
  readonly body: Buffer
}

export interface Reply {
  readonly status: number
  readonly body: string | Uint8Array
  readonly type?: string | undefined
  /** Names and values by turns. */
  readonly headers?: readonly string[] | undefined
}

/** What a handler returns that has answered by itself, or goes on answering. */
export const answered: unique symbol = Symbol('answered')

export type Handled = Reply | typeof answered
export type RouteHandler = (call: Call) => Handled | Promise<Handled>

export function json(value: unknown, status = 200, headers?: readonly string[]): Reply {
  return { status, body: JSON.stringify(value), headers }
}

export function problem(error: HourwheelError, extra: ProblemExtra = {}): Reply {
  const one = problemOf(error, extra)
  const after = retryAfterSeconds(one)
  const headers = after === undefined ? [] : ['retry-after', String(after)]
  if (one.status === 401) headers.push('www-authenticate', 'Bearer realm="hourwheel"')
  return { status: one.status, body: JSON.stringify(one), type: problemContentType, headers }
}

/** Answers how many bytes the body has. */
export function send(response: ServerResponse, { status, body, type = 'application/json', headers }: Reply): number {
  const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength
  const head = ['content-type', type, 'content-length', String(bytes)]
  if (response.req.method === 'GET') head.push('cache-control', 'no-store')
  if (headers !== undefined) for (const text of headers) head.push(text)
  response.writeHead(status, head)
  response.end(response.req.method === 'HEAD' ? undefined : body)
  return bytes
}

/** Fields of a query by name; a field that is given twice is refused. */
export function queryOf(text: string): Record<string, string> {
  const fields: Record<string, string> = {}
  if (text === '') return fields
  for (const [name, value] of new URLSearchParams(text)) {
    if (Object.hasOwn(fields, name)) throw refuse('HW_INVALID_REQUEST', `'${name.slice(0, 40)}' is given twice`)
    Object.defineProperty(fields, name, { value, enumerable: true })
  }
  return fields
}

/**
 * Requests to a daemon, over a Unix socket or TCP, and what becomes of them: an answer, the error that the engine has thrown, or
 * an error that says whether the request may have been carried out.
 *
 * - No connection: HW_UNREACHABLE, not done.
 * - The connection was lost, or time was up, once the request may have been sent: HW_OUTCOME_UNKNOWN. Requests that only read are
 *   made once more instead, and then are HW_UNREACHABLE.
 *
 * Nothing else is repeated: that is the caller's to decide, with a key. Requests that wait (leases, events) have connections of
 * their own, so that they hold up no others.
 */

import { Pool } from 'undici'
import { HourwheelError, refuse } from '../model/errors.ts'
import { errorOf } from '../protocol/problems.ts'
import { routes, type RouteName } from '../protocol/routes.ts'

export interface TransportOptions {
  /** http: or https:, perhaps with a path before /v1. */
  readonly url: URL
  readonly socketPath: string | undefined
  readonly token: () => string | undefined
  readonly ca: string | undefined
  /** How long the daemon may take to answer. */
  readonly timeoutMs: number
  /** How messages call the daemon. */
  readonly name: string
}

export interface Request {
  readonly route: RouteName
  /** With its query, as protocol/routes.ts makes it. */
  readonly path: string
  readonly body?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Waits at the daemon for so long beside what it takes to answer. */
  readonly waitMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Answer {
  readonly status: number
  readonly body: unknown
}

const connectMs = 10_000
const answerBytesMax = 64 << 20
const failedConnects = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EACCES',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTSOCK',
  'UND_ERR_CONNECT_TIMEOUT',
])

export class Transport {
  readonly #options: TransportOptions
  readonly #calls: Pool
  readonly #waits: Pool
  readonly #base: string

  constructor(options: TransportOptions) {
    const { url, socketPath, ca } = options
    this.#options = options
    this.#base = url.pathname.replace(/\/$/, '')
    const connect = {
      timeout: connectMs,
      ...(socketPath === undefined ? {} : { socketPath }),
      ...(ca === undefined ? {} : { ca }),
    }
    const common = { connect, pipelining: 1, maxResponseSize: answerBytesMax, bodyTimeout: options.timeoutMs }
    this.#calls = new Pool(url.origin, { ...common, connections: 32 })
    this.#waits = new Pool(url.origin, { ...common, connections: 256 })
  }

  /** The answer of a 2xx; everything else is thrown. */
  async call(request: Request): Promise<Answer> {
    const isRead = routes[request.route].method === 'GET'
    try {
      return await this.#once(request)
    } catch (error) {
      if (!isRead || !(error instanceof LostConnection)) throw error
    }
    try {
      return await this.#once(request)
    } catch (error) {
      throw error instanceof LostConnection ? this.#unreachable(error.cause) : error
    }
  }

  async #once({ route, path, body, headers, waitMs, signal }: Request): Promise<Answer> {
    const pool = waitMs === undefined ? this.#calls : this.#waits
    const sent = this.#headers(body, headers)
    let status: number
    let text: string
    try {
      const answer = await pool.request({
        method: routes[route].method,
        path: `${this.#base}${path}`,
        headers: sent,
        body: body ?? null,
        headersTimeout: this.#options.timeoutMs + (waitMs ?? 0),
        signal: signal ?? null,
      })
      status = answer.statusCode
      text = await answer.body.text()
    } catch (error) {
      throw this.#failure(error, signal)
    }
    const parsed = parse(text)
    if (status >= 200 && status < 300 && parsed !== undefined) return { status, body: parsed }
    throw withAnswer(errorOf(status, parsed), parsed)
  }

  /** Lines of a stream of events as they come; ends when the daemon ends it, and throws when the connection is lost. */
  async *stream({ path, headers, signal }: Request): AsyncGenerator<string, void, undefined> {
    const sent = this.#headers(undefined, { accept: 'text/event-stream', ...headers })
    let answer
    try {
      answer = await this.#waits.request({
        method: 'GET',
        path: `${this.#base}${path}`,
        headers: sent,
        headersTimeout: this.#options.timeoutMs,
        // Quiet as long as nothing happens; the daemon sends a comment now and then.
        bodyTimeout: 120_000,
        signal: signal ?? null,
      })
    } catch (error) {
      throw this.#failure(error, signal)
    }
    if (answer.statusCode !== 200) throw errorOf(answer.statusCode, parse(await answer.body.text()))
    const decoder = new TextDecoder()
    let rest = ''
    try {
      for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
        const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r?\n/)
        rest = lines.pop()!
        yield* lines
      }
    } catch (error) {
      throw this.#failure(error, signal)
    }
  }

  /** Calls that wait end at once; the others get `graceMs` to be answered. */
  async close(graceMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, graceMs)))
    await Promise.race([this.#calls.close(), late])
    clearTimeout(timer)
    await Promise.all([this.#calls.destroy(), this.#waits.destroy()])
  }

  #headers(body: string | undefined, more: Readonly<Record<string, string>> = {}): Record<string, string> {
    const token = this.#options.token()
    return {
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...more,
    }
  }

  #failure(error: unknown, signal: AbortSignal | undefined): unknown {
    if (signal?.aborted === true) return signal.reason
    const code = codeOf(error)
    if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED') return refuse('HW_CLOSED', 'the client is closed')
    if (failedConnects.has(code)) return this.#unreachable(error)
    const message = `the connection to ${this.#options.name} failed before the answer came (${textOf(error)}); whether the call was done is not known`
    return new LostConnection('HW_OUTCOME_UNKNOWN', message, { cause: error })
  }

  #unreachable(error: unknown): HourwheelError {
    const message = `${this.#options.name} cannot be reached: ${textOf(error)}; nothing was done`
    return refuse('HW_UNREACHABLE', message, { cause: error })
  }
}

/** The one whose outcome is not known because of the connection, not because the daemon has said so. */
class LostConnection extends HourwheelError {}

/** What a call answers when nothing was done because of the task's state comes with the problem. */
const answers = new WeakMap<HourwheelError, object>()

function withAnswer(error: HourwheelError, body: unknown): HourwheelError {
  const answer: unknown = typeof body === 'object' && body !== null ? (body as { answer?: unknown }).answer : undefined
  if (typeof answer === 'object' && answer !== null) answers.set(error, answer)
  return error
}

/** That answer, where the error carries one; otherwise throws the error. */
export function answerOf(error: unknown): object {
  const answer = error instanceof HourwheelError ? answers.get(error) : undefined
  if (answer === undefined) throw error
  return answer
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

function codeOf(error: unknown): string {
  if (error instanceof AggregateError) return codeOf(error.errors[0])
  return String((error as { code?: unknown } | undefined)?.code)
}

function textOf(error: unknown): string {
  if (error instanceof AggregateError) return textOf(error.errors[0])
  return error instanceof Error ? error.message || error.name : String(error)
}

/**
 * One webhook request: what is sent, and what came of it. The body is the payload, JSON as JSON and bytes as they are; headers
 * are those of Standard Webhooks, of hourwheel, and of the task. Never throws, and says nothing of secrets, nor of the path and
 * query of the URL, which often hold one.
 */

import { createHmac } from 'node:crypto'
import { isUtf8 } from 'node:buffer'
import { Webhook as Signer } from 'standardwebhooks'
import type { Dispatcher } from 'undici'
import type { AttemptContext, Task } from '../../model/hourwheel.ts'
import { failed, isJson, replyLimits, verdictOfJson, verdictOfStatus, type Verdict } from './reply.ts'

export interface Target {
  readonly url: URL
  readonly timeoutMs: number
  readonly dispatcher: Dispatcher
}

export interface Message {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer
}

/** Not the task's to say: how the request is framed, who is asked, and what others rely on. */
const reserved =
  /^(?:host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|content-length|content-encoding|accept-encoding|user-agent|proxy-.*|webhook-.*|hourwheel-.*)$/i
const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const headerText = /^[\t\x20-\x7e]*$/

export function messageOf(
  task: Task,
  context: Pick<AttemptContext, 'attempt' | 'fence' | 'scheduledFor'>,
  secrets: readonly string[],
  nowMs: number,
): Message {
  const { payload } = task
  const isBytes = payload instanceof Uint8Array
  const body = isBytes
    ? Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
    : payload === undefined
      ? ''
      : JSON.stringify(payload)
  const headers: Record<string, string> = {}
  const others: Record<string, string> = {}
  for (const [name, text] of Object.entries(task.headers)) {
    const isType = name.toLowerCase() === 'content-type'
    const isSent = headerName.test(name) && headerText.test(text) && !reserved.test(name) && (isBytes || !isType)
    if (isSent) headers[name.toLowerCase()] = text.trim()
    else Object.defineProperty(others, name, { value: text, enumerable: true })
  }
  if (Object.keys(others).length > 0) {
    headers['hourwheel-headers'] = Buffer.from(JSON.stringify(others)).toString('base64url')
  }
  if (payload !== undefined) headers['content-type'] ??= isBytes ? 'application/octet-stream' : 'application/json'
  const timestamp = new Date(nowMs)
  return {
    body,
    headers: {
      ...headers,
      'user-agent': 'hourwheel',
      'webhook-id': task.id,
      'webhook-timestamp': String(Math.floor(nowMs / 1_000)),
      'webhook-signature': secrets.map((secret) => sign(secret, task.id, timestamp, body)).join(' '),
      'hourwheel-queue': task.queue,
      'hourwheel-attempt': String(context.attempt),
      'hourwheel-fence': String(context.fence),
      'hourwheel-scheduled-for': new Date(context.scheduledFor).toISOString(),
    },
  }
}

/** By the library; of bytes that are no text it would sign something else, so those are signed here, as the standard says. */
function sign(secret: string, id: string, timestamp: Date, body: string | Buffer): string {
  if (typeof body === 'string' || isUtf8(body)) return new Signer(secret).sign(id, timestamp, String(body))
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const hash = createHmac('sha256', key).update(`${id}.${Math.floor(timestamp.getTime() / 1_000)}.`)
  return `v1,${hash.update(body).digest('base64')}`
}

/** Sends it. `signal`: the attempt is over, whatever comes. */
export async function post(target: Target, message: Message, signal: AbortSignal): Promise<Verdict> {
  const { timeoutMs } = target
  const controller = new AbortController()
  const abort = (): void => controller.abort(signal.reason)
  signal.addEventListener('abort', abort)
  if (signal.aborted) abort()
  const timer = setTimeout(() => controller.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
  let status = 0
  try {
    const reply = await send(target, message, controller.signal)
    status = reply.statusCode
    const isDone = status >= 200 && status < 300
    if (isDone && isJson(one(reply.headers['content-type']))) return verdictOfJson(status, await read(reply.body))
    // Read to its end, so that the connection can be used again; one that has no end is cut.
    await reply.body.dump({ limit: 65_536, signal: controller.signal }).catch(() => undefined)
    if (isDone) return { kind: 'done', next: undefined }
    return verdictOfStatus(status, one(reply.headers['retry-after']), Date.now())
  } catch (error) {
    const reason = controller.signal.aborted ? textOf(controller.signal.reason) : textOf(error)
    return failed(status === 0 ? reason : `HTTP ${status}, but its reply could not be read: ${reason}`)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  }
}

/**
 * A connection that was kept may have been closed by the other side just as the request was written. That says nothing of the
 * target, so it is sent once more; a target that got it twice knows it by its id.
 */
async function send(target: Target, message: Message, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
  try {
    return await sendOnce(target, message, signal)
  } catch (error) {
    const code: unknown = (error as { code?: unknown }).code
    if (signal.aborted || (code !== 'UND_ERR_SOCKET' && code !== 'ECONNRESET' && code !== 'EPIPE')) throw error
    return sendOnce(target, message, signal)
  }
}

function sendOnce(
  { url, timeoutMs, dispatcher }: Target,
  { headers, body }: Message,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  return dispatcher.request({
    origin: url.origin,
    path: `${url.pathname}${url.search}`,
    method: 'POST',
    headers,
    body,
    signal,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
  })
}

async function read(body: AsyncIterable<unknown> & { destroy(error?: Error): unknown }): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    if (bytes > replyLimits.bytesMax) throw new Error(`it is longer than ${replyLimits.bytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

/** What several addresses were tried with comes as an error of errors. */
function textOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return textOf(error.errors[0])
  if (!(error instanceof Error)) return String(error)
  return error.message === '' ? error.name : error.message
}

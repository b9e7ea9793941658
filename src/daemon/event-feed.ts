/**
 * The engine's events for those outside, as server-sent events. The newest are kept in a ring; each reader has a place in it and is
 * given what comes next when its connection takes it. So a slow reader costs nothing: when the ring has passed it by, it is
 * told with a `gap`, and goes on from the oldest that is left. The same for one that comes back with a Last-Event-ID.
 *
 * An event's id is `<openCount>.<number>`: numbers begin anew with every start of the daemon, which is a gap, too.
 */

import type { ServerResponse } from 'node:http'
import type { Engine } from '../model/engine.ts'
import { refuse } from '../model/errors.ts'
import { eventNames } from '../model/event-names.ts'
import type { EngineEvents } from '../model/engine-reports.ts'
import { eventsRetryMs } from '../protocol/routes.ts'
import { answered, queryOf, type Call, type Handled } from './http/call.ts'
import { valid } from './http/validate.ts'

type Name = keyof EngineEvents

const readersMax = 128
const heartbeatMs = 15_000
/** What a connection may hold unsent. */
const unsentBytesMax = 262_144

interface Kept {
  readonly name: Name
  readonly queue: string | undefined
  /** The event, as JSON text from its first reader on. */
  data: object | string
}

interface Reader {
  readonly response: ServerResponse
  readonly queue: string | undefined
  readonly names: ReadonlySet<string> | undefined
  next: number
}

export class EventFeed {
  readonly #openCount: number
  readonly #ring: (Kept | undefined)[]
  readonly #readers: Set<Reader> = new Set()
  readonly #stop: (() => void)[]
  readonly #heartbeat: NodeJS.Timeout
  /** Number of the next event; the first is 1. */
  #next = 1
  #isPumping = false
  #isClosed = false

  constructor(engine: Engine, openCount: number, keptMax: number) {
    this.#openCount = openCount
    this.#ring = new Array<Kept | undefined>(keptMax)
    this.#stop = eventNames.map((name) => engine.on(name, (event) => this.#push(name, event)))
    this.#heartbeat = setInterval(() => this.#beat(), heartbeatMs)
    this.#heartbeat.unref()
  }

  get readerCount(): number {
    return this.#readers.size
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    clearInterval(this.#heartbeat)
    for (const stop of this.#stop) stop()
    for (const { response } of this.#readers) response.end()
    this.#readers.clear()
  }

  /** Handles GET /v1/events. */
  open(call: Call): Handled {
    const query = valid('eventsQuery', queryOf(call.query), 'the query')
    const wanted = query.types?.split(',').map((name) => name.trim())
    for (const name of wanted ?? []) {
      if (eventNames.includes(name as Name)) continue
      throw refuse('HW_INVALID_REQUEST', `there is no event '${name}'; there are ${eventNames.join(', ')}`)
    }
    if (this.#isClosed) throw refuse('HW_CLOSED', 'the daemon is going down')
    if (this.#readers.size >= readersMax) {
      throw refuse('HW_OVERLOADED', `${readersMax} clients listen to events already`, { retryAfterMs: 10_000 })
    }
    const { response } = call
    const last = call.request.headers['last-event-id'] ?? query.since
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    response.write(`retry: ${eventsRetryMs}\n\n`)
    if (call.request.method === 'HEAD') {
      response.end()
      return answered
    }
    const reader: Reader = {
      response,
      queue: query.queue,
      names: wanted === undefined ? undefined : new Set(wanted),
      next: this.#placeAfter(response, typeof last === 'string' ? last : undefined),
    }
    this.#readers.add(reader)
    // A connection that breaks while it is written to is its client's business.
    response.on('error', () => undefined)
    response.on('drain', () => this.#pump(reader))
    response.on('close', () => this.#readers.delete(reader))
    this.#pump(reader)
    return answered
  }

  #placeAfter(response: ServerResponse, last: string | undefined): number {
    if (last === undefined) return this.#next
    const match = /^(\d{1,15})\.(\d{1,15})$/u.exec(last)
    const number = Number(match?.[2])
    if (match !== null && Number(match[1]) === this.#openCount && number < this.#next) return number + 1
    // Of another start of the daemon, or none of ours: what was missed cannot be said.
    response.write(gap(last))
    return this.#oldest
  }

  get #oldest(): number {
    return Math.max(1, this.#next - this.#ring.length)
  }

  #push(name: Name, event: EngineEvents[Name]): void {
    const queue = 'queue' in event ? event.queue : undefined
    this.#ring[this.#next % this.#ring.length] = { name, queue, data: event }
    this.#next++
    if (this.#readers.size === 0 || this.#isPumping) return
    // What happens in one turn is sent together.
    this.#isPumping = true
    setImmediate(() => {
      this.#isPumping = false
      for (const reader of this.#readers) this.#pump(reader)
    })
  }

  #pump(reader: Reader): void {
    const { response } = reader
    while (reader.next < this.#next && response.writableLength < unsentBytesMax) {
      let text = ''
      if (reader.next < this.#oldest) {
        text = gap(`${this.#openCount}.${reader.next - 1}`)
        reader.next = this.#oldest
      }
      for (; reader.next < this.#next && text.length < 65_536; reader.next++) text += this.#textFor(reader, reader.next)
      if (text !== '') response.write(text)
    }
  }

  #textFor(reader: Reader, number: number): string {
    const kept = this.#ring[number % this.#ring.length]!
    if (reader.names?.has(kept.name) === false) return ''
    if (reader.queue !== undefined && kept.queue !== reader.queue) return ''
    if (typeof kept.data !== 'string') kept.data = JSON.stringify(kept.data)
    return `id: ${this.#openCount}.${number}\nevent: ${kept.name}\ndata: ${kept.data}\n\n`
  }

  #beat(): void {
    for (const { response } of this.#readers) if (response.writableLength === 0) response.write(':\n\n')
  }
}

function gap(since: string): string {
  return `event: gap\ndata: ${JSON.stringify({ since })}\n\n`
}

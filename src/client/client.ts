/**
 * The engine's interface, spoken to a daemon over /v1. Each member answers as the engine would and throws the errors that the
 * engine throws; what differs is said in docs/client.md. Holds no state of tasks.
 */

import { parseCalendarRange, parseDeadFilter, parseListInput } from '../model/call-inputs.ts'
import { parseDuration, type Duration } from '../model/durations.ts'
import type { Hourwheel } from '../model/engine.ts'
import { refuse } from '../model/errors.ts'
import type { BackupReport, CalendarHour, Closed, Stats } from '../model/engine-reports.ts'
import type {
  AckInput,
  CancelAnswer,
  DeadFilter,
  DeadLetters,
  DeadView,
  GetAnswer,
  HandleOptions,
  Handler,
  HandlerHandle,
  InstantInput,
  LateAnswer,
  LeasedTask,
  LeaseInput,
  ListedTask,
  ListInput,
  NackInput,
  Receipt,
  RescheduleAnswer,
  RescheduleInput,
  TaskOf,
  TaskRef,
  TasksOf,
  TaskView,
} from '../model/hourwheel.ts'
import { limits } from '../model/limits.ts'
import { checkQueueName } from '../model/names.ts'
import type { AnyQueues, PayloadOutput, QueueName } from '../model/typed-queues.ts'
import { pathOf } from '../protocol/routes.ts'
import { fromWire, type Wired, type WireLeased, type WireListed } from '../protocol/wire.ts'
import { batchText, rescheduleRequest, taskRoute, taskText } from './bodies.ts'
import { events, type ClientEvent, type EventsInput } from './event-stream.ts'
import { ackText, deadTargetOf, extendText, leaseRequest, nackText } from './lease-bodies.ts'
import { Puller } from './puller.ts'
import { answerOf, type Answer, type Request, type Transport } from './transport.ts'

/** Tasks of one page; a listing asks for the next when it gets there. */
const pageTasks = 250
/** How long a backup may take. */
const backupMsMax = 3_600_000

export class Client<Queues = AnyQueues> implements Hourwheel<Queues> {
  readonly #transport: Transport
  readonly #pullers: Map<string, Puller> = new Map()
  readonly deadLetters: DeadLetters
  readonly closed: Promise<Closed>
  #resolveClosed!: (closed: Closed) => void
  #closing: Promise<void> | undefined
  #isClosed = false

  constructor(transport: Transport) {
    this.#transport = transport
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve))
    this.deadLetters = {
      list: (filter = {}) => this.#listDead(filter),
      redrive: async (target) => (await this.#post('redrive', {}, deadTargetOf(target))) as { redriven: number },
      purge: async (target) => (await this.#post('purge', {}, deadTargetOf(target))) as { purged: number },
    }
  }

  async schedule<Name extends QueueName<Queues>>(task: TaskOf<Queues, Name>): Promise<Receipt> {
    this.#assertOpen()
    const body = taskText(task, Date.now())
    return (await this.#call({ route: 'schedule', path: pathOf('schedule'), body })).body as Receipt
  }

  async scheduleMany<const Names extends readonly QueueName<Queues>[]>(
    tasks: TasksOf<Queues, Names>,
  ): Promise<Receipt[]> {
    this.#assertOpen()
    const body = batchText(tasks, Date.now())
    if (body === '[]') return []
    const answer = await this.#call({ route: 'scheduleMany', path: pathOf('scheduleMany'), body })
    return (answer.body as { receipts: Receipt[] }).receipts
  }

  async cancel(ref: TaskRef): Promise<CancelAnswer> {
    this.#assertOpen()
    return (await this.#answered(taskRoute('cancel', ref))) as CancelAnswer
  }

  async reschedule(ref: TaskRef, input: RescheduleInput): Promise<RescheduleAnswer> {
    this.#assertOpen()
    const route = taskRoute('reschedule', ref)
    return (await this.#answered({ ...route, ...rescheduleRequest(input, Date.now()) })) as RescheduleAnswer
  }

  async get(ref: TaskRef): Promise<GetAnswer | undefined> {
    this.#assertOpen()
    const found = (await this.#answered(taskRoute('get', ref))) as { outcome?: unknown; state?: unknown }
    if (found.outcome === 'missing') return undefined
    return found.state === 'ended' ? (found as GetAnswer) : fromWire(found as Wired<TaskView>)
  }

  async *list(input: ListInput = {}): AsyncGenerator<ListedTask, void, undefined> {
    this.#assertOpen()
    const { limit, ...filter } = parseListInput(input)
    let { cursor } = input
    for (let left = limit; left > 0;) {
      this.#assertOpen()
      const page = { ...filter, cursor, limit: Math.min(left, pageTasks) }
      const { body } = await this.#call({ route: 'list', path: pathOf('list', {}, page) })
      const { tasks, cursor: next } = body as { tasks: WireListed[]; cursor?: string }
      for (const task of tasks) yield fromWire<ListedTask>(task)
      left -= tasks.length
      if (next === undefined) return
      cursor = next
    }
  }

  /** Leases tasks and runs the handler in this process: see puller.ts. */
  async handle<Name extends QueueName<Queues>>(
    queue: Name,
    handler: Handler<PayloadOutput<Queues, Name>, Queues>,
    options: HandleOptions = {},
  ): Promise<HandlerHandle> {
    this.#assertOpen()
    checkQueueName(queue)
    if (this.#pullers.has(queue)) {
      throw refuse('HW_HANDLER_EXISTS', `queue '${queue}' has a handler in this client already; stop it first`)
    }
    const puller = new Puller(this as unknown as Client, queue, handler as Handler, options)
    this.#pullers.set(queue, puller)
    return {
      stop: async () => {
        if (this.#pullers.get(queue) === puller) this.#pullers.delete(queue)
        await puller.stop()
      },
    }
  }

  async lease<Name extends QueueName<Queues>>(
    queue: Name,
    input: LeaseInput = {},
  ): Promise<LeasedTask<PayloadOutput<Queues, Name>>[]> {
    this.#assertOpen()
    checkQueueName(queue)
    const { body, waitMs, signal } = leaseRequest(input)
    if (isAborted(signal)) return []
    try {
      const answer = await this.#call({ route: 'lease', path: pathOf('lease', { queue }), body, waitMs, signal })
      const { tasks } = answer.body as { tasks: WireLeased[] }
      return tasks.map((task) => fromWire<LeasedTask<PayloadOutput<Queues, Name>>>(task as never))
    } catch (error) {
      // As in the engine: whoever gives up gets no task, and a task on its way goes back when the daemon sees that.
      if (isAborted(signal)) return []
      throw error
    }
  }

  async ack<Name extends QueueName<Queues>>(
    token: string,
    input: AckInput<TaskOf<Queues, Name>> = {},
  ): Promise<{ readonly outcome: 'acked' } | LateAnswer> {
    this.#assertOpen()
    return (await this.#answerLease('ack', ackText(token, input))) as { outcome: 'acked' }
  }

  async ackMany(
    answers: readonly ({ token: string } & AckInput)[],
  ): Promise<({ readonly outcome: 'acked' } | LateAnswer)[]> {
    this.#assertOpen()
    const texts = answers.map(({ token, ...input }) => ackText(token, input))
    const all: ({ readonly outcome: 'acked' } | LateAnswer)[] = []
    for (let from = 0; from < texts.length; from += limits.leaseTasksMax) {
      const body = `{"answers":[${texts.slice(from, from + limits.leaseTasksMax).join(',')}]}`
      const answer = await this.#call({ route: 'ackMany', path: pathOf('ackMany'), body })
      all.push(...(answer.body as { answers: { outcome: 'acked' }[] }).answers)
    }
    return all
  }

  async nack(token: string, input: NackInput = {}): Promise<{ readonly outcome: 'nacked' } | LateAnswer> {
    this.#assertOpen()
    return (await this.#answerLease('nack', nackText(token, input))) as { outcome: 'nacked' }
  }

  async extend(token: string, lease: Duration): Promise<{ readonly outcome: 'extended' } | LateAnswer> {
    this.#assertOpen()
    return (await this.#answerLease('extend', extendText(token, lease))) as { outcome: 'extended' }
  }

  async pause(queue: string): Promise<void> {
    await this.#post('pause', { queue: checkQueueName(queue) })
  }

  async resume(queue: string): Promise<void> {
    await this.#post('resume', { queue: checkQueueName(queue) })
  }

  async stats(): Promise<Stats> {
    this.#assertOpen()
    return (await this.#call({ route: 'stats', path: pathOf('stats') })).body as Stats
  }

  async calendar(
    range: { from?: InstantInput | undefined; to?: InstantInput | undefined } = {},
  ): Promise<CalendarHour[]> {
    this.#assertOpen()
    const path = pathOf('calendar', {}, { ...parseCalendarRange(range) })
    const { body } = await this.#call({ route: 'calendar', path })
    return (body as { hours: CalendarHour[] }).hours
  }

  /** What happens in the daemon, as it happens, over lost connections: see event-stream.ts. */
  events(input: EventsInput = {}): AsyncIterable<ClientEvent> {
    this.#assertOpen()
    return events(this.#transport, input)
  }

  /** Settings of a queue, as the daemon keeps them (docs/http-api.md, docs/webhooks.md). */
  async settings(queue: string): Promise<Readonly<Record<string, unknown>>> {
    this.#assertOpen()
    const path = pathOf('getSettings', { queue: checkQueueName(queue) })
    return (await this.#call({ route: 'getSettings', path })).body as Record<string, unknown>
  }

  /** Replaces them, durably; what is left out has its default. */
  setSettings(queue: string, settings: object): Promise<Readonly<Record<string, unknown>>> {
    return this.#post('putSettings', { queue: checkQueueName(queue) }, settings) as Promise<Record<string, unknown>>
  }

  /** Backs the daemon up while it goes on, into its directory for backups, under this name; resolves once that is complete. */
  async backup(name: string): Promise<BackupReport> {
    this.#assertOpen()
    const request = {
      route: 'backup',
      path: pathOf('backup'),
      body: JSON.stringify({ name }),
      waitMs: backupMsMax,
    } as const
    return (await this.#call(request)).body as BackupReport
  }

  /** Stops: handlers get `drain` (default 10 s) to end. What the daemon does goes on. Idempotent. */
  close(options: { drain?: Duration | undefined } = {}): Promise<void> {
    const drainMs = parseDuration(options.drain ?? '10s', 'drain')
    this.#closing ??= this.#close(drainMs)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(drainMs: number): Promise<void> {
    const startedMs = performance.now()
    const pullers = [...this.#pullers.values()]
    const ended = Promise.all(pullers.map((puller) => puller.stop()))
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, drainMs)))
    await Promise.race([ended, late])
    clearTimeout(timer)
    this.#isClosed = true
    for (const puller of pullers) puller.abort(new Error('the client is closing'))
    await this.#transport.close(Math.max(0, drainMs - (performance.now() - startedMs)))
    this.#resolveClosed({ reason: 'closed' })
  }

  async *#listDead(filter: DeadFilter & { limit?: number | undefined }): AsyncGenerator<DeadView, void, undefined> {
    this.#assertOpen()
    const { queue, limit } = parseDeadFilter(filter)
    let cursor: string | undefined
    for (let left = limit; left > 0;) {
      this.#assertOpen()
      const page = { queue, cursor, limit: Math.min(left, pageTasks) }
      const { body } = await this.#call({ route: 'listDead', path: pathOf('listDead', {}, page) })
      const { deadLetters, cursor: next } = body as { deadLetters: Wired<DeadView>[]; cursor?: string }
      for (const letter of deadLetters) yield fromWire<DeadView>(letter)
      left -= deadLetters.length
      if (next === undefined) return
      cursor = next
    }
  }

  #call(request: Request): Promise<Answer> {
    return this.#transport.call(request)
  }

  /** What the daemon answers, also where it says by a status that nothing was done. */
  async #answered(request: Request): Promise<object> {
    try {
      return (await this.#call(request)).body as object
    } catch (error) {
      return answerOf(error)
    }
  }

  #answerLease(route: 'ack' | 'nack' | 'extend', body: string): Promise<object> {
    return this.#answered({ route, path: pathOf(route), body })
  }

  async #post(
    route: 'redrive' | 'purge' | 'pause' | 'resume' | 'putSettings',
    parameters: Readonly<Record<string, string>>,
    body?: object,
  ): Promise<unknown> {
    this.#assertOpen()
    const text = body === undefined ? undefined : JSON.stringify(body)
    return (await this.#call({ route, path: pathOf(route, parameters), body: text })).body
  }

  #assertOpen(): void {
    if (this.#isClosed) throw refuse('HW_CLOSED', 'the client is closed; nothing was done')
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}

/** The engine as its users see it: each member checks that the engine is open and hands over to a command. */

import { parseDuration, type Duration } from '../model/durations.ts'
import type { Engine as PublicEngine } from '../model/engine.ts'
import type {
  AckInput,
  BackupOptions,
  BackupReport,
  CalendarHour,
  CancelAnswer,
  Closed,
  DeadLetters,
  EngineEvents,
  GetAnswer,
  Handler,
  HandlerHandle,
  HandlerModule,
  InstantInput,
  LateAnswer,
  LeasedTask,
  LeaseInput,
  ListedTask,
  ListInput,
  ModuleOptions,
  NackInput,
  Receipt,
  RescheduleAnswer,
  RescheduleInput,
  Stats,
  TaskOf,
  TaskRef,
  TasksOf,
} from '../model/hourwheel.ts'
import { checkQueueName } from '../model/names.ts'
import type { AnyQueues, PayloadOutput, QueueName, QueueOptions } from '../model/typed-queues.ts'
import { backup } from './backup/backup.ts'
import { cancel, reschedule } from './commands/change.ts'
import { deadLetters } from './commands/dead-letters.ts'
import { get } from './commands/get.ts'
import { handle, handleUpTo, type PokedHandle } from './commands/handle.ts'
import { ack, extend, lease, nack } from './commands/lease.ts'
import { list } from './commands/list.ts'
import { schedule, scheduleMany } from './commands/schedule.ts'
import { whenDurable, whenRoom, type Core } from './core.ts'
import { asEngineError, told, type Lifecycle } from './lifecycle.ts'
import { parseQueueOptions } from './options.ts'
import { calendarOf, statsOf } from './stats.ts'

export class Engine<Queues = AnyQueues> implements PublicEngine<Queues> {
  readonly #core: Core
  readonly #lifecycle: Lifecycle
  readonly deadLetters: DeadLetters

  constructor(core: Core, lifecycle: Lifecycle) {
    this.#core = core
    this.#lifecycle = lifecycle
    this.deadLetters = deadLetters(core)
  }

  /** Resolves when the engine has stopped, for whatever reason; never rejects. */
  get closed(): Promise<Closed> {
    return this.#lifecycle.closed
  }

  /** Accepts one task; resolves once it is on disk. */
  schedule<Name extends QueueName<Queues>>(task: TaskOf<Queues, Name>): Promise<Receipt> {
    return schedule(this.#core, task)
  }

  /** Accepts up to 10,000 tasks or 8 MiB as one durable unit: all or none. An error carries the `index` of the bad task. */
  scheduleMany<const Names extends readonly QueueName<Queues>[]>(tasks: TasksOf<Queues, Names>): Promise<Receipt[]> {
    return scheduleMany(this.#core, tasks)
  }

  /** Never starts again after 'cancelled', across any crash. Answers for every state; throws only for a malformed ref. */
  cancel(ref: TaskRef): Promise<CancelAnswer> {
    return told(cancel(this.#core, ref))
  }

  /** Moves a pending task; `ifGeneration` guards against a change made meanwhile. */
  reschedule(ref: TaskRef, input: RescheduleInput): Promise<RescheduleAnswer> {
    return told(reschedule(this.#core, ref, input))
  }

  get(ref: TaskRef): Promise<GetAnswer | undefined> {
    return told(get(this.#core, ref))
  }

  list(input?: ListInput): AsyncIterable<ListedTask> {
    return list(this.#core, input)
  }

  /**
   * Runs the due tasks of a queue: a function in this thread, or the default export of `{ module }` in threads of its own; then
   * it resolves once the module is loaded. One handler a queue.
   */
  handle<Name extends QueueName<Queues>>(
    queue: Name,
    handler: Handler<PayloadOutput<Queues, Name>, Queues> | HandlerModule,
    options: ModuleOptions = {},
  ): Promise<HandlerHandle> {
    return handle(this.#core, queue, handler as Handler | HandlerModule, options)
  }

  /** Due tasks for the caller to run; waits up to `wait` for the first. Competes with `handle` for the queue's tasks. */
  lease<Name extends QueueName<Queues>>(
    queue: Name,
    input?: LeaseInput,
  ): Promise<LeasedTask<PayloadOutput<Queues, Name>>[]> {
    return lease(this.#core, queue, input) as Promise<LeasedTask<PayloadOutput<Queues, Name>>[]>
  }

  /** The task has succeeded; durable once this resolves. An older token answers 'stale'. */
  ack<Name extends QueueName<Queues>>(
    token: string,
    input?: AckInput<TaskOf<Queues, Name>>,
  ): Promise<{ readonly outcome: 'acked' } | LateAnswer> {
    return ack(this.#core, token, input)
  }

  /** Answers in order. */
  ackMany(answers: readonly ({ token: string } & AckInput)[]): Promise<({ readonly outcome: 'acked' } | LateAnswer)[]> {
    return Promise.all(answers.map(({ token, ...input }) => ack(this.#core, token, input)))
  }

  /** The attempt has failed: retried as the policy says, at `retryAt`, after `delay`, or never (`dead`). */
  nack(token: string, input?: NackInput): Promise<{ readonly outcome: 'nacked' } | LateAnswer> {
    return nack(this.#core, token, input)
  }

  /** The lease ends so long from now. */
  extend(token: string, leaseFor: Duration): Promise<{ readonly outcome: 'extended' } | LateAnswer> {
    return extend(this.#core, token, leaseFor)
  }

  /** Durably stops new attempts of a queue; tasks go on being accepted. */
  pause(queue: string): Promise<void> {
    return this.#setPaused(queue, true)
  }

  resume(queue: string): Promise<void> {
    return this.#setPaused(queue, false)
  }

  async #setPaused(queue: string, paused: boolean): Promise<void> {
    const core = this.#core
    core.assertOpen()
    checkQueueName(queue)
    const runtime = core.queueOf(queue)
    for (;;) {
      const lsn = core.recorder.queue(runtime.number, queue, paused, 'settle')
      if (lsn === 0) {
        await whenRoom(core)
        continue
      }
      core.dispatcher.pump(runtime.number)
      return whenDurable(core, lsn, undefined)
    }
  }

  /** See for-daemons.ts. */
  handleUpTo(queue: string, handler: Handler, leaseMax: () => number): PokedHandle {
    return handleUpTo(this.#core, queue, handler, leaseMax)
  }

  /** See for-daemons.ts. */
  replaceSettings(queue: string, options: Omit<QueueOptions, 'payload'>): void {
    const { settings, ledger, tiers } = this.#core
    this.#core.assertOpen()
    const { payload } = settings.queues.get(queue) ?? {}
    const replaced = { ...parseQueueOptions(queue, options, settings.otherQueues), payload }
    settings.queues.set(queue, replaced)
    const known = ledger.queueByName.get(queue)
    if (known !== undefined) tiers.queues[known.number]!.settings = replaced
  }

  async stats(): Promise<Stats> {
    this.#core.assertOpen()
    return statsOf(this.#core)
  }

  /** Live tasks per hour over the whole horizon; hours without any are left out. */
  async calendar(range?: { from?: InstantInput | undefined; to?: InstantInput | undefined }): Promise<CalendarHour[]> {
    this.#core.assertOpen()
    return calendarOf(this.#core, range)
  }

  /** Copies all of it, while it goes on, to a directory or a .tar file that is not there yet; an absolute path. */
  backup(to: string, options?: BackupOptions): Promise<BackupReport> {
    return backup(this.#core, to, options).catch((error: unknown) => {
      // The reason of the one who gave it up is theirs.
      throw options?.signal?.aborted === true && error === options.signal.reason ? error : asEngineError(error)
    })
  }

  /** Listens to an event; answers a function that stops listening. */
  on<N extends keyof EngineEvents>(name: N, listener: (event: EngineEvents[N]) => void): () => void {
    return this.#core.events.on(name, listener)
  }

  /** Stops: running attempts get `drain` (default 10 s) to end, then their leases are given back. Idempotent. */
  close(options: { drain?: Duration | undefined } = {}): Promise<void> {
    return this.#lifecycle.close(parseDuration(options.drain ?? '10s', 'drain'))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

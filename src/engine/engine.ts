/**
 * The engine as its users see it: each member hands over to a command, which checks that the engine is open. What the members do is
 * said where users read it, in model/engine.ts.
 */

import { parseDuration, type Duration } from '../model/durations.ts'
import type { Engine as PublicEngine } from '../model/engine.ts'
import type { BackupOptions, BackupReport, CalendarHour, Closed, EngineEvents, Stats } from '../model/engine-reports.ts'
import type {
  AckInput,
  CancelAnswer,
  DeadLetters,
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
import { ack, extend, giveBack, lease, nack } from './commands/lease.ts'
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

  get closed(): Promise<Closed> {
    return this.#lifecycle.closed
  }

  schedule<Name extends QueueName<Queues>>(task: TaskOf<Queues, Name>): Promise<Receipt> {
    return schedule(this.#core, task)
  }

  scheduleMany<const Names extends readonly QueueName<Queues>[]>(tasks: TasksOf<Queues, Names>): Promise<Receipt[]> {
    return scheduleMany(this.#core, tasks)
  }

  cancel(ref: TaskRef): Promise<CancelAnswer> {
    return told(cancel(this.#core, ref))
  }

  reschedule(ref: TaskRef, input: RescheduleInput): Promise<RescheduleAnswer> {
    return told(reschedule(this.#core, ref, input))
  }

  get(ref: TaskRef): Promise<GetAnswer | undefined> {
    return told(get(this.#core, ref))
  }

  list(input?: ListInput): AsyncIterable<ListedTask> {
    return list(this.#core, input)
  }

  handle<Name extends QueueName<Queues>>(
    queue: Name,
    handler: Handler<PayloadOutput<Queues, Name>, Queues> | HandlerModule,
    options: ModuleOptions = {},
  ): Promise<HandlerHandle> {
    return handle(this.#core, queue, handler as Handler | HandlerModule, options)
  }

  lease<Name extends QueueName<Queues>>(
    queue: Name,
    input?: LeaseInput,
  ): Promise<LeasedTask<PayloadOutput<Queues, Name>>[]> {
    return lease(this.#core, queue, input) as Promise<LeasedTask<PayloadOutput<Queues, Name>>[]>
  }

  ack<Name extends QueueName<Queues>>(
    token: string,
    input?: AckInput<TaskOf<Queues, Name>>,
  ): Promise<{ readonly outcome: 'acked' } | LateAnswer> {
    return ack(this.#core, token, input)
  }

  ackMany(answers: readonly ({ token: string } & AckInput)[]): Promise<({ readonly outcome: 'acked' } | LateAnswer)[]> {
    return Promise.all(answers.map(({ token, ...input }) => ack(this.#core, token, input)))
  }

  nack(token: string, input?: NackInput): Promise<{ readonly outcome: 'nacked' } | LateAnswer> {
    return nack(this.#core, token, input)
  }

  extend(token: string, leaseFor: Duration): Promise<{ readonly outcome: 'extended' } | LateAnswer> {
    return extend(this.#core, token, leaseFor)
  }

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
  giveBackLeases(tokens: readonly string[]): void {
    giveBack(this.#core, tokens)
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

  async calendar(range?: { from?: InstantInput | undefined; to?: InstantInput | undefined }): Promise<CalendarHour[]> {
    this.#core.assertOpen()
    return calendarOf(this.#core, range)
  }

  backup(to: string, options?: BackupOptions): Promise<BackupReport> {
    return backup(this.#core, to, options).catch((error: unknown) => {
      // The reason of the one who gave it up is theirs.
      throw options?.signal?.aborted === true && error === options.signal.reason ? error : asEngineError(error)
    })
  }

  on<N extends keyof EngineEvents>(name: N, listener: (event: EngineEvents[N]) => void): () => void {
    return this.#core.events.on(name, listener)
  }

  close(options: { drain?: Duration | undefined } = {}): Promise<void> {
    return this.#lifecycle.close(parseDuration(options.drain ?? '10s', 'drain'))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * What an engine is to those who use it, and what it can be told at open. Types only: the class behind it is engine/engine.ts,
 * and nothing of its inside shows here.
 */

import type { Duration } from './durations.ts'
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
  HandleOptions,
  Handler,
  HandlerHandle,
  HandlerModule,
  InstantInput,
  LateAnswer,
  LeaseInput,
  LeasedTask,
  ListInput,
  ListedTask,
  ModuleOptions,
  NackInput,
  Receipt,
  RescheduleAnswer,
  RescheduleInput,
  Stats,
  TaskOf,
  TaskRef,
  TasksOf,
} from './hourwheel.ts'
import type { AnyQueues, PayloadOutput, QueueMap, QueueName, QueueOptions } from './typed-queues.ts'

export interface EngineOptions<Queues extends QueueMap = QueueMap> {
  /** The data directory; created when it is not there. One engine owns it at a time. */
  dir: string
  /** Settings of queues by name; all have defaults. A schema as `payload` types and validates what is scheduled. */
  queues?: (Queues & KnownFields<Queues>) | undefined
  /** Memory for the bytes of near tasks. Default 256 MiB; each queue may use a quarter. */
  nearBytesMax?: number | undefined
  /** How far ahead of their fire time tasks are brought into memory, memory permitting. Default 10 minutes. */
  ahead?: Duration | undefined
  /** Size of one log file. Default 16 MiB. */
  walFileBytes?: number | undefined
  /** Log files kept before the oldest is moved into segments. Default 2. */
  walFilesMax?: number | undefined
  /** Largest payload. Default 64 KiB, at most 1 MiB. */
  payloadBytesMax?: number | undefined
  /** How long a key is remembered after its task has ended; a queue may say otherwise. Default 24 hours, at most 366 days. */
  keyWindow?: Duration | undefined
  /** False: an open engine does not keep the process alive. */
  ref?: boolean | undefined
  /** A jump of the wall clock beyond these holds firing until it is put right: while running (1 day), over a stop (30 days). */
  clock?: { forwardJumpMax?: Duration | undefined; downtimeMax?: Duration | undefined } | undefined
}

/** Makes the compiler refuse fields that queues do not have. */
type KnownFields<Queues> = {
  readonly [Name in keyof Queues]: { readonly [Field in Exclude<keyof Queues[Name], keyof QueueOptions>]: never }
}

/**
 * What the engine and a client in another process share. `Queues`: those given at open, which type the payloads.
 */
export interface Hourwheel<Queues = AnyQueues> {
  /** Resolves once the task is on disk. */
  schedule<Name extends QueueName<Queues>>(task: TaskOf<Queues, Name>): Promise<Receipt>
  /** One durable unit: all or none; receipts in order. */
  scheduleMany<const Names extends readonly QueueName<Queues>[]>(tasks: TasksOf<Queues, Names>): Promise<Receipt[]>
  cancel(ref: TaskRef): Promise<CancelAnswer>
  reschedule(ref: TaskRef, input: RescheduleInput): Promise<RescheduleAnswer>
  get(ref: TaskRef): Promise<GetAnswer | undefined>
  /** In fire order. */
  list(input?: ListInput): AsyncIterable<ListedTask>
  handle<Name extends QueueName<Queues>>(
    queue: Name,
    handler: Handler<PayloadOutput<Queues, Name>, Queues>,
    options?: HandleOptions,
  ): Promise<HandlerHandle>
  /** Due tasks for the caller to run; an empty array when none came in time. Competes with `handle`. */
  lease<Name extends QueueName<Queues>>(
    queue: Name,
    input?: LeaseInput,
  ): Promise<LeasedTask<PayloadOutput<Queues, Name>>[]>
  ack<Name extends QueueName<Queues>>(
    token: string,
    input?: AckInput<TaskOf<Queues, Name>>,
  ): Promise<{ readonly outcome: 'acked' } | LateAnswer>
  /** Answers in order. */
  ackMany(answers: readonly ({ token: string } & AckInput)[]): Promise<({ readonly outcome: 'acked' } | LateAnswer)[]>
  nack(token: string, input?: NackInput): Promise<{ readonly outcome: 'nacked' } | LateAnswer>
  extend(token: string, lease: Duration): Promise<{ readonly outcome: 'extended' } | LateAnswer>
  pause(queue: string): Promise<void>
  resume(queue: string): Promise<void>
  readonly deadLetters: DeadLetters
  stats(): Promise<Stats>
  /** Pending tasks per hour; hours without any are left out. */
  calendar(range?: { from?: InstantInput | undefined; to?: InstantInput | undefined }): Promise<CalendarHour[]>
  close(options?: { drain?: Duration | undefined }): Promise<void>
  readonly closed: Promise<Closed>
}

/** The engine in this process. */
export interface Engine<Queues = AnyQueues> extends Hourwheel<Queues> {
  /**
   * Runs the due tasks of a queue: a function in this thread, or the default export of `{ module }` in threads of its own; then
   * it resolves once the module is loaded. One handler a queue.
   */
  handle<Name extends QueueName<Queues>>(
    queue: Name,
    handler: Handler<PayloadOutput<Queues, Name>, Queues> | HandlerModule,
    options?: ModuleOptions,
  ): Promise<HandlerHandle>
  /**
   * Copies all of it to a directory that is empty or not there yet, or to a file that ends in `.tar`; an absolute path. Goes on
   * accepting and running tasks meanwhile. `hourwheel verify` takes the result, `hourwheel restore` makes a directory of it.
   */
  backup(to: string, options?: BackupOptions): Promise<BackupReport>
  /** Listens to an event; answers a function that stops listening. */
  on<N extends keyof EngineEvents>(name: N, listener: (event: EngineEvents[N]) => void): () => void
  [Symbol.asyncDispose](): Promise<void>
}

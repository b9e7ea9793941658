/**
 * What an engine is to those who use it, and what it can be told at open. Types only: the class behind it is engine/engine.ts,
 * and nothing of its inside shows here.
 */

import type { Duration } from './durations.ts'
import type { BackupOptions, BackupReport, CalendarHour, Closed, EngineEvents, Stats } from './engine-reports.ts'
import type {
  AckInput,
  CancelAnswer,
  DeadLetters,
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
  TaskOf,
  TaskRef,
  TasksOf,
} from './hourwheel.ts'
import type { AnyQueues, PayloadOutput, QueueMap, QueueName, QueueOptions } from './typed-queues.ts'

/** Only `dir` must be given. Options that are out of range or unknown are refused, with what to write instead. */
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
 *
 * A promise of a change resolves once that is on disk. What is refused rejects with a `HourwheelError`, whose `code` is one of
 * docs/errors.md and whose `outcome` says whether nothing was done. Any call may be refused with HW_CLOSED, HW_OVERLOADED,
 * HW_DISK_FULL, or HW_OUTCOME_UNKNOWN when the engine fails in the middle of it.
 */
export interface Hourwheel<Queues = AnyQueues> {
  /** Accepts one task. Refused with HW_INVALID_..., HW_PAYLOAD_TOO_LARGE, HW_KEY_EXISTS or HW_TASK_CHANGED as its fields say. */
  schedule<Name extends QueueName<Queues>>(task: TaskOf<Queues, Name>): Promise<Receipt>
  /** Up to 10,000 tasks or 8 MiB as one durable unit: all or none; receipts in order. An error carries the `index` of the bad task. */
  scheduleMany<const Names extends readonly QueueName<Queues>[]>(tasks: TasksOf<Queues, Names>): Promise<Receipt[]>
  /** Never starts again after 'cancelled', across any crash. Answers for every state, so it is safe to repeat. */
  cancel(ref: TaskRef): Promise<CancelAnswer>
  /** Moves a pending task, also one that waits for a retry. */
  reschedule(ref: TaskRef, input: RescheduleInput): Promise<RescheduleAnswer>
  /** Undefined when there is no such task, or it ended so long ago that nothing is known of it. */
  get(ref: TaskRef): Promise<GetAnswer | undefined>
  /** In fire order. A task that moves or ends meanwhile may be missed. */
  list(input?: ListInput): AsyncIterable<ListedTask>
  /** Runs the due tasks of a queue by a function in this process. One handler a queue: HW_HANDLER_EXISTS. */
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
  /** A leased task has succeeded. Answers for an older token, too, so it is safe to repeat; so do nack and extend. */
  ack<Name extends QueueName<Queues>>(
    token: string,
    input?: AckInput<TaskOf<Queues, Name>>,
  ): Promise<{ readonly outcome: 'acked' } | LateAnswer>
  /** Several acks, answered in order; each for itself. */
  ackMany(answers: readonly ({ token: string } & AckInput)[]): Promise<({ readonly outcome: 'acked' } | LateAnswer)[]>
  /** The attempt has failed. */
  nack(token: string, input?: NackInput): Promise<{ readonly outcome: 'nacked' } | LateAnswer>
  /** The lease ends this long from now. */
  extend(token: string, lease: Duration): Promise<{ readonly outcome: 'extended' } | LateAnswer>
  /** Durably starts no more attempts of a queue; tasks go on being accepted. */
  pause(queue: string): Promise<void>
  resume(queue: string): Promise<void>
  readonly deadLetters: DeadLetters
  stats(): Promise<Stats>
  /** How many tasks there are in each hour, between two instants or over the whole horizon; hours without any are left out. */
  calendar(range?: { from?: InstantInput | undefined; to?: InstantInput | undefined }): Promise<CalendarHour[]>
  /** Stops: what runs gets `drain` (default 10 s) to end, then its leases are given back. Idempotent. */
  close(options?: { drain?: Duration | undefined }): Promise<void>
  /** Resolves when it has stopped, for whatever reason; never rejects. */
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

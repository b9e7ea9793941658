/**
 * The public vocabulary: what callers hand in and what they get back. Types only; the calls themselves are in engine.ts.
 * Instants in answers are UTC epoch milliseconds.
 */

import type { Duration } from './durations.ts'
import type { RetryOptions } from './retry.ts'
import type { AnyQueues, PayloadInput, QueueName } from './typed-queues.ts'

/** Anything with `epochMilliseconds`, such as a Temporal.Instant. */
export interface InstantLike {
  readonly epochMilliseconds: number
}

/** An instant: Date, epoch milliseconds, ISO 8601 text with a zone, or a Temporal.Instant. */
export type InstantInput = Date | number | string | InstantLike

/** One task to schedule. Exactly one of `at` and `delay`. */
export interface TaskInput {
  queue: string
  at?: InstantInput | undefined
  delay?: Duration | undefined
  /** JSON data, or bytes. Absent: no payload. */
  payload?: unknown
  retry?: RetryOptions | undefined
  /** How long one attempt may take. */
  timeout?: Duration | undefined
  /** From this instant on the task is no longer run; it ends as expired. */
  expiresAt?: InstantInput | undefined
  headers?: Readonly<Record<string, string>> | undefined
  /** What the task is for, 1 to 256 bytes of UTF-8: names at most one task of its queue that has not ended. */
  key?: string | undefined
  /** What to do when a task has the key already. Default 'keep'. */
  onConflict?: OnConflict | undefined
  /**
   * With 'replace', 'earliest' or 'latest': only if a pending task has the key and is still of this generation; refused with
   * HW_TASK_CHANGED otherwise.
   */
  ifGeneration?: number | undefined
}

/**
 * - keep      that task stays as it is; also one that ended within the key window
 * - reject    HW_KEY_EXISTS; also for one that ended within the key window
 * - replace   it becomes the new task in all but its id
 * - earliest, latest   it moves to the new fire time if that is earlier, or later
 *
 * While an attempt of it runs, the last three make a new task that takes the key over.
 */
export type OnConflict = 'keep' | 'reject' | 'replace' | 'earliest' | 'latest'

/** The task of a queue that has this key. */
export interface KeyRef {
  queue: string
  key: string
}

/** An id from a receipt, or a key. */
export type TaskRef = string | KeyRef

/** One task to schedule, with the payload that its queue takes. */
export type TaskOf<Queues, Name extends string> = Omit<TaskInput, 'queue' | 'payload'> & {
  queue: Name
} & PayloadField<PayloadInput<Queues, Name>>

/** Tasks of one queue or of several, each with the payload of its own. */
export type TasksOf<Queues, Names extends readonly string[]> = readonly [
  ...{ [At in keyof Names]: TaskOf<Queues, Names[At]> },
]

/** The payload may be left out where undefined is one. */
type PayloadField<Payload> = undefined extends Payload ? { payload?: Payload | undefined } : { payload: Payload }

export interface Receipt {
  /** 14 characters; sorts by hour. */
  readonly id: string
  readonly fireAt: number
  /** Without a key always 'created'. 'replaced': a pending task was replaced or moved. 'kept': nothing was changed. */
  readonly outcome: 'created' | 'kept' | 'replaced'
  readonly generation: number
  /** Of a kept task. */
  readonly state?: LiveState | 'ended' | undefined
  /** The task that had the key, and of which an attempt goes on without it. */
  readonly running?: string | undefined
}

export type EndedHow = 'succeeded' | 'cancelled' | 'other'

export type CancelAnswer =
  | { readonly outcome: 'cancelled'; readonly generation: number; readonly lsn: number }
  | { readonly outcome: 'leased'; readonly attempt: number; readonly lsn: number }
  | { readonly outcome: 'ended'; readonly how?: EndedHow | 'dead' | undefined }
  | { readonly outcome: 'missing' }

export type RescheduleAnswer =
  | { readonly outcome: 'rescheduled'; readonly fireAt: number; readonly generation: number; readonly lsn: number }
  | { readonly outcome: 'changed'; readonly generation: number }
  | { readonly outcome: 'leased'; readonly attempt: number }
  | { readonly outcome: 'ended'; readonly how?: EndedHow | 'dead' | undefined }
  | { readonly outcome: 'missing' }

export interface RescheduleInput {
  at?: InstantInput | undefined
  delay?: Duration | undefined
  /** Only if the task's generation is still this one. */
  ifGeneration?: number | undefined
}

export type LiveState = 'pending' | 'leased' | 'dead'

/** A task that has not ended, or a dead letter. */
export interface TaskView {
  readonly id: string
  readonly queue: string
  readonly key?: string | undefined
  readonly state: LiveState
  readonly fireAt: number
  /** Attempts answered so far. */
  readonly attempt: number
  readonly generation: number
  readonly payload: unknown
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly expiresAt?: number | undefined
  readonly lastError?: string | undefined
}

export interface DeadView extends TaskView {
  readonly state: 'dead'
  readonly reason: DeadReason
  readonly diedAt: number
  readonly error: string
}

export type DeadReason = 'attempts' | 'lost' | 'asked' | 'damaged' | 'maxAge'

/** What `get` answers: the task, or that it ended (how, while that is known). */
export type GetAnswer = TaskView | DeadView | { readonly state: 'ended'; readonly how?: EndedHow | undefined }

export interface ListInput {
  queue?: string | undefined
  state?: LiveState | undefined
  from?: InstantInput | undefined
  to?: InstantInput | undefined
  /** Where an earlier listing stopped: the `cursor` of its last task. */
  cursor?: string | undefined
  limit?: number | undefined
}

export type ListedTask = TaskView & { readonly cursor: string }

/** A task as its handler sees it. */
export interface Task<Payload = unknown> {
  readonly id: string
  readonly queue: string
  readonly payload: Payload
  readonly headers: Readonly<Record<string, string>>
}

export interface AttemptContext<Queues = AnyQueues> {
  /** Aborted when the attempt times out, is cancelled, or the engine closes. */
  readonly signal: AbortSignal
  /** 1 for the first attempt. */
  readonly attempt: number
  /** Larger for every later lease of any task in this directory. */
  readonly fence: number
  readonly scheduledFor: number
  readonly lateMs: number
  /** Fails the attempt and says when the next one is due; call it and return, or throw what it returns. */
  retry(options?: { delay?: Duration | undefined }): Error
  /** Ends the task as a dead letter; call it and return, or throw what it returns. */
  deadLetter(reason: string): Error
  /** Schedules one successor, durably in the same step as this attempt's success. Validated at once. */
  scheduleNext<Name extends QueueName<Queues>>(task: TaskOf<Queues, Name>): void
}

export type Handler<Payload = unknown, Queues = AnyQueues> = (
  task: Task<Payload>,
  context: AttemptContext<Queues>,
) => unknown

export interface HandleOptions {
  /** How many attempts run at once. Default 100. */
  concurrency?: number | undefined
  timeout?: Duration | undefined
}

/** A module whose default export is a `Handler`, ESM or CommonJS. */
export interface HandlerModule {
  /** Its URL, such as `new URL('./thumbs.js', import.meta.url)`, or the text of one. */
  module: { readonly href: string } | string
}

/** Memory of one thread, in MiB; Node's choice where not given. */
export interface ThreadMemory {
  /** At least 16. */
  readonly maxOldGenerationSizeMb?: number | undefined
  readonly maxYoungGenerationSizeMb?: number | undefined
  readonly codeRangeSizeMb?: number | undefined
  readonly stackSizeMb?: number | undefined
}

/** For a handler in this thread, those of `HandleOptions`; `threads` and `resourceLimits` are for a module. */
export interface ModuleOptions extends HandleOptions {
  /** How many attempts run at once, in all threads together. Default for a module: the number of cores. */
  concurrency?: number | undefined
  /** At most `concurrency`. Default: the number of cores, or `concurrency` if that is less. */
  threads?: number | undefined
  /** A thread that needs more dies, which fails the attempts that run in it. */
  resourceLimits?: ThreadMemory | undefined
}

export interface HandlerHandle {
  /** No new attempts; resolves when the running ones have ended. */
  readonly stop: () => Promise<void>
}

export interface LeaseInput {
  /** Default 1, at most 1,000. */
  max?: number | undefined
  /** How long the caller has for each task; `extend` gives more. Default 30 s. */
  lease?: Duration | undefined
  /** How long to wait for a task when none is due. Default: not at all. */
  wait?: Duration | undefined
  signal?: AbortSignal | undefined
}

/** A task that the caller is to run, and to answer by its token. */
export interface LeasedTask<Payload = unknown> extends Task<Payload> {
  readonly token: string
  readonly attempt: number
  readonly fence: number
  readonly scheduledFor: number
  readonly lateMs: number
  /** Without an answer or `extend` by then, the attempt has failed. */
  readonly leaseMs: number
}

export type LateAnswer = { readonly outcome: 'stale' | 'ended' | 'missing' }

export interface AckInput<Next = TaskInput> {
  /** The successor, scheduled durably in the same step. */
  next?: Next | undefined
}

export interface NackInput {
  retryAt?: InstantInput | undefined
  delay?: Duration | undefined
  /** No further attempt: a dead letter. */
  dead?: boolean | undefined
  error?: string | undefined
}

export interface QueueCounters {
  readonly accepted: number
  readonly pending: number
  readonly leased: number
  readonly succeeded: number
  readonly dead: number
  readonly cancelled: number
  readonly expired: number
  readonly replaced: number
  readonly purged: number
  readonly damaged: number
}

export interface QueueStats extends QueueCounters {
  readonly paused: boolean
  readonly handled: boolean
  readonly due: number
  readonly running: number
  /** How late the oldest due task is that has not started, 0 when there is none. */
  readonly overdueOldestMs: number
  readonly nearBytes: number
}

export interface LatenessStats {
  readonly count: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

export interface Stats {
  readonly queues: Readonly<Record<string, QueueStats>>
  readonly total: QueueCounters
  /** accepted minus all the rest: 0, always. */
  readonly conservation: number
  readonly overdueOldestMs: number
  /** Lateness of the attempts started in this process. */
  readonly lateness: LatenessStats
  readonly wal: {
    readonly files: number
    readonly bytes: number
    readonly appendedLsn: number
    readonly syncedLsn: number
    readonly diskFull: boolean
    /** Syncs since open, and how long they took: together, and the longest. */
    readonly syncs: number
    readonly syncMs: number
    readonly syncMsMax: number
  }
  /** Tasks in memory, and tasks only on disk. */
  readonly near: number
  readonly far: number
  readonly nearBytes: number
  readonly segments: { readonly files: number; readonly bytes: number; readonly tasks: number }
  /** Checkpoints made and segments merged since the start. */
  readonly checkpoints: number
  readonly merges: number
  readonly clock: { readonly held: boolean; readonly heldBecause?: string | undefined }
  readonly healthy: boolean
  readonly incarnation: number
  readonly openCount: number
}

export interface CalendarHour {
  /** Start of the hour, UTC epoch milliseconds. */
  readonly hour: number
  readonly pending: number
}

export interface EngineEvents {
  fired: { id: string; queue: string; attempt: number; lateMs: number }
  succeeded: { id: string; queue: string; attempt: number }
  attemptFailed: { id: string; queue: string; attempt: number; error: string; retryAt?: number | undefined }
  deadLettered: { id: string; queue: string; reason: DeadReason; error: string }
  cancelled: { id: string; queue: string }
  expired: { id: string; queue: string }
  noConsumer: { queue: string; due: number }
  clockJump: { byMs: number; held: boolean }
  tornTail: { file: string; offset: number; bytes: number; savedAs: string }
  damaged: { file: string; offset: number; tasks: number }
}

export type DeadFilter = { queue?: string | undefined }

export interface DeadLetters {
  list(filter?: DeadFilter & { limit?: number | undefined }): AsyncIterable<DeadView>
  /**
   * Makes dead letters pending again, attempt 0, due at once. A ref or a filter; answers how many, and how many of them have
   * lost their key to another task meanwhile.
   */
  redrive(target: TaskRef | DeadFilter): Promise<{ redriven: number; unnamed?: number | undefined }>
  purge(target: TaskRef | DeadFilter): Promise<{ purged: number }>
}

/** Why and how an engine stopped. */
export interface Closed {
  readonly reason: 'closed' | 'failed'
  readonly error?: Error | undefined
}

export interface BackupOptions {
  /** Hears of every piece, with the bytes that were copied so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface BackupReport {
  readonly to: string
  readonly files: number
  readonly bytes: number
  /** All records up to this one are in it, and none after it. */
  readonly lsn: number
  readonly incarnation: number
  readonly queues: number
}

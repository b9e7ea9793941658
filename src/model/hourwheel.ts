/**
 * The public vocabulary: what callers hand in and what they get back. Types only; the calls themselves are in engine.ts.
 * Instants in answers are UTC epoch milliseconds; names of durations end in their unit.
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
  /** 1 to 128 letters, digits, '.', '_' or '-'. A queue need not be known: it is made by its first task. */
  queue: string
  /** From 2001-09-09 to August 2089. What has passed is due at once. */
  at?: InstantInput | undefined
  /** From now on. */
  delay?: Duration | undefined
  /** JSON data, or bytes as a Uint8Array: up to `payloadBytesMax`. Absent: no payload. */
  payload?: unknown
  /** What differs from the policy of the queue. */
  retry?: RetryOptions | undefined
  /** How long one attempt may take, 10 ms to 24 h. Default: that of the queue. */
  timeout?: Duration | undefined
  /** From this instant on the task is no longer run; it ends as expired. */
  expiresAt?: InstantInput | undefined
  /** Given to the handler as they are: at most 64, with 4 KiB of names and values together. */
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

/** The answer to a schedule, once the task is on disk. */
export interface Receipt {
  /** 14 characters; sorts by hour. */
  readonly id: string
  readonly fireAt: number
  /** Without a key always 'created'. 'replaced': a pending task was replaced or moved. 'kept': nothing was changed. */
  readonly outcome: 'created' | 'kept' | 'replaced'
  /** How often the task was rescheduled, replaced or redriven; for `ifGeneration`. */
  readonly generation: number
  /** Of a kept task. */
  readonly state?: LiveState | 'ended' | undefined
  /** The task that had the key, and of which an attempt goes on without it. */
  readonly running?: string | undefined
}

/** 'other': expired, purged or damaged. */
export type EndedHow = 'succeeded' | 'cancelled' | 'other'

/**
 * - cancelled   no attempt starts any more
 * - leased      an attempt runs: its signal is aborted, no further one starts, and the task ends cancelled unless this one succeeds
 * - ended       it had ended, or is a dead letter; how, while that is known
 * - missing     there is no such task
 *
 * `lsn` is the number of the record that says so.
 */
export type CancelAnswer =
  | { readonly outcome: 'cancelled'; readonly generation: number; readonly lsn: number }
  | { readonly outcome: 'leased'; readonly attempt: number; readonly lsn: number }
  | { readonly outcome: 'ended'; readonly how?: EndedHow | 'dead' | undefined }
  | { readonly outcome: 'missing' }

/** 'changed': the generation is another one than `ifGeneration`. 'changed' and 'leased': nothing was done. */
export type RescheduleAnswer =
  | { readonly outcome: 'rescheduled'; readonly fireAt: number; readonly generation: number; readonly lsn: number }
  | { readonly outcome: 'changed'; readonly generation: number }
  | { readonly outcome: 'leased'; readonly attempt: number }
  | { readonly outcome: 'ended'; readonly how?: EndedHow | 'dead' | undefined }
  | { readonly outcome: 'missing' }

/** Exactly one of `at` and `delay`. */
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

/** A dead letter. */
export interface DeadView extends TaskView {
  readonly state: 'dead'
  readonly reason: DeadReason
  readonly diedAt: number
  /** What the last attempt failed with. */
  readonly error: string
}

/**
 * - attempts   all were used up
 * - maxAge     the next one would have been due later than the retry policy allows
 * - asked      by the handler, a nack or a restore
 * - lost       its attempts ended with the death of the process too often
 * - damaged    its bytes cannot be read
 */
export type DeadReason = 'attempts' | 'lost' | 'asked' | 'damaged' | 'maxAge'

/** What `get` answers: the task, or that it ended (how, while that is known). */
export type GetAnswer = TaskView | DeadView | { readonly state: 'ended'; readonly how?: EndedHow | undefined }

/** Which tasks to list; all that have not ended, and the dead letters, when nothing is said. */
export interface ListInput {
  queue?: string | undefined
  state?: LiveState | undefined
  /** Fire times from this instant on. */
  from?: InstantInput | undefined
  /** Fire times up to this instant, included. */
  to?: InstantInput | undefined
  /** Where an earlier listing stopped: the `cursor` of its last task. */
  cursor?: string | undefined
  /** How many at most. Default: no limit; they are read page by page. */
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

/** What a handler is given beside its task. */
export interface AttemptContext<Queues = AnyQueues> {
  /** Aborted when the attempt times out, is cancelled, or the engine closes. */
  readonly signal: AbortSignal
  /** 1 for the first attempt. */
  readonly attempt: number
  /** Larger for every later lease of any task in this directory. */
  readonly fence: number
  /** The fire time of this attempt. */
  readonly scheduledFor: number
  /** Start of the handler minus that. */
  readonly lateMs: number
  /** Fails the attempt and says when the next one is due; call it and return, or throw what it returns. */
  retry(options?: { delay?: Duration | undefined }): Error
  /** Ends the task as a dead letter; call it and return, or throw what it returns. */
  deadLetter(reason: string): Error
  /** Schedules one successor, durably in the same step as this attempt's success. Validated at once. */
  scheduleNext<Name extends QueueName<Queues>>(task: TaskOf<Queues, Name>): void
}

/** Runs one attempt: it succeeds when this returns, or its promise resolves, and fails when it throws or rejects. */
export type Handler<Payload = unknown, Queues = AnyQueues> = (
  task: Task<Payload>,
  context: AttemptContext<Queues>,
) => unknown

export interface HandleOptions {
  /** How many attempts run at once. Default 100. */
  concurrency?: number | undefined
  /** How long an attempt may take where its task does not say. Default: that of the queue. */
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
  /** How long the caller has for each task, 100 ms to 24 h; `extend` gives more. Default 30 s. */
  lease?: Duration | undefined
  /** How long to wait for a task when none is due, at most 60 s. Default: not at all. */
  wait?: Duration | undefined
  /** Aborted: nobody waits any more, and no task is handed out. */
  signal?: AbortSignal | undefined
}

/** A task that the caller is to run, and to answer by its token. */
export interface LeasedTask<Payload = unknown> extends Task<Payload> {
  /** Names this lease in the answer. */
  readonly token: string
  /** 1 for the first attempt. */
  readonly attempt: number
  /** Larger for every later lease of any task in this directory. */
  readonly fence: number
  /** The fire time of this attempt. */
  readonly scheduledFor: number
  /** How long after that it was leased. */
  readonly lateMs: number
  /** Without an answer or `extend` by then, the attempt has failed. */
  readonly leaseMs: number
}

/** The lease is over ('stale'), the task has ended or is a dead letter, or there is none such: nothing was done. */
export type LateAnswer = { readonly outcome: 'stale' | 'ended' | 'missing' }

export interface AckInput<Next = TaskInput> {
  /** The successor, scheduled durably in the same step. */
  next?: Next | undefined
}

/** At most one of `retryAt`, `delay` and `dead`; without them the retry policy says when the next attempt is due. */
export interface NackInput {
  retryAt?: InstantInput | undefined
  delay?: Duration | undefined
  /** No further attempt: a dead letter. */
  dead?: boolean | undefined
  /** Kept with the task, up to 2 KiB. */
  error?: string | undefined
}

/** Without a queue: the dead letters of all. */
export type DeadFilter = { queue?: string | undefined }

export interface DeadLetters {
  /** In the order in which they died; `limit` is how many at most. */
  list(filter?: DeadFilter & { limit?: number | undefined }): AsyncIterable<DeadView>
  /**
   * Makes dead letters pending again, attempt 0, due at once. A ref or a filter; answers how many, and how many of them have
   * lost their key to another task meanwhile.
   */
  redrive(target: TaskRef | DeadFilter): Promise<{ redriven: number; unnamed?: number | undefined }>
  /** Removes dead letters for good; answers how many. */
  purge(target: TaskRef | DeadFilter): Promise<{ purged: number }>
}

/** What the engine and a thread with handlers say to each other: plain data, beside the shared memory of a batch. */

import type { Verdict } from './handler-context.ts'

/** What a thread has to know of the queue and the engine. */
export interface ThreadSetup {
  readonly queue: string
  readonly incarnation: number
  readonly payloadBytesMax: number
  /** How many attempts the thread runs at once. */
  readonly lanes: number
}

/** Answered when all members have ended, with how many milliseconds the thread had the batch. */
export interface BatchMessage {
  readonly kind: 'batch'
  readonly batch: number
  readonly buffer: SharedArrayBuffer
}

/** Answered at once: the answer shows that the thread's event loop turns. */
export interface AbortMessage {
  readonly kind: 'abort'
  readonly batch: number
  readonly index: number
  readonly reason: string
  /** Its attempt is settled: the lane goes on to the next task. */
  readonly isOver: boolean
}

export type ThreadMessage = BatchMessage | AbortMessage

/** How an attempt ended of which there is more to say than that it succeeded. Sent before its mark is set. */
export interface AnswerMessage {
  readonly batch: number
  readonly index: number
  /** Absent: the handler succeeded. */
  readonly error?: PlainError | undefined
  readonly verdict?: Verdict | undefined
  readonly next?: PlainNext | undefined
}

/** The numbers of batches in which members have started or ended. */
export type ProgressMessage = readonly number[]

export interface PlainError {
  readonly name: string
  readonly message: string
}

/** A successor, validated and encoded in the thread; its queue is still a name. */
export interface PlainNext {
  readonly queue: string
  readonly fireAt: number
  readonly payload: string | Uint8Array | undefined
  readonly extras: Uint8Array | undefined
}

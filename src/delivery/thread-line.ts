/**
 * One thread with handlers as the engine sees it: the batches it was sent, and what became of their members.
 *
 *   send -> waiting in the thread -> running -> ended: told by its mark, by a message, or by the thread's death
 *
 * Invariants
 * - Each attempt is answered once: its place in the batch is emptied first.
 * - When the thread dies, members that had ended are answered as they ended, those that ran fail, the rest are untouched.
 * - More is sent than may run at once only while the thread works that off in a few milliseconds.
 */

import type { Clock, HandlerThread } from '../platform/ports.ts'
import type { EncodedTask } from './attempt-records.ts'
import type { Attempt } from './attempt.ts'
import type { Answers } from './executor.ts'
import { makeBatch, mark, type BatchMember, type TaskBatch } from './task-batch.ts'
import type { AnswerMessage, PlainNext, ProgressMessage, ThreadMessage } from './thread-messages.ts'

/** Tasks sent beyond those that may run at once: at first, and at most. */
const aheadStart = 16
const aheadMax = 1_024
/** A batch that took less lets more tasks be sent ahead, one that took more lets fewer. */
const shortMs = 5
const longMs = 20
/** What waits in the thread for longer is taken back, for another thread or this one. */
const waitMsMax = 50
/** A thread that does not answer for so long after a time-out is blocked. */
const answerMsMax = 1_000
/** Blocks of shared memory kept for later batches, and the largest that is kept. */
const buffersKept = 16
const bufferBytesKeptMax = 512 << 10

export interface LineParts {
  readonly clock: Clock
  readonly answers: Answers
  /** A successor as it came from the thread, made ready for its record; throws when its queue cannot be made. */
  readonly nextOf: (next: PlainNext) => EncodedTask
  /** Members ended: there is room for more. */
  readonly freed: () => void
}

interface Sent {
  readonly number: number
  readonly tasks: TaskBatch
  /** Emptied one by one. */
  readonly attempts: (Attempt | undefined)[]
  /** All before it are empty. */
  from: number
  readonly sentMs: number
  readonly filledLine: boolean
}

export class ThreadLine {
  readonly lanes: number
  /** Members sent and not ended. */
  open = 0
  readonly #parts: LineParts
  #thread: HandlerThread | undefined
  readonly #batches: Map<number, Sent> = new Map()
  #batchNumber = 0
  #ahead = aheadStart
  /** Something was taken back, and nothing has ended since. */
  #stalled = false
  /** When the thread was asked what it has not answered yet. */
  readonly #askedMs: Set<{ readonly atMs: number }> = new Set()
  readonly #buffers: SharedArrayBuffer[] = []
  /** The present thread has run something: if it dies, a task may be to blame. */
  hasRun = false

  constructor(lanes: number, parts: LineParts) {
    this.lanes = lanes
    this.#parts = parts
  }

  begin(thread: HandlerThread): void {
    this.#thread = thread
    this.#ahead = aheadStart
    this.hasRun = false
  }

  get isAlive(): boolean {
    return this.#thread?.isAlive === true
  }

  /** How many more may be sent now. */
  get room(): number {
    if (!this.isAlive) return 0
    return this.lanes + (this.#stalled ? 0 : this.#ahead) - this.open
  }

  /** As many as may be leased for this thread: what it may have, and as many that are on the way to it. */
  get leaseMax(): number {
    return this.isAlive ? this.lanes + 2 * this.#ahead : 0
  }

  send(attempts: Attempt[], members: readonly BatchMember[]): void {
    const tasks = makeBatch(members, (bytes) => this.#buffer(bytes))
    const number = ++this.#batchNumber
    this.open += attempts.length
    const filledLine = 2 * (this.open - this.lanes) >= this.#ahead
    const sent: Sent = { number, tasks, attempts, from: 0, sentMs: this.#parts.clock.monotonicMs(), filledLine }
    this.#batches.set(number, sent)
    this.#call({ kind: 'batch', batch: number, buffer: tasks.buffer }, (tookMs) => this.#over(sent, tookMs as number))
  }

  /** What the thread does not answer any more, its death settles. */
  #call(message: ThreadMessage, answered: (answer: unknown) => void): void {
    const thread = this.#thread!
    thread.call(message).then(answered, () => void thread.terminate())
  }

  #over(sent: Sent, tookMs: number): void {
    this.#look(sent)
    this.#batches.delete(sent.number)
    const { buffer } = sent.tasks
    if (this.#buffers.length < buffersKept && buffer.byteLength <= bufferBytesKeptMax) this.#buffers.push(buffer)
    if (tookMs > longMs) this.#ahead >>= 1
    else if (tookMs < shortMs && sent.filledLine) this.#ahead = Math.min(aheadMax, 2 * this.#ahead + 1)
    this.#parts.freed()
  }

  said(message: unknown): void {
    if (Array.isArray(message)) {
      for (const number of message as ProgressMessage) {
        const sent = this.#batches.get(number)
        if (sent !== undefined) this.#look(sent)
      }
      this.#parts.freed()
      return
    }
    const { batch, index, error, verdict, next } = message as AnswerMessage
    const sent = this.#batches.get(batch)
    if (sent === undefined) return
    this.#look(sent)
    const attempt = this.#takeOut(sent, index)
    if (attempt === undefined || attempt.settled) return
    const { answers, nextOf } = this.#parts
    this.#tellStart(sent, index, attempt)
    attempt.verdict = verdict
    try {
      if (next !== undefined) attempt.successor = nextOf(next)
    } catch (cause) {
      answers.failed(attempt, cause)
      return
    }
    if (error === undefined) answers.succeeded(attempt)
    else answers.failed(attempt, Object.assign(new Error(error.message), { name: error.name }))
  }

  /** Answers what the marks say of a batch's members. */
  #look(sent: Sent): void {
    const { tasks, attempts } = sent
    const { answers } = this.#parts
    for (let index = sent.from; index < attempts.length; index++) {
      const attempt = attempts[index]
      if (attempt === undefined) continue
      const found = Atomics.load(tasks.marks, index)
      // They are started in order.
      if (found === mark.waiting) break
      if (found === mark.answered) continue
      if (found !== mark.notDue) this.#tellStart(sent, index, attempt)
      if (found === mark.running) continue
      this.#takeOut(sent, index)
      if (found === mark.succeeded) answers.succeeded(attempt)
      // Of one that was left, the time-out was its answer.
      else if (found === mark.notDue) answers.untouched(attempt)
    }
    while (sent.from < attempts.length && attempts[sent.from] === undefined) sent.from++
  }

  #tellStart(sent: Sent, index: number, attempt: Attempt): void {
    this.hasRun = true
    if (attempt.startedAtMs > 0 || attempt.settled) return
    this.#parts.answers.started(attempt, sent.tasks.startedAt[index]!)
  }

  #takeOut(sent: Sent, index: number): Attempt | undefined {
    const attempt = sent.attempts[index]
    if (attempt === undefined) return undefined
    sent.attempts[index] = undefined
    this.open--
    this.#stalled = false
    return attempt
  }

  /** Takes back what waits in the thread, in order. */
  withdraw(): Attempt[] {
    return [...this.#batches.values()].flatMap((sent) => this.#withdrawFrom(sent))
  }

  #withdrawFrom(sent: Sent): Attempt[] {
    const taken: Attempt[] = []
    for (let index = sent.from; index < sent.attempts.length; index++) {
      if (sent.attempts[index] === undefined || !sent.tasks.claim(index, mark.withdrawn)) continue
      taken.push(this.#takeOut(sent, index)!)
    }
    return taken
  }

  /** Looks at all batches: what runs without giving the thread back is seen here only. Answers what waited for too long. */
  watch(): Attempt[] {
    const now = this.#parts.clock.monotonicMs()
    const taken: Attempt[] = []
    for (const sent of this.#batches.values()) {
      this.#look(sent)
      if (now - sent.sentMs >= waitMsMax) taken.push(...this.#withdrawFrom(sent))
    }
    if (taken.length > 0) {
      this.#stalled = true
      this.#ahead >>= 1
    }
    return taken
  }

  /** Whether the thread owes an answer for so long that it must be blocked. */
  get isBlocked(): boolean {
    const [first] = this.#askedMs
    return first !== undefined && this.#parts.clock.monotonicMs() - first.atMs >= answerMsMax
  }

  /** Tells the thread, if the attempt is in it. Answers whether it is. */
  abort(attempt: Attempt, reason: string, isOver: boolean): boolean {
    for (const sent of this.#batches.values()) {
      const index = sent.attempts.indexOf(attempt, sent.from)
      if (index < 0) continue
      if (sent.tasks.claim(index, mark.withdrawn)) {
        this.#takeOut(sent, index)
        this.#parts.answers.untouched(attempt)
        return true
      }
      const asked = { atMs: this.#parts.clock.monotonicMs() }
      if (isOver) this.#askedMs.add(asked)
      this.#call({ kind: 'abort', batch: sent.number, index, reason, isOver }, () => {
        this.#askedMs.delete(asked)
        this.#look(sent)
        this.#parts.freed()
      })
      return true
    }
    return false
  }

  terminate(): Promise<void> {
    return this.#thread?.terminate() ?? Promise.resolve()
  }

  /** The thread has died: everything that was in it is answered. */
  died(reason: string): void {
    const { answers } = this.#parts
    this.#thread = undefined
    this.#askedMs.clear()
    const batches = [...this.#batches.values()]
    this.#batches.clear()
    for (const sent of batches) {
      this.#look(sent)
      for (let index = sent.from; index < sent.attempts.length; index++) {
        const attempt = this.#takeOut(sent, index)
        if (attempt === undefined) continue
        if (sent.tasks.marks[index] === mark.waiting) answers.untouched(attempt)
        else answers.failed(attempt, new Error(`its thread died: ${reason}`))
      }
    }
  }

  #buffer(bytes: number): SharedArrayBuffer {
    const at = this.#buffers.findIndex(({ byteLength }) => byteLength >= bytes && byteLength <= 16 * bytes)
    if (at >= 0) return this.#buffers.splice(at, 1)[0]!
    return new SharedArrayBuffer(2 ** Math.ceil(Math.log2(bytes)))
  }
}

/**
 * Runs the handlers of a module in threads. What waits is sent in batches (task-batch.ts), as soon as there is a thread for
 * it: a lone task travels alone and at once, what is due together travels together.
 *
 * Invariants
 * - At most `concurrency` handlers run at once, each thread its share of them; a dead thread is replaced.
 * - The death of a thread uses up an attempt of those that ran in it, of no other.
 *
 * It does not know how threads are made: see `HandlerThreads` in platform/ports.ts.
 */

import type { Clock, HandlerThreads, ThreadLimits, TimerHandle } from '../platform/ports.ts'
import type { TaskBytes } from './attempt-records.ts'
import type { Attempt } from './attempt.ts'
import type { Executor } from './executor.ts'
import { recordBytesOf, type BatchMember } from './task-batch.ts'
import { ThreadLine, type LineParts } from './thread-line.ts'
import type { ThreadSetup } from './thread-messages.ts'

const batchTasksMax = 256
const batchBytesMax = 256 << 10
/** How often threads with work are looked at. */
const watchMs = 50
/** Between two tries to start a thread, once one has failed or died before it ran a task. */
const restartMs = 1_000

export interface ThreadExecutorParts extends Omit<LineParts, 'freed'> {
  readonly clock: Clock
  readonly handlers: HandlerThreads
  /** Added to a lease's fence. */
  readonly fenceBase: number
  taskBytes(row: number): TaskBytes
}

export interface ThreadsWanted {
  readonly module: string
  readonly concurrency: number
  /** At most `concurrency`. */
  readonly threads: number
  readonly limits: ThreadLimits
  readonly setup: Omit<ThreadSetup, 'lanes'>
}

export class ThreadExecutor implements Executor {
  readonly #parts: ThreadExecutorParts
  readonly #wanted: ThreadsWanted
  readonly #lines: readonly ThreadLine[]
  #waiting: Attempt[] = []
  #waitingFrom = 0
  #watching: TimerHandle | undefined
  readonly #restarts: Set<TimerHandle> = new Set()
  #closed = false
  /** Called when there may be room for more leases. */
  wake: () => void = () => undefined

  /** Resolves once the module is loaded in one thread; the others follow. Rejects when it cannot be. */
  static async open(wanted: ThreadsWanted, parts: ThreadExecutorParts): Promise<ThreadExecutor> {
    const executor = new ThreadExecutor(wanted, parts)
    const [first, ...rest] = executor.#lines
    await executor.#begin(first!)
    for (const line of rest) void executor.#beginAgain(line)
    return executor
  }

  private constructor(wanted: ThreadsWanted, parts: ThreadExecutorParts) {
    this.#parts = parts
    this.#wanted = wanted
    const { concurrency, threads } = wanted
    const lineParts: LineParts = { ...parts, freed: () => this.#feed() }
    this.#lines = Array.from({ length: threads }, (_, at) => {
      return new ThreadLine(Math.floor(concurrency / threads) + (at < concurrency % threads ? 1 : 0), lineParts)
    })
  }

  get leaseMax(): number {
    return this.#lines.reduce((sum, { leaseMax }) => sum + leaseMax, 0)
  }

  async #begin(line: ThreadLine): Promise<void> {
    const { module, limits, setup } = this.#wanted
    const thread = await this.#parts.handlers.start(module, { ...setup, lanes: line.lanes }, limits, {
      said: (message) => line.said(message),
      died: (reason) => this.#died(line, reason),
    })
    line.begin(thread)
    if (this.#closed) await thread.terminate()
  }

  async #beginAgain(line: ThreadLine): Promise<void> {
    if (this.#closed) return
    try {
      await this.#begin(line)
      this.#feed()
      this.wake()
    } catch {
      // What waits goes back, unless another thread can run it.
      if (this.leaseMax === 0) this.giveBack()
      this.#beginLater(line)
    }
  }

  #beginLater(line: ThreadLine): void {
    if (this.#closed) return
    const timer = this.#parts.clock.setTimer(restartMs, () => {
      this.#restarts.delete(timer)
      void this.#beginAgain(line)
    })
    this.#restarts.add(timer)
  }

  #died(line: ThreadLine, reason: string): void {
    line.died(line.isBlocked ? 'it did not answer for a second after the time-out of a task' : reason)
    if (line.hasRun) void this.#beginAgain(line)
    else this.#beginLater(line)
  }

  start(attempts: readonly Attempt[]): void {
    for (const attempt of attempts) this.#waiting.push(attempt)
    this.#feed()
  }

  /** Sends what waits, to the thread that has least to do for each of its lanes. */
  #feed(): void {
    for (;;) {
      const waiting = this.#waiting.length - this.#waitingFrom
      let best: ThreadLine | undefined
      let withRoom = 0
      for (const line of this.#lines) {
        if (line.room <= 0) continue
        withRoom++
        if (best === undefined || line.open / line.lanes < best.open / best.lanes) best = line
      }
      if (waiting === 0 || best === undefined) break
      this.#send(best, Math.min(batchTasksMax, best.room, Math.ceil(waiting / withRoom)))
    }
    if (this.#waitingFrom === this.#waiting.length) {
      this.#waiting = []
      this.#waitingFrom = 0
    } else if (this.#waitingFrom > 10_000) {
      this.#waiting = this.#waiting.slice(this.#waitingFrom)
      this.#waitingFrom = 0
    }
  }

  #send(line: ThreadLine, count: number): void {
    const attempts: Attempt[] = []
    const members: BatchMember[] = []
    let bytes = 0
    while (attempts.length < count && bytes < batchBytesMax && this.#waitingFrom < this.#waiting.length) {
      const attempt = this.#waiting[this.#waitingFrom++]!
      // Cancelled while it waited, or given back by a closing engine.
      if (attempt.settled) continue
      const source = this.#parts.taskBytes(attempt.row)
      const recordBytes = recordBytesOf(source)
      bytes += recordBytes
      attempts.push(attempt)
      members.push({ source, recordBytes, fence: this.#parts.fenceBase + attempt.lease.fence })
    }
    if (attempts.length === 0) return
    line.send(attempts, members)
    if (this.#watching === undefined) this.#watchLater()
  }

  #watchLater(): void {
    this.#watching = this.#parts.clock.setTimer(watchMs, () => {
      this.#watching = undefined
      this.#watch()
    })
  }

  #watch(): void {
    const back = this.#lines.flatMap((line) => line.watch())
    if (back.length > 0) {
      this.#waiting = [...back, ...this.#waiting.slice(this.#waitingFrom)]
      this.#waitingFrom = 0
    }
    for (const line of this.#lines) if (line.isBlocked) void line.terminate()
    this.#feed()
    if (!this.#closed && this.#lines.some(({ open }) => open > 0)) this.#watchLater()
  }

  abort(attempt: Attempt, reason: Error, isOver: boolean): void {
    if (this.#lines.some((line) => line.abort(attempt, reason.message, isOver))) return
    // It waits here, or is over already.
    this.#parts.answers.untouched(attempt)
  }

  giveBack(): void {
    const back = [...this.#waiting.slice(this.#waitingFrom), ...this.#lines.flatMap((line) => line.withdraw())]
    this.#waiting = []
    this.#waitingFrom = 0
    for (const attempt of back) this.#parts.answers.untouched(attempt)
  }

  async close(): Promise<void> {
    this.#closed = true
    const { clock } = this.#parts
    if (this.#watching !== undefined) clock.clearTimer(this.#watching)
    for (const timer of this.#restarts) clock.clearTimer(timer)
    await Promise.all(this.#lines.map((line) => line.terminate()))
  }
}

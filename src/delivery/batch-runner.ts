/**
 * The thread's side of thread-executor.ts: runs the members of batches, in order, `lanes` at once.
 *
 * Invariants
 * - No member is started before its fire time, by the clock as it is then.
 * - What is said of a member is sent before its mark is set; a mark, once set, stays true.
 * - The event loop turns every few milliseconds between handlers that give it back, however many tasks wait.
 *
 * A handler that never gives the thread back holds up all else in it; the engine then ends the thread.
 */

import type { Handler, Task, TaskInput } from '../model/hourwheel.ts'
import { encodeId } from '../model/ids.ts'
import { limits } from '../model/limits.ts'
import { readBody, type TaskBody } from '../model/records.ts'
import type { Clock } from '../platform/ports.ts'
import { HandlerContext, type ContextState, type Verdict } from './handler-context.ts'
import { handlerTask, isThenable } from './handler-task.ts'
import { mark, TaskBatch } from './task-batch.ts'
import type {
  AbortMessage,
  BatchMessage,
  PlainError,
  PlainNext,
  ThreadMessage,
  ThreadSetup,
} from './thread-messages.ts'

/** Longest time between two turns of the event loop that is the runner's doing. */
const turnMsMax = 4

export interface RunnerParts {
  readonly setup: ThreadSetup
  readonly handler: Handler
  readonly clock: Clock
  readonly say: (message: unknown) => void
  readonly encodeNext: (task: TaskInput) => PlainNext
}

interface Running {
  readonly number: number
  readonly tasks: TaskBatch
  /** The next member to be started. */
  next: number
  /** Members that have not ended. */
  open: number
  readonly receivedMs: number
  readonly done: (tookMs: number) => void
  /** Members whose handlers have not answered yet, by index. */
  readonly waited: Map<number, Member>
}

class Member implements ContextState<PlainNext> {
  readonly batch: Running
  readonly index: number
  readonly number: number
  readonly fireAt: number
  readonly startedAtMs: number
  verdict: Verdict | undefined
  successor: PlainNext | undefined
  controller: AbortController | undefined
  abortReason: Error | undefined

  constructor(batch: Running, index: number, body: TaskBody, startedAtMs: number) {
    this.batch = batch
    this.index = index
    this.number = body.attempt + 1
    this.fireAt = body.fireAt
    this.startedAtMs = startedAtMs
  }
}

export class BatchRunner {
  readonly #parts: RunnerParts
  readonly #batches: Map<number, Running> = new Map()
  /** Batches with members to start, in the order they came. */
  readonly #line: Running[] = []
  #lanesFree: number
  #turnMs = 0
  #workSoon = false
  /** Batches in which something happened that was not told yet. */
  readonly #changed: Set<number> = new Set()
  #tellSoon = false
  #stopped = false

  constructor(parts: RunnerParts) {
    this.#parts = parts
    this.#lanesFree = parts.setup.lanes
  }

  receive(message: ThreadMessage): Promise<unknown> {
    if (message.kind === 'batch') return this.#take(message)
    this.#abort(message)
    return Promise.resolve()
  }

  /** Starts nothing more and says nothing more. */
  stop(): void {
    this.#stopped = true
  }

  #take({ batch: number, buffer }: BatchMessage): Promise<number> {
    const tasks = new TaskBatch(buffer)
    const receivedMs = this.#parts.clock.monotonicMs()
    return new Promise((done) => {
      const batch: Running = { number, tasks, next: 0, open: tasks.count, receivedMs, done, waited: new Map() }
      this.#batches.set(number, batch)
      this.#line.push(batch)
      this.#turnMs = receivedMs
      if (!this.#workSoon) this.#work()
    })
  }

  #work(): void {
    while (this.#lanesFree > 0 && this.#line.length > 0 && !this.#stopped) {
      const batch = this.#line[0]!
      if (batch.next === batch.tasks.count) {
        this.#line.shift()
        continue
      }
      if (this.#parts.clock.monotonicMs() - this.#turnMs >= turnMsMax) {
        this.#workInNextTurn()
        return
      }
      this.#start(batch, batch.next++)
    }
  }

  #workInNextTurn(): void {
    if (this.#workSoon) return
    this.#workSoon = true
    this.#parts.clock.soon(() => {
      this.#workSoon = false
      this.#turnMs = this.#parts.clock.monotonicMs()
      this.#work()
    })
  }

  #start(batch: Running, index: number): void {
    const { tasks } = batch
    const body = readBody(tasks.bytes, tasks.offsets[index]!)
    const now = this.#parts.clock.wallMs()
    if (now < body.fireAt) {
      tasks.claim(index, mark.notDue)
      this.#over(batch)
      return
    }
    tasks.startedAt[index] = now
    if (!tasks.claim(index, mark.running)) {
      this.#over(batch)
      return
    }
    const member = new Member(batch, index, body, now)
    let result: unknown
    let waits = false
    try {
      const { handler, encodeNext } = this.#parts
      result = handler(this.#taskOf(body), new HandlerContext(member, tasks.fences[index]!, encodeNext))
      waits = isThenable(result)
    } catch (error) {
      this.#ended(member, plainError(error))
      return
    }
    if (!waits) {
      this.#ended(member, undefined)
      return
    }
    this.#lanesFree--
    batch.waited.set(index, member)
    this.#tell(batch)
    const answered = (error: PlainError | undefined): void => {
      // Otherwise it was left at its time-out: this answer is stale.
      if (!batch.waited.delete(index) || this.#stopped) return
      this.#lanesFree++
      this.#ended(member, error)
      if (!this.#workSoon) this.#work()
    }
    Promise.resolve(result).then(
      () => answered(undefined),
      (error: unknown) => answered(plainError(error)),
    )
  }

  #ended(member: Member, error: PlainError | undefined): void {
    const { batch, index, verdict, successor } = member
    if (error === undefined && verdict === undefined && successor === undefined) {
      Atomics.store(batch.tasks.marks, index, mark.succeeded)
    } else {
      const next = error === undefined && verdict === undefined ? successor : undefined
      this.#parts.say({ batch: batch.number, index, error, verdict, next })
      Atomics.store(batch.tasks.marks, index, mark.answered)
    }
    this.#over(batch)
  }

  /** A member has ended. */
  #over(batch: Running): void {
    batch.open--
    if (batch.open > 0) {
      this.#tell(batch)
      return
    }
    this.#batches.delete(batch.number)
    this.#changed.delete(batch.number)
    batch.done(this.#parts.clock.monotonicMs() - batch.receivedMs)
  }

  #abort({ batch: number, index, reason, isOver }: AbortMessage): void {
    const batch = this.#batches.get(number)
    const member = batch?.waited.get(index)
    if (batch === undefined || member === undefined) return
    member.abortReason = new Error(reason)
    member.controller?.abort(member.abortReason)
    if (!isOver || !batch.waited.delete(index)) return
    Atomics.store(batch.tasks.marks, index, mark.left)
    this.#lanesFree++
    this.#over(batch)
    this.#workInNextTurn()
  }

  /** Once a turn at most; a batch that ends in the turn in which it came is told of by its end. */
  #tell(batch: Running): void {
    this.#changed.add(batch.number)
    if (this.#tellSoon) return
    this.#tellSoon = true
    this.#parts.clock.soon(() => {
      this.#tellSoon = false
      if (this.#changed.size === 0 || this.#stopped) return
      this.#parts.say([...this.#changed])
      this.#changed.clear()
    })
  }

  #taskOf(body: TaskBody): Task {
    const { queue, incarnation } = this.#parts.setup
    return handlerTask(body, encodeId(incarnation, body.homeHour, body.ordinal), queue)
  }
}

/** Whatever was thrown, as text that can cross threads. */
function plainError(error: unknown): PlainError {
  try {
    if (!(error instanceof Error)) return { name: 'Error', message: String(error).slice(0, limits.errorTextBytesMax) }
    // Users may have put anything there.
    const { name, message } = error as { name: unknown; message: unknown }
    return { name: String(name), message: String(message).slice(0, limits.errorTextBytesMax) }
  } catch {
    return { name: 'Error', message: 'an error that cannot be shown as text' }
  }
}

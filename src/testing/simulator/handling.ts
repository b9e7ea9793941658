/**
 * Handlers of every temper for the queues of a life, in the engine's thread or as a module in threads that die now and then,
 * and what the checker is told of their attempts.
 */

import type { AttemptContext, HandlerHandle, Task } from '../../model/hourwheel.ts'
import type { AttemptModel } from './task-model.ts'
import { headersText, payloadText, tagOf } from './workload.ts'
import type { LifeSide } from './world.ts'

type Outcome = 'ok' | 'failed' | 'deadLetter' | 'retry'

/** One thread with handlers. */
export interface InThread {
  /** What runs in it, and ends with it. */
  readonly running: Set<AttemptModel>
  die(): void
}

export class Handling {
  readonly #life: LifeSide
  readonly #handles: Map<string, HandlerHandle | 'coming' | 'going'> = new Map()

  constructor(life: LifeSide) {
    this.#life = life
  }

  has(queue: string): boolean {
    return this.#handles.has(queue)
  }

  /** `threads`: as a module in so many of them; else a function. */
  listen(queue: string, concurrency: number, threads?: number): void {
    if (this.#handles.has(queue)) return
    this.#handles.set(queue, 'coming')
    const { engine } = this.#life
    const handler =
      threads === undefined
        ? (task: Task, context: AttemptContext): unknown => this.run(queue, task, context)
        : { module: `file:///handlers/${queue}` }
    engine.handle(queue, handler, threads === undefined ? { concurrency } : { concurrency, threads }).then(
      (handle) => this.#handles.set(queue, handle),
      () => this.#handles.delete(queue),
    )
  }

  stop(queue: string): void {
    const handle = this.#handles.get(queue)
    if (handle === undefined || typeof handle === 'string') return
    this.#handles.set(queue, 'going')
    void handle.stop().then(() => this.#handles.delete(queue))
  }

  /** Ends a thread, whatever runs in it. */
  killThread(): void {
    const { machine, random, checker } = this.#life.world
    const threads = [...machine.handlers.threads.values()]
    if (threads.length === 0) return
    checker.journal.note('', 'a thread dies')
    void random.pick(threads).terminate('killed')
  }

  /** Runs one attempt, in a thread or in the engine's. */
  run(queue: string, task: Task, context: AttemptContext, thread?: InThread): unknown {
    const { world } = this.#life
    const { random, machine, checker } = world
    if (this.#life.over) return new Promise(() => undefined)
    const attempt = checker.started({
      id: task.id,
      queue: task.queue,
      tag: tagOf(task.payload, task.headers),
      payload: payloadText(task.payload),
      headers: headersText(task.headers),
      attempt: context.attempt,
      fence: context.fence,
      scheduledFor: context.scheduledFor,
      lateMs: context.lateMs,
      by: thread === undefined ? 'function' : 'module',
    })
    if (task.queue !== queue) checker.violate('same data', attempt?.task, `given to the handler of ${queue}`)
    if (attempt === undefined) return undefined
    thread?.running.add(attempt)
    const { timeoutMs } = attempt
    machine.loop.schedule(Math.max(0, timeoutMs - 1), () => {
      if (!this.#life.over) checker.overdue(attempt)
    })
    const answer = (outcome: Outcome, delayMs?: number): undefined => {
      // What is said in a thread that has died is not heard.
      if (this.#life.over || thread?.running.delete(attempt) === false) return undefined
      checker.answered(attempt, outcome, delayMs)
      return undefined
    }
    if (thread !== undefined && !this.#life.healthy && random.chance(0.03)) {
      thread.die()
      return new Promise(() => undefined)
    }
    const temper = this.#life.healthy ? 0 : random.below(100)
    if (temper < 45) return answer('ok')
    if (temper < 60) return this.#later(random.below(150)).then(() => answer('ok'))
    if (temper < 68) {
      answer('failed')
      throw new Error(`thrown by ${attempt.task.spec.tag}`)
    }
    if (temper < 76) {
      return this.#later(random.below(300)).then(() => {
        answer('failed')
        throw new Error('rejected, with ünicode')
      })
    }
    if (temper < 80) {
      const delay = random.pick([0, 10, 2_000, 3_600_000, 7_200_000])
      const verdict = context.retry({ delay })
      answer('retry', delay)
      if (random.chance(0.5)) return undefined
      throw verdict
    }
    if (temper < 83) {
      const verdict = context.deadLetter('it asked for it')
      answer('deadLetter')
      throw verdict
    }
    if (temper < 86) return new Promise(() => undefined)
    if (temper < 89) return this.#later(timeoutMs + random.between(-3, 2_000)).then(() => answer('ok'))
    const { input, spec } = this.#life.draw({ parent: attempt.task.spec })
    context.scheduleNext(input)
    checker.nextScheduled(attempt, spec)
    if (temper < 96) return random.chance(0.5) ? answer('ok') : this.#later(5).then(() => answer('ok'))
    answer('failed')
    throw new Error('failed after scheduling a successor')
  }

  #later(ms: number): Promise<void> {
    return new Promise((resolve) => this.#life.world.machine.loop.schedule(Math.max(0, ms), resolve))
  }
}

/** The default exports that threads are given, each with what runs in it. */
export class ThreadModules {
  readonly #running: Map<unknown, Set<AttemptModel>> = new Map()
  readonly #handling: () => Handling | undefined
  readonly #kill: (handler: (...values: never[]) => unknown) => void
  readonly #died: (attempt: AttemptModel) => void

  constructor(
    handling: () => Handling | undefined,
    kill: (handler: (...values: never[]) => unknown) => void,
    died: (attempt: AttemptModel) => void,
  ) {
    this.#handling = handling
    this.#kill = kill
    this.#died = died
  }

  /** A module as `import` answers it. */
  load(href: string): Promise<unknown> {
    const queue = href.slice(href.lastIndexOf('/') + 1)
    const handling = this.#handling()
    const handler = (task: Task, context: AttemptContext): unknown => handling?.run(queue, task, context, thread)
    const thread: InThread = { running: new Set(), die: () => this.#kill(handler) }
    this.#running.set(handler, thread.running)
    return Promise.resolve({ default: handler })
  }

  /** The thread with this handler has ended: what ran in it has failed. */
  ended(handler: unknown): void {
    const running = this.#running.get(handler)
    this.#running.delete(handler)
    for (const attempt of running ?? []) this.#died(attempt)
    running?.clear()
  }

  /** The process is gone, and its threads with it. */
  clear(): void {
    this.#running.clear()
  }
}

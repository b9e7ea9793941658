/**
 * The twin of worker threads with handlers for simulations and tests: the same runner, in this thread. Modules are imported
 * here, so that a test runner's TypeScript works; what is said crosses as copies, as between threads.
 *
 * It cannot end a handler that does not give the thread back, and a handler that ends the process ends it.
 */

import { defaultExportOf, type CreateRunner, type HandlerRunner, type RunnerStart } from '../platform/handler-runner.ts'
import type { Clock, HandlerThread, HandlerThreads, ThreadLimits, ThreadListener } from '../platform/ports.ts'

export interface HandlersInPlaceOptions {
  readonly clock: Clock
  readonly createRunner?: CreateRunner | undefined
  readonly load?: ((module: string) => Promise<unknown>) | undefined
  /** The thread that ran this default export is at its end: from here on nothing that the handler says is heard. */
  readonly ended?: ((handler: RunnerStart['handler']) => void) | undefined
}

export class HandlersInPlace implements HandlerThreads {
  readonly cores = 2
  /** Those that live, by what they run; a test may end one at any time, as an exhausted heap or `process.exit` does. */
  readonly threads: Map<RunnerStart['handler'], ThreadInPlace> = new Map()
  readonly #options: HandlersInPlaceOptions

  constructor(options: HandlersInPlaceOptions) {
    this.#options = options
  }

  async start(module: string, setup: unknown, _limits: ThreadLimits, listener: ThreadListener): Promise<ThreadInPlace> {
    const { clock, createRunner, load = (href: string) => import(href) as Promise<unknown>, ended } = this.#options
    if (createRunner === undefined) throw new Error('this machine was given no runner of handlers')
    const handler = defaultExportOf(await load(module))
    const thread = new ThreadInPlace(
      clock,
      listener,
      (say) => createRunner({ handler, setup: structuredClone(setup), clock, say }),
      () => {
        this.threads.delete(handler)
        ended?.(handler)
      },
    )
    this.threads.set(handler, thread)
    return thread
  }
}

export class ThreadInPlace implements HandlerThread {
  isAlive = true
  readonly #clock: Clock
  readonly #listener: ThreadListener
  readonly #runner: HandlerRunner
  readonly #ends: () => void
  #ended: Promise<void> | undefined
  /** Said, on its way. */
  readonly #said: unknown[] = []

  constructor(
    clock: Clock,
    listener: ThreadListener,
    createRunner: (say: (message: unknown) => void) => HandlerRunner,
    ends: () => void,
  ) {
    this.#ends = ends
    this.#clock = clock
    this.#listener = listener
    this.#runner = createRunner((message) => {
      this.#said.push(structuredClone(message))
      clock.soon(() => this.#hear())
    })
  }

  async call(message: unknown): Promise<unknown> {
    await new Promise<void>((resolve) => this.#clock.soon(resolve))
    if (!this.isAlive) throw new Error('the thread has died')
    const answer = structuredClone(await this.#runner.receive(structuredClone(message)))
    await new Promise<void>((resolve) => this.#clock.soon(resolve))
    this.#hear()
    return answer
  }

  terminate(reason: string = 'it was ended'): Promise<void> {
    if (this.isAlive) this.#ends()
    this.isAlive = false
    this.#runner.stop()
    this.#ended ??= new Promise<void>((resolve) => {
      this.#clock.soon(() => {
        this.#hear()
        this.#listener.died(reason)
        resolve()
      })
    })
    return this.#ended
  }

  #hear(): void {
    for (const message of this.#said.splice(0)) this.#listener.said(message)
  }
}

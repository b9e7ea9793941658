/**
 * The handlers of `--handlers` at work, by the settings that their queues have at the moment: `concurrency` and `timeout` of a
 * queue's settings come before those of the module. A change replaces the handler: attempts under way end as they would, and
 * tasks wait until the new one has been loaded.
 */

import type { Duration } from '../model/durations.ts'
import type { Engine } from '../model/engine.ts'
import type { HandlerHandle, ModuleOptions } from '../model/hourwheel.ts'
import type { QueueHandler } from './handler-module.ts'

/** What of a queue's settings matters here. */
export interface HandlerSettings {
  readonly concurrency?: number | undefined
  readonly timeout?: Duration | undefined
}

interface Served {
  readonly options: ModuleOptions
  /** Undefined where the last change could not be made. */
  readonly handle: HandlerHandle | undefined
}

export class ServedHandlers {
  readonly #engine: Engine
  readonly #handlers: ReadonlyMap<string, QueueHandler>
  readonly #served: Map<string, Served> = new Map()
  #isStarted = false
  /** Changes are made one after the other. */
  #last: Promise<void> = Promise.resolve()

  constructor(engine: Engine, handlers: ReadonlyMap<string, QueueHandler>) {
    this.#engine = engine
    this.#handlers = handlers
  }

  get queues(): string[] {
    return [...this.#handlers.keys()]
  }

  has(queue: string): boolean {
    return this.#handlers.has(queue)
  }

  /** Registers all of them; when one is refused, those before it are stopped again. */
  async start(settingsOf: (queue: string) => HandlerSettings): Promise<void> {
    this.#isStarted = true
    try {
      for (const queue of this.#handlers.keys()) await this.apply(queue, settingsOf(queue))
    } catch (error) {
      for (const { handle } of this.#served.values()) await handle?.stop()
      throw error
    }
  }

  /** Serves a queue by these settings, once started. Rejects when its handler is refused; the queue has none then. */
  apply(queue: string, settings: HandlerSettings): Promise<void> {
    if (!this.#isStarted) return Promise.resolve()
    const done = this.#last.then(() => this.#apply(queue, settings))
    this.#last = done.catch(() => undefined)
    return done
  }

  async #apply(queue: string, settings: HandlerSettings): Promise<void> {
    const known = this.#handlers.get(queue)
    if (known === undefined) return
    const options = optionsOf(known.options, settings)
    const before = this.#served.get(queue)
    if (before?.handle !== undefined && JSON.stringify(before.options) === JSON.stringify(options)) return
    this.#served.set(queue, { options, handle: undefined })
    // Takes nothing new from here on; that it waits for what runs must not keep the next one waiting.
    void before?.handle?.stop()
    this.#served.set(queue, { options, handle: await this.#engine.handle(queue, known.handler, options) })
  }
}

function optionsOf(own: ModuleOptions, { concurrency, timeout }: HandlerSettings): ModuleOptions {
  const options = { ...own }
  if (timeout !== undefined) options.timeout = timeout
  if (concurrency !== undefined) {
    options.concurrency = concurrency
    if (own.threads !== undefined) options.threads = Math.min(own.threads, concurrency)
  }
  return options
}

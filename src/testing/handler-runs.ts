/**
 * The handlers under way in a test, counted as they start and end, so that virtual time waits for them while they do real
 * work. A handler that sleeps in virtual time is not waited for.
 *
 * Invariant: never more than `firingsMax` starts between two calls of `reset`; those beyond are parked for ever, so that an
 * endless chain comes to rest and the engine can still be closed.
 */

import { isThenable } from '../delivery/handler-task.ts'
import type { Handler } from '../model/hourwheel.ts'

export interface HandlerRun {
  readonly queue: string
  readonly id: string
  readonly attempt: number
}

export class HandlerRuns {
  readonly #running: Set<HandlerRun> = new Set()
  readonly #sleeping: Set<object> = new Set()
  readonly firingsMax: number
  #firings = 0
  /** The first handler beyond the limit. */
  #beyond: HandlerRun | undefined
  /** Told whenever a handler ends or goes to sleep. */
  changed: () => void = () => undefined

  constructor(firingsMax: number) {
    this.firingsMax = firingsMax
  }

  /** Handlers that do real work. */
  get busy(): boolean {
    return this.#running.size > this.#sleeping.size
  }

  /** The handler that has run longest. */
  get oldest(): HandlerRun | undefined {
    for (const run of this.#running) return run
    return undefined
  }

  get beyond(): HandlerRun | undefined {
    return this.#beyond
  }

  /** Begins to count starts anew. */
  reset(): void {
    this.#firings = 0
    this.#beyond = undefined
  }

  /** Their process is gone: nobody waits for them any more. */
  forget(): void {
    this.#running.clear()
    this.#sleeping.clear()
    this.changed()
  }

  wrap(handler: Handler): Handler {
    return (task, context) => {
      const run: HandlerRun = { queue: task.queue, id: task.id, attempt: context.attempt }
      if (this.#firings === this.firingsMax) {
        this.#beyond ??= run
        return new Promise(() => undefined)
      }
      this.#firings++
      const result = handler(task, context)
      if (!isThenable(result)) return result
      this.#running.add(run)
      const ended = (): void => {
        this.#running.delete(run)
        this.changed()
      }
      result.then(ended, ended)
      return result
    }
  }

  /** A handler sleeps until `slept` settles. */
  sleep(slept: Promise<void>): Promise<void> {
    const one = {}
    this.#sleeping.add(one)
    this.changed()
    return slept.finally(() => this.#sleeping.delete(one))
  }
}

/** The engine's events: what happened, for those who watch. Nothing waits for a listener, and nothing depends on one. */

import { refuse } from '../model/errors.ts'
import { eventNames } from '../model/event-names.ts'
import type { EngineEvents } from '../model/engine-reports.ts'
import type { Clock } from '../platform/ports.ts'

type Name = keyof EngineEvents
type Listener<N extends Name> = (event: EngineEvents[N]) => void

export class Events {
  readonly #listeners: Map<Name, Listener<Name>[]> = new Map()
  readonly #clock: Clock
  /** Resolves when all records up to an LSN are on disk. */
  whenSynced: (lsn: number) => Promise<void> = () => Promise.resolve()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  on<N extends Name>(name: N, listener: Listener<N>): () => void {
    if (!eventNames.includes(name)) {
      throw refuse('HW_INVALID_OPTIONS', `there is no event '${name as string}'; there are ${eventNames.join(', ')}`)
    }
    if (typeof listener !== 'function') throw refuse('HW_INVALID_OPTIONS', 'a listener must be a function')
    const list = this.#listeners.get(name) ?? []
    this.#listeners.set(name, [...list, listener as Listener<Name>])
    return () => {
      this.#listeners.set(
        name,
        (this.#listeners.get(name) ?? []).filter((other) => other !== listener),
      )
    }
  }

  heard(name: Name): boolean {
    const list = this.#listeners.get(name)
    return list !== undefined && list.length > 0
  }

  emit<N extends Name>(name: N, event: EngineEvents[N]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        listener(event)
      } catch (error) {
        // A listener's bug is its owner's: it surfaces as an uncaught exception, outside the engine's own steps.
        this.#clock.soon(() => {
          throw error
        })
      }
    }
  }

  /** Emits once the record that says so is on disk. */
  emitDurable<N extends Name>(name: N, lsn: number, event: EngineEvents[N]): void {
    if (!this.heard(name)) return
    this.whenSynced(lsn).then(
      () => this.emit(name, event),
      () => undefined,
    )
  }
}

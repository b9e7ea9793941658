/**
 * What runs in a thread with handlers, as the platform starts it: `createRunner` of engine/handler-thread.ts, which the
 * platform is given by its URL, because it stands above it.
 */

import type { Clock } from './ports.ts'

export interface RunnerStart {
  /** The default export of the user's module. */
  readonly handler: (...values: never[]) => unknown
  /** What the engine handed to `HandlerThreads.start`. */
  readonly setup: unknown
  readonly clock: Clock
  readonly say: (message: unknown) => void
}

export interface HandlerRunner {
  receive(message: unknown): Promise<unknown>
  /** Starts nothing more and says nothing more. */
  stop(): void
}

export type CreateRunner = (start: RunnerStart) => HandlerRunner

/** The default export of a module, ESM or CommonJS, also one compiled from ESM to CommonJS. Throws if it is no function. */
export function defaultExportOf(module: unknown): RunnerStart['handler'] {
  const exported = (module as { default?: unknown }).default
  const inner = (exported as { default?: unknown } | null | undefined)?.default
  for (const value of [exported, inner]) if (typeof value === 'function') return value as RunnerStart['handler']
  const what = exported === undefined ? 'it has none' : `it is of type ${exported === null ? 'null' : typeof exported}`
  throw new TypeError(`the default export must be a function (task, context) => ..., but ${what}`)
}

/**
 * What a daemon may do with the engine it has opened, beyond the public API: it keeps settings of queues that can be changed while
 * it runs, handlers of its own that are held back while what they need is away, and leases that it could not hand out.
 */

import type { Engine as PublicEngine } from '../model/engine.ts'
import { refuse } from '../model/errors.ts'
import type { Handler } from '../model/hourwheel.ts'
import { checkQueueName } from '../model/names.ts'
import type { QueueOptions } from '../model/typed-queues.ts'
import type { PokedHandle } from './commands/handle.ts'
import { Engine } from './engine.ts'

/**
 * Puts other settings in the place of a queue's, at once: they are read when used, so attempts that fail from now on are retried
 * by them. What the options leave out gets its default; a schema given at open stays. Refused as `openEngine` would refuse them,
 * and nothing is changed then. Nothing is made durable, and nothing happens to attempts under way.
 */
export function replaceQueueSettings(
  engine: PublicEngine,
  queue: string,
  options: Omit<QueueOptions, 'payload'>,
): void {
  inner(engine).replaceSettings(checkQueueName(queue), options)
}

/**
 * A handler in this thread that has as many attempts at once as `leaseMax` says each time, also none: the queue has a handler all
 * the same, and its tasks wait. `poke` the handle when it says more than before.
 */
export function handleUpTo(engine: PublicEngine, queue: string, handler: Handler, leaseMax: () => number): PokedHandle {
  return inner(engine).handleUpTo(queue, handler, leaseMax)
}

/**
 * Leases that did not reach the one who asked for them: their tasks are due again at once, and no attempt is used up. Those that
 * were answered or ran out meanwhile are left alone. An engine that closes gives back all by itself.
 */
export function giveBackLeases(engine: PublicEngine, tokens: readonly string[]): void {
  inner(engine).giveBackLeases(tokens)
}

function inner(engine: PublicEngine): Engine {
  if (engine instanceof Engine) return engine
  throw refuse('HW_INVALID_OPTIONS', 'this takes an engine that was opened here')
}

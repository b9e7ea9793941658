/**
 * Puts other settings in the place of a queue's, at once: they are read when used, so attempts that fail from now on are
 * retried by them. A schema given at open stays. Not part of the public API: the daemon keeps settings of queues that can be
 * changed while it runs. Nothing is made durable here, and nothing happens to attempts under way.
 */

import type { Engine as PublicEngine } from '../model/engine.ts'
import { refuse } from '../model/errors.ts'
import { checkQueueName } from '../model/names.ts'
import type { QueueOptions } from '../model/typed-queues.ts'
import { Engine } from './engine.ts'

/** What the options leave out gets its default. Refused as `openEngine` would refuse them; nothing is changed then. */
export function replaceQueueSettings(
  engine: PublicEngine,
  queue: string,
  options: Omit<QueueOptions, 'payload'>,
): void {
  if (!(engine instanceof Engine)) throw refuse('HW_INVALID_OPTIONS', 'settings can be put into an engine only')
  engine.replaceSettings(checkQueueName(queue), options)
}

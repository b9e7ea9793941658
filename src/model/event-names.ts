/** The events that an engine tells of, each once: what `on` takes, and what daemon, client and program pass on. */

import type { EngineEvents } from './engine-reports.ts'

export const eventNames: readonly (keyof EngineEvents)[] = [
  'fired',
  'succeeded',
  'attemptFailed',
  'deadLettered',
  'cancelled',
  'expired',
  'noConsumer',
  'clockJump',
  'tornTail',
  'damaged',
]

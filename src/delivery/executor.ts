/**
 * What runs handlers: in this thread (inline-executor.ts), in worker threads. An executor is given attempts whose leases are
 * written and answers each exactly once, in any order; what it says of an attempt that is settled already is ignored.
 */

import type { Attempt } from './attempt.ts'

export type { Executor } from './attempt.ts'

/** How an executor tells what happens to its attempts. */
export interface Answers {
  /** The handler starts at this wall clock; its time-out counts from now. */
  started(attempt: Attempt, startedAtMs: number): void
  succeeded(attempt: Attempt): void
  failed(attempt: Attempt, error: unknown): void
  /** It was not started: the lease is given back and no attempt is used up. */
  untouched(attempt: Attempt): void
}

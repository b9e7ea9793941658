/** Who takes the due tasks of a queue: a handler with its executor, or pullers in other processes (lease-desk.ts). */

import type { DeliveryQueue } from './attempt-records.ts'
import type { Executor } from './executor.ts'

export interface Consumer {
  readonly queue: DeliveryQueue
  readonly executor: Executor
  /** How many may be leased at once: as many as may run, or more where some wait in line to be started. */
  readonly leaseMax: () => number
  /** Of one attempt; the queue's own when not given. */
  readonly timeoutMs: number | undefined
  /**
   * Its attempts run in other processes: losing this process says nothing about them, so tasks that were lost are neither
   * kept alone nor given up.
   */
  readonly isPulled: boolean
  /** Leased. */
  active: number
  /** Started; the rest of the active ones wait for their lease to be written, or in line. */
  running: number
  stopped: boolean
  /** Those who wait for `active` to become 0. */
  readonly idle: (() => void)[]
}

export function newConsumer(
  queue: DeliveryQueue,
  executor: Executor,
  leaseMax: () => number,
  options: { readonly timeoutMs?: number | undefined; readonly isPulled?: boolean | undefined } = {},
): Consumer {
  const { timeoutMs, isPulled = false } = options
  return { queue, executor, leaseMax, timeoutMs, isPulled, active: 0, running: 0, stopped: false, idle: [] }
}

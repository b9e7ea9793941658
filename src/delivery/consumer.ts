/** Who takes the due tasks of a queue: a handler with its executor, or pullers in other processes (lease-desk.ts). */

import type { DeliveryQueue } from './attempt-records.ts'
import type { Consumer, Executor } from './attempt.ts'

export type { Consumer } from './attempt.ts'

export function newConsumer(
  queue: DeliveryQueue,
  executor: Executor,
  leaseMax: () => number,
  options: { readonly timeoutMs?: number | undefined; readonly isPulled?: boolean | undefined } = {},
): Consumer {
  const { timeoutMs, isPulled = false } = options
  return { queue, executor, leaseMax, timeoutMs, isPulled, active: 0, running: 0, stopped: false, idle: [] }
}

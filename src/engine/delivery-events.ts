/** From what delivery says happened to the engine's events; those that tell of a record are told once it is on disk. */

import type { DeliveryEvents } from '../delivery/settlement.ts'
import type { DeadReason } from '../model/hourwheel.ts'
import type { Events } from './events.ts'

export function deliveryEventsOf(
  events: Events,
  idText: (homeHour: number, ordinal: number) => string,
): DeliveryEvents {
  return {
    fired(attempt, lateMs) {
      if (!events.heard('fired')) return
      const { homeHour, ordinal, queue, number } = attempt
      events.emit('fired', { id: idText(homeHour, ordinal), queue: queue.name, attempt: number, lateMs })
    },
    succeeded(attempt, lsn) {
      if (!events.heard('succeeded')) return
      const { homeHour, ordinal, queue, number } = attempt
      events.emitDurable('succeeded', lsn, { id: idText(homeHour, ordinal), queue: queue.name, attempt: number })
    },
    failed(attempt, error, retryAt, lsn) {
      if (!events.heard('attemptFailed')) return
      const { homeHour, ordinal, queue, number } = attempt
      const event = { id: idText(homeHour, ordinal), queue: queue.name, attempt: number, error, retryAt }
      events.emitDurable('attemptFailed', lsn, event)
    },
    died({ queue, homeHour, ordinal }, reason, error, lsn) {
      if (!events.heard('deadLettered')) return
      const event = { id: idText(homeHour, ordinal), queue: queue.name, reason: reason as DeadReason, error }
      events.emitDurable('deadLettered', lsn, event)
    },
    cancelled({ queue, homeHour, ordinal }, lsn) {
      events.emitDurable('cancelled', lsn, { id: idText(homeHour, ordinal), queue: queue.name })
    },
    expired({ queue, homeHour, ordinal }, lsn) {
      events.emitDurable('expired', lsn, { id: idText(homeHour, ordinal), queue: queue.name })
    },
  }
}

/**
 * Tells listener and waiters how far the log is: in order, each watermark once, and nothing after a failure but the failure.
 */

import { refuse, type HourwheelError } from '../../model/errors.ts'
import type { LogFlight } from './log-flight.ts'
import type { LogListener } from './log.ts'
import { LsnWaiters } from './lsn-waiters.ts'

export class LogProgress {
  readonly #flight: LogFlight
  readonly #listener: LogListener
  readonly #writtenWaiters: LsnWaiters = new LsnWaiters()
  readonly #syncedWaiters: LsnWaiters = new LsnWaiters()
  #written: number
  #synced: number
  #failure: HourwheelError | undefined

  constructor(flight: LogFlight, listener: LogListener) {
    this.#flight = flight
    this.#listener = listener
    this.#written = flight.writtenLsn
    this.#synced = flight.syncedLsn
  }

  whenWritten(lsn: number): Promise<void> {
    if (lsn <= this.#flight.writtenLsn) return Promise.resolve()
    return this.#failure === undefined ? this.#writtenWaiters.wait(lsn) : Promise.reject(unknownOutcome(this.#failure))
  }

  whenSynced(lsn: number): Promise<void> {
    if (lsn <= this.#flight.syncedLsn) return Promise.resolve()
    if (this.#failure !== undefined) return Promise.reject(unknownOutcome(this.#failure))
    this.#flight.want(lsn)
    return this.#syncedWaiters.wait(lsn)
  }

  report(): void {
    const { writtenLsn, syncedLsn } = this.#flight
    if (writtenLsn > this.#written) {
      this.#written = writtenLsn
      this.#listener.written(writtenLsn)
      this.#writtenWaiters.reached(writtenLsn)
    }
    if (syncedLsn > this.#synced) {
      this.#synced = syncedLsn
      this.#listener.synced(syncedLsn)
      this.#syncedWaiters.reached(syncedLsn)
    }
  }

  fail(failure: HourwheelError): void {
    this.#failure = failure
    this.#listener.failed(failure)
    this.#writtenWaiters.rejectAll(unknownOutcome(failure))
    this.#syncedWaiters.rejectAll(unknownOutcome(failure))
  }
}

function unknownOutcome(failure: HourwheelError): HourwheelError {
  return refuse('HW_OUTCOME_UNKNOWN', `the log failed before this was on disk: ${failure.message}`, { cause: failure })
}

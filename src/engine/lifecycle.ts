/**
 * How an engine stops.
 *
 *   open -> draining -> closing -> closed     by close(); while draining, calls are still served, so that handlers can end
 *   any but closed -> failed                  by a failed write or sync, or a bug: at once, nothing more is written
 *
 * After a failure, calls whose outcome is not known say so; everything that was answered before stays true.
 */

import { errorCatalogue, HourwheelError, refuse, type ErrorCode, type ErrorDetails } from '../model/errors.ts'
import type { Closed } from '../model/engine-reports.ts'
import { isDiskFull } from '../platform/passing-failures.ts'

export interface Stoppable {
  /** Starts nothing new, and waits for what runs. */
  drain(drainMs: number): Promise<void>
  /** The orderly way; may use the log until it is closed. */
  close(): Promise<void>
  /** The hard way: timers off, nothing written; calls that wait are given the error. */
  abandon(error: HourwheelError): Promise<void>
}

export class Lifecycle {
  state: 'open' | 'draining' | 'closing' | 'closed' | 'failed' = 'open'
  readonly closed: Promise<Closed>
  #resolveClosed!: (closed: Closed) => void
  #closing: Promise<void> | undefined
  #stoppable: Stoppable | undefined
  #error: HourwheelError | undefined

  constructor() {
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  attach(stoppable: Stoppable): void {
    this.#stoppable = stoppable
    if (this.#error !== undefined) void stoppable.abandon(this.#error)
  }

  assertOpen(): void {
    if (this.state === 'open' || this.state === 'draining') return
    if (this.#error !== undefined) throw this.#error
    throw refuse('HW_CLOSED', `the engine is ${this.state}; nothing was done`)
  }

  fail(cause: unknown): void {
    if (this.state === 'failed' || this.state === 'closed') return
    this.state = 'failed'
    this.#error = asEngineError(cause)
    const error = this.#error
    const done = this.#stoppable === undefined ? Promise.resolve() : this.#stoppable.abandon(error)
    void done.catch(() => undefined).then(() => this.#resolveClosed({ reason: 'failed', error }))
  }

  close(drainMs: number): Promise<void> {
    this.#closing ??= this.#close(drainMs)
    return this.#closing
  }

  async #close(drainMs: number): Promise<void> {
    if (this.state !== 'open') {
      await this.closed
      return
    }
    this.state = 'draining'
    try {
      await this.#stoppable!.drain(drainMs)
      if ((this.state as string) === 'draining') {
        this.state = 'closing'
        await this.#stoppable!.close()
      }
    } catch (error) {
      this.fail(error)
    }
    // A failure meanwhile has set another state.
    if ((this.state as string) === 'failed') {
      await this.closed
      return
    }
    this.state = 'closed'
    this.#resolveClosed({ reason: 'closed' })
  }
}

/** Errors of the disk keep their meaning; errors that crossed a thread have lost their class, but not their code. */
export function asEngineError(cause: unknown): HourwheelError {
  if (cause instanceof HourwheelError) return cause
  const text = cause instanceof Error ? cause.message : String(cause)
  const { code, details } = (cause ?? {}) as { code?: unknown; details?: ErrorDetails }
  if (typeof code === 'string') {
    if (Object.hasOwn(errorCatalogue, code)) return refuse(code as ErrorCode, text, { details, cause })
    if (/^E[A-Z0-9]+$/u.test(code))
      return refuse(isDiskFull(cause) ? 'HW_DISK_FULL' : 'HW_DISK_FAILED', text, { cause })
  }
  return refuse('HW_INTERNAL', `the engine stopped itself: ${text}`, { cause })
}

/** Errors of the disk that a call meets on its way reach the caller as hourwheel's own. */
export function told<T>(work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    throw asEngineError(error)
  })
}

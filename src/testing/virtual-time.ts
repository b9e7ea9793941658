/**
 * Lets a simulation run by itself in the present instant, so that calls are answered, and moves its time only when told to.
 *
 *   resting --an event is due--> running --none is left--> resting
 *                                   | while told to go on: wait for handlers, then jump to the next event
 *
 * Invariant: time moves only when every event of the present instant has run and no handler does real work.
 */

import { refuse, type HourwheelError } from '../model/errors.ts'
import type { HandlerRuns } from './handler-runs.ts'
import { afterRealMs } from './real-time.ts'
import type { SimulationLoop } from './simulation-loop.ts'

export interface VirtualTimeOptions {
  readonly loop: SimulationLoop
  readonly runs: HandlerRuns
  /** How long, in real time, time stands still for handlers that make no progress. */
  readonly handlerWaitMs: number
  /** Makes the engine look what is due next, before time moves: it may sleep for longer than real engines do. */
  readonly look: () => void
}

interface Journey {
  readonly untilMs: number
  /** Arrived, whatever the time. */
  isOver(): boolean
  /** What does not end in real time is left behind, not waited for. */
  readonly impatient: boolean
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class VirtualTime {
  readonly #options: VirtualTimeOptions
  #journey: Journey | undefined
  #isDriving = false
  #wake: (() => void) | undefined

  constructor(options: VirtualTimeOptions) {
    const { loop, runs } = options
    this.#options = options
    loop.whenDue = () => this.#stir()
    runs.changed = () => this.#stir()
  }

  /** Moves on by `ms`, through all that comes due on the way. */
  advance(ms: number): Promise<void> {
    if (this.#journey !== undefined) {
      throw stuck(
        'time is on its way already: await the call that moves it, and move it from the test, not from a handler',
      )
    }
    if (this.#options.runs.beyond === undefined) this.#options.runs.reset()
    const untilMs = this.#options.loop.nowMs + ms
    return this.#travel({ untilMs, isOver: () => false, impatient: false })
  }

  /** Moves on until `work` settles, without waiting for ever for handlers. Time that is on its way stops. */
  async until(work: Promise<unknown>): Promise<void> {
    this.#journey?.reject(stuck('the engine was closed while time was on its way'))
    let isOver = false
    const settle = (): void => {
      isOver = true
      this.#stir()
    }
    work.then(settle, settle)
    await this.#travel({ untilMs: Infinity, isOver: () => isOver, impatient: true })
  }

  #travel(journey: Omit<Journey, 'resolve' | 'reject'>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#journey = { ...journey, resolve, reject }
      this.#stir()
    })
  }

  #stir(): void {
    this.#wake?.()
    if (this.#isDriving) return
    this.#isDriving = true
    void this.#drive()
  }

  async #drive(): Promise<void> {
    const { loop, runs, look } = this.#options
    let hasLooked = false
    for (;;) {
      try {
        await loop.advanceBy(0)
      } catch (error) {
        this.#fail(error)
      }
      // From here to the next await nobody else runs, so that no event is missed.
      if (loop.nextAtMs <= loop.nowMs) continue
      const journey = this.#journey
      if (journey === undefined) break
      const { beyond } = runs
      if (journey.isOver()) this.#arrive(journey)
      else if (beyond !== undefined && !journey.impatient) {
        runs.reset()
        this.#fail(
          stuck(
            `handlers were started ${runs.firingsMax} times and there is no end, last in queue '${beyond.queue}': does each task schedule the next one without delay?`,
            { queue: beyond.queue, id: beyond.id, firings: runs.firingsMax },
          ),
        )
      } else if (runs.busy) await this.#waitForHandlers(journey)
      else if (loop.nowMs >= journey.untilMs) this.#arrive(journey)
      else if (loop.nextAtMs === Infinity && journey.untilMs === Infinity) await this.#waitForHandlers(journey)
      else if (!hasLooked) {
        hasLooked = true
        look()
      } else {
        hasLooked = false
        loop.stall(Math.min(loop.nextAtMs, journey.untilMs) - loop.nowMs)
      }
    }
    this.#isDriving = false
  }

  #arrive(journey: Journey): void {
    this.#journey = undefined
    journey.resolve()
  }

  #fail(error: unknown): void {
    const journey = this.#journey
    this.#journey = undefined
    // An event that throws without anyone waiting is an uncaught exception, as it would be in a real engine.
    if (journey === undefined) void Promise.reject(error)
    else journey.reject(error)
  }

  /** Until one ends, goes to sleep, or calls the engine. */
  async #waitForHandlers(journey: Journey): Promise<void> {
    const isTimeUp = await new Promise<boolean>((resolve) => {
      const callOff = afterRealMs(this.#options.handlerWaitMs, () => resolve(true))
      this.#wake = () => {
        callOff()
        resolve(false)
      }
    })
    this.#wake = undefined
    if (!isTimeUp) return
    const { oldest } = this.#options.runs
    if (journey.impatient && oldest !== undefined) this.#options.runs.forget()
    else if (oldest === undefined) this.#fail(stuck('nothing is left to happen, but the engine has not stopped'))
    else {
      const { queue, id, attempt } = oldest
      this.#fail(
        stuck(
          `the handler of queue '${queue}' (task ${id}, attempt ${attempt}) has not ended within ${this.#options.handlerWaitMs} ms of real time, and virtual time waits for it. ` +
            'If it is slow, give openTestEngine a larger handlerWait; if it waits for virtual time, let it wait with sleep() of the test engine.',
          { queue, id, attempt },
        ),
      )
    }
  }
}

function stuck(message: string, details?: HourwheelError['details']): HourwheelError {
  return refuse('HW_TEST_STUCK', message, { details })
}

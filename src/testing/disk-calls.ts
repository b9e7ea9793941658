/**
 * The calls of one life of a simulated disk: each waits its turn and a latency drawn from the seed, is hit by a planned
 * fault or takes effect, is counted, and is answered. When the life ends, those under way are settled by `land` and
 * nobody is answered any more.
 */

import { type DiskCall, type DiskFault, DiskFaults, type DiskOperation } from './disk-faults.ts'
import { diskError } from './disk-model.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulationLoop } from './simulation-loop.ts'

export interface DiskCallsOptions {
  readonly loop: SimulationLoop
  readonly random: SeededRandom
  readonly slowSyncChance: number
  readonly slowSyncMsMax: number
  /** Calls take no time. */
  readonly instant: boolean
}

/** Least and most milliseconds; most calls are near the least. */
const latencyMs: Partial<Record<DiskOperation, readonly [number, number]>> = {
  read: [0.01, 0.3],
  write: [0.005, 0.1],
  sync: [0.15, 4],
  syncDirectory: [0.15, 4],
}
const otherLatencyMs = [0.01, 0.2] as const

/** Calls that take effect one after the other. */
export interface CallLane {
  freeAtMs: number
}

export interface CallSteps<T> {
  readonly lane?: CallLane | undefined
  /** Not to begin before. */
  readonly notBeforeMs?: number | undefined
  readonly begin?: (() => void) | undefined
  /** Carries the call out; of a write, this share of its bytes. */
  readonly effect: (share: number, fault: DiskFault | undefined) => T
  /** A planned fault came instead. */
  readonly failed?: (() => void) | undefined
}

interface Flight {
  readonly startMs: number
  readonly lane: CallLane | undefined
  readonly operation: DiskOperation
  readonly effect: (share: number, fault: undefined) => unknown
}

export class DiskCalls {
  readonly faults: DiskFaults = new DiskFaults()
  /** Calls made, and calls that took effect. */
  made = 0
  done = 0
  onDone: ((call: DiskCall) => void) | undefined
  ended = false
  readonly #options: DiskCallsOptions
  readonly #flights = new Set<Flight>()

  constructor(options: DiskCallsOptions) {
    this.#options = options
  }

  run<T>(operation: DiskOperation, path: string, steps: CallSteps<T>): Promise<T> {
    if (this.ended) return new Promise<T>(() => undefined)
    const { loop } = this.#options
    const call: DiskCall = { number: ++this.made, operation, path, code: undefined }
    const fault = this.faults.of(operation, path)
    const { lane, begin, effect } = steps
    const startMs = Math.max(loop.nowMs, lane?.freeAtMs ?? 0, steps.notBeforeMs ?? 0)
    const endMs = startMs + this.#latencyMs(operation) + (fault?.delayMs ?? 0)
    if (lane !== undefined) lane.freeAtMs = endMs
    const flight: Flight = { startMs, lane, operation, effect }
    this.#flights.add(flight)
    if (begin !== undefined) loop.scheduleAt(startMs, begin)
    return new Promise<T>((resolve, reject) => {
      loop.scheduleAt(endMs, () => {
        if (this.ended) return
        this.#flights.delete(flight)
        let answer: () => void
        try {
          const result = this.#carryOut(call, steps, fault)
          answer = () => resolve(result)
        } catch (error) {
          call.code = (error as NodeJS.ErrnoException).code
          // A mistake of a test or of the model, not an answer of the disk.
          if (call.code === undefined) throw error
          answer = () => reject(error)
        }
        this.done++
        this.onDone?.(call)
        if (!this.ended) answer()
      })
    })
  }

  /** Ends the life. Calls that had begun take effect, in part or not at all: by lot, or all or none of them. */
  end(landing: 'byLot' | 'all' | 'none'): void {
    this.ended = true
    const { loop, random } = this.#options
    const lost = new Set<CallLane>()
    for (const { startMs, lane, operation, effect } of this.#flights) {
      if (landing === 'none' || isSync(operation)) continue
      if (startMs > loop.nowMs || (lane !== undefined && lost.has(lane))) continue
      const whole = landing === 'all' || random.chance(0.4)
      if (!whole && lane !== undefined) lost.add(lane)
      try {
        if (whole) effect(1, undefined)
        else if (operation === 'write' && random.chance(0.5)) effect(random.unit(), undefined)
      } catch {
        // It would have failed, and nobody is left to be told.
      }
    }
    this.#flights.clear()
  }

  #carryOut<T>(call: DiskCall, steps: CallSteps<T>, fault: DiskFault | undefined): T {
    if (fault?.code === undefined) return steps.effect(1, fault)
    const { random } = this.#options
    if (call.operation === 'write' && random.chance(0.5)) steps.effect(random.unit(), undefined)
    steps.failed?.()
    throw diskError(fault.code, call.path)
  }

  #latencyMs(operation: DiskOperation): number {
    const { random, slowSyncChance, slowSyncMsMax, instant } = this.#options
    if (instant) return 0
    const [least, most] = latencyMs[operation] ?? otherLatencyMs
    const ms = least + (most - least) * random.unit() ** 4
    return isSync(operation) && random.chance(slowSyncChance) ? ms + slowSyncMsMax * random.unit() : ms
  }
}

function isSync(operation: DiskOperation): boolean {
  return operation === 'sync' || operation === 'syncDirectory'
}

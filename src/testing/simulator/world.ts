/** What the parts of a life share (life.ts), and what outlives it. */

import type { Engine } from '../../engine/engine.ts'
import type { Checker } from '../checker.ts'
import type { SeededRandom } from '../seeded-random.ts'
import type { SimulatedMachine } from '../simulated-platform.ts'
import type { Repeating } from './repeating.ts'
import type { AttemptModel } from './task-model.ts'
import type { DrawnFor, DrawnTask, HotInstants, RunProfile } from './workload.ts'

export interface World {
  readonly machine: SimulatedMachine
  readonly checker: Checker
  readonly run: RunProfile
  readonly random: SeededRandom
  readonly hot: HotInstants
  /** Leases that were handed out lately, in this life or an earlier one. */
  readonly held: HeldLease[]
  /** Calls that may be made again. */
  readonly repeating: Repeating
  readonly backups: { make(life: LifeSide): void }
  nextTag: number
  calls: number
}

/** A task that a puller was given, and the token to answer it by. */
export interface HeldLease {
  readonly token: string
  readonly attempt: AttemptModel
}

/** One life as its parts see it. */
export interface LifeSide {
  readonly engine: Engine
  readonly world: World
  /** What the engine says does not count any more. */
  readonly over: boolean
  /** Handlers succeed at once. */
  readonly healthy: boolean
  /** The engine is told to close. */
  readonly closing: boolean
  draw(drawnFor?: DrawnFor): DrawnTask
  /** Only refusals of hourwheel may reach a caller. */
  refusal(error: unknown): { code: string; outcome: string }
}

/** What a run of the simulator is given, and what it answers. */

import type { Platform } from '../../platform/ports.ts'
import type { Checker } from '../checker.ts'
import type { SimulatedDiskOptions } from '../simulated-disk.ts'
import type { Violation } from './checker-core.ts'

export interface SimulationOptions {
  readonly seed: number | string
  /** Bugs of the platform, for tests that the checker sees them. */
  readonly disk?: Omit<SimulatedDiskOptions, 'loop' | 'random'> | undefined
  readonly wrap?: ((platform: Platform) => Platform) | undefined
  /** Lives before the last one; drawn from the seed if not given. */
  readonly lives?: number | undefined
  /** Only this kind of end; drawn if not given. */
  readonly ends?: 'kill' | 'powerCut' | 'close' | undefined
  /** How many of the tasks have a key; drawn if not given. */
  readonly keyedShare?: number | undefined
  /** No disk faults. */
  readonly soundDisk?: boolean | undefined
  /** Called with the checker at the end of each life, to plant what the checker must find. */
  readonly meddle?: ((checker: Checker) => void) | undefined
}

export interface SimulationCounts {
  lives: number
  kills: number
  powerCuts: number
  closes: number
  failures: number
  checkpoints: number
  merges: number
  firings: number
  calls: number
  tasks: number
  tornTails: number
  events: number
  /** Backups that were made, or left whole by a crash, and are sound. */
  backups: number
}

export interface SimulationResult {
  readonly seed: number | string
  readonly hash: string
  readonly violations: readonly Violation[]
  /** The last lines about the task of the first violation. */
  readonly evidence: readonly string[]
  readonly counts: SimulationCounts
}

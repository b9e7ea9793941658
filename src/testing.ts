/** The testing kit: an engine with a virtual time for tests of one's own code, and the simulated machine it runs on. */

import { jobs } from './engine/jobs.ts'
import { openEngineOn } from './engine/open.ts'
import type { Engine, EngineOptions } from './model/engine.ts'
import type { AnyQueues, QueueMap } from './model/typed-queues.ts'
import { SimulatedMachine, type SimulatedMachineOptions } from './testing/simulated-platform.ts'

/**
 * A machine with simulated time and disk, for tests of what an engine does when calls take time, fail or are lost. Its `loop`
 * runs it.
 */
export function createSimulatedMachine(options: SimulatedMachineOptions): SimulatedMachine {
  return new SimulatedMachine({ jobs, ...options })
}

/** Opens an engine on the present process of a machine; run it by `machine.loop`. */
export function openSimulatedEngine<Queues extends QueueMap = AnyQueues>(
  machine: SimulatedMachine,
  options: EngineOptions<Queues>,
): Promise<Engine<Queues>> {
  return openEngineOn(machine.platform, options)
}

export { openTestEngine, type TestEngine, type TestEngineOptions, type TestKit } from './testing/test-engine.ts'
export type { CrashPolicy } from './testing/disk-model.ts'
export type { DiskFault, DiskOperation } from './testing/disk-faults.ts'
export { SeededRandom } from './testing/seeded-random.ts'
export type { SimulatedClock } from './testing/simulated-clock.ts'
export type { SimulatedDisk, SimulatedDiskOptions } from './testing/simulated-disk.ts'
export type { SimulatedMachine, SimulatedMachineOptions } from './testing/simulated-platform.ts'
export type { SimulationLoop } from './testing/simulation-loop.ts'

/** An engine on a simulated machine, for tests. */

import { jobs } from '../../src/engine/jobs.ts'
import { openEngineOn } from '../../src/engine/open.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { EngineOptions } from '../../src/model/engine.ts'
import { SimulatedMachine, type SimulatedMachineOptions } from '../../src/testing/simulated-platform.ts'

export const smallOptions: EngineOptions = {
  dir: '/data',
  walFileBytes: 8 << 10,
  walFilesMax: 1,
  nearBytesMax: 256 << 10,
  ahead: '10m',
}

export class Rig {
  readonly machine: SimulatedMachine
  engine!: Engine
  readonly options: EngineOptions

  constructor(options: Partial<EngineOptions> = {}, machine: Partial<SimulatedMachineOptions> | SimulatedMachine = {}) {
    this.options = { ...smallOptions, ...options }
    this.machine = machine instanceof SimulatedMachine ? machine : new SimulatedMachine({ seed: 1, jobs, ...machine })
  }

  static async open(
    options: Partial<EngineOptions> = {},
    machine: Partial<SimulatedMachineOptions> = {},
  ): Promise<Rig> {
    const rig = new Rig(options, machine)
    await rig.reopen()
    return rig
  }

  async reopen(options: Partial<EngineOptions> = {}): Promise<Engine> {
    this.engine = await this.run(() => openEngineOn(this.machine.platform, { ...this.options, ...options }))
    return this.engine
  }

  run<T>(work: () => Promise<T>): Promise<T> {
    return this.machine.loop.run(work)
  }

  /** Wall and monotonic time pass. */
  advance(ms: number): Promise<void> {
    return this.machine.loop.advanceBy(ms)
  }

  get now(): number {
    return this.machine.clock.wallMs()
  }

  close(): Promise<void> {
    return this.run(() => this.engine.close())
  }

  async list<T>(listing: AsyncIterable<T>): Promise<T[]> {
    return this.run(async () => {
      const all: T[] = []
      for await (const item of listing) all.push(item)
      return all
    })
  }
}

/**
 * A simulated machine: virtual time, a disk, a wall clock, and one process at a time with its platform.
 *
 * `crash` (power cut) and `kill` (SIGKILL) end the process: its timers never fire, its calls never settle, its locks
 * are free. The platform of the next process is in `platform` afterwards. `fork` gives a machine of its own, with its
 * own time, that starts from what a power cut now would leave; this one goes on.
 *
 *   const machine = new SimulatedMachine({ seed: 7 })
 *   const engine = await machine.loop.run(() => open(machine.platform))
 *   machine.crash('random')
 *   const recovered = await machine.loop.run(() => open(machine.platform))
 */

import type { Jobs } from '../platform/jobs.ts'
import type { DirectoryLock, Platform } from '../platform/ports.ts'
import type { CreateRunner } from '../platform/handler-runner.ts'
import type { CrashPolicy } from './disk-model.ts'
import { HandlersInPlace, type HandlersInPlaceOptions } from './handlers-in-place.ts'
import { MemoryKeyStores } from './memory-key-view.ts'
import { SeededRandom } from './seeded-random.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { SimulatedDisk, type SimulatedDiskOptions } from './simulated-disk.ts'
import { SimulatedThreads } from './simulated-threads.ts'
import { SimulationLoop } from './simulation-loop.ts'

export interface SimulatedMachineOptions {
  readonly seed: number | string
  /** The wall clock at the start. */
  readonly wallMs?: number | undefined
  /** How late timers may fire; 1 if not given. */
  readonly lateMsMax?: number | undefined
  /** What `threads.run` can run; none if not given. */
  readonly jobs?: Jobs | undefined
  /** How often the thread of a job dies; 0 if not given. */
  readonly threadDeathChance?: number | undefined
  /** Nothing takes any time but timers, which fire to the millisecond. */
  readonly instant?: boolean | undefined
  /** What runs modules of handlers (`createRunner` of engine/handler-thread.ts), and how they are imported; none if not given. */
  readonly handlers?:
    (Omit<HandlersInPlaceOptions, 'clock' | 'createRunner'> & { readonly createRunner: CreateRunner }) | undefined
  readonly disk?: Omit<SimulatedDiskOptions, 'loop' | 'random'> | undefined
}

export class SimulatedMachine {
  readonly loop: SimulationLoop
  /** For the test's own choices. */
  readonly random: SeededRandom
  readonly #options: SimulatedMachineOptions
  readonly #platformRandom: SeededRandom
  /** Of its own, so that forks do not change what this machine draws. */
  readonly #forkRandom: SeededRandom
  #clock: SimulatedClock
  #disk: SimulatedDisk
  #platform: Platform
  #handlers!: HandlersInPlace
  #locks = new Set<string>()
  /** Views of keys, beside the disk: real ones are not written through its port either. */
  readonly keys: MemoryKeyStores

  constructor(options: SimulatedMachineOptions, disk?: SimulatedDisk, keys?: MemoryKeyStores) {
    const random = new SeededRandom(options.seed)
    this.#options = options
    this.random = random.fork('test')
    this.#platformRandom = random.fork('platform')
    this.#forkRandom = random.fork('fork')
    this.loop = disk?.options.loop ?? new SimulationLoop()
    const { wallMs, lateMsMax, instant } = options
    this.#clock = new SimulatedClock({ loop: this.loop, random: random.fork('clock'), wallMs, lateMsMax, instant })
    this.#disk = disk ?? new SimulatedDisk({ instant, ...options.disk, loop: this.loop, random: random.fork('disk') })
    this.keys =
      keys ?? new MemoryKeyStores(this.loop, new SeededRandom(`${options.seed}/keys`), options.instant === true)
    this.#platform = this.#start()
  }

  /** What the present process sees of the machine. */
  get platform(): Platform {
    return this.#platform
  }

  /** The threads with handlers of the present process. */
  get handlers(): HandlersInPlace {
    return this.#handlers
  }

  get clock(): SimulatedClock {
    return this.#clock
  }

  get disk(): SimulatedDisk {
    return this.#disk
  }

  crash(policy: CrashPolicy): void {
    this.keys.end(policy)
    this.#restart(this.#disk.crash(policy))
  }

  kill(): void {
    this.keys.end('kill')
    this.#restart(this.#disk.kill())
  }

  fork(policy: CrashPolicy): SimulatedMachine {
    const seed = `${this.#forkRandom.u32()}/fork`
    const loop = new SimulationLoop()
    const disk = this.#disk.fork(policy, { loop })
    const keys = this.keys.fork(policy, loop)
    return new SimulatedMachine({ ...this.#options, seed, wallMs: this.#clock.wallMs() }, disk, keys)
  }

  #restart(disk: SimulatedDisk): void {
    this.#clock.stop()
    this.#clock = this.#clock.next()
    this.#disk = disk
    this.#locks = new Set()
    this.#platform = this.#start()
  }

  #start(): Platform {
    const { loop } = this
    const disk = this.#disk
    const { jobs = {}, threadDeathChance: deathChance, handlers, instant } = this.#options
    const random = this.#platformRandom.fork('threads')
    const locks = this.#locks
    const { keys } = this
    this.#handlers = new HandlersInPlace({ clock: this.#clock, ...handlers })
    return {
      openKeyView: keys.open.bind(keys),
      clock: this.#clock,
      disk,
      random: this.#platformRandom.fork('process'),
      threads: new SimulatedThreads({ loop, random, disk, jobs, deathChance, instant }),
      handlers: this.#handlers,
      async lockDirectory(directory: string): Promise<DirectoryLock | { readonly heldBy: string }> {
        await disk.stat(directory)
        if (locks.has(directory)) return { heldBy: 'another engine of this simulated process' }
        locks.add(directory)
        return {
          release: async () => {
            locks.delete(directory)
          },
        }
      },
    }
  }
}

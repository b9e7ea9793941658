/**
 * A simulated disk as one process sees it: the disk port with latencies drawn from a seed, planned faults, limits and
 * lies, over a model of what a power cut leaves (disk-model.ts).
 *
 * A disk is one life. `crash` (power cut) and `kill` (SIGKILL) end it and give the disk of the next life; calls under
 * way then never settle, nor do any made later: what is left of an old engine cannot touch the new world.
 * `fork` gives the disk that a crash now would leave, and this life goes on.
 *
 * Invariants
 * - Calls of one file take effect in the order they were made, at the instant their answer is due. A sync covers what
 *   took effect before it began: all writes made before it, and none made after, which may return before it does.
 * - Same seed, same calls: same bytes, same instants.
 */

import type { Disk, DiskFile, FileAccess, OpenOptions } from '../platform/ports.ts'
import { SimulatedDirectory } from './directory-changes.ts'
import { DiskCalls } from './disk-calls.ts'
import type { DiskFaults } from './disk-faults.ts'
import { type CrashPolicy, diskError, DiskModel } from './disk-model.ts'
import type { SeededRandom } from './seeded-random.ts'
import { type FileOwner, SimulatedFile } from './simulated-file.ts'
import type { SimulationLoop } from './simulation-loop.ts'

/** Bugs of a device or file system that a checker must notice. */
export type DiskLie = 'syncDoesNothing' | 'directorySyncDoesNothing'

export interface SimulatedDiskOptions {
  readonly loop: SimulationLoop
  readonly random: SeededRandom
  /** Space for data, in whole sectors; no limit if not given. */
  readonly capacityBytes?: number | undefined
  /** Beyond it, opening fails with EMFILE; no limit if not given. */
  readonly openFilesMax?: number | undefined
  /** How often a read or write moves less than asked, with no fault planned; 0.01 if not given. */
  readonly shortChance?: number | undefined
  /** How often a sync takes up to `slowSyncMsMax`; 0.005 and 400 if not given. */
  readonly slowSyncChance?: number | undefined
  readonly slowSyncMsMax?: number | undefined
  /** Calls take no time and are never short; planned faults hit all the same. */
  readonly instant?: boolean | undefined
  readonly lies?: readonly DiskLie[] | undefined
}

export class SimulatedDisk implements Disk, FileOwner {
  readonly options: SimulatedDiskOptions
  readonly model: DiskModel
  readonly random: SeededRandom
  readonly calls: DiskCalls
  readonly shortChance: number
  capacityBytes: number
  openFilesMax: number
  openFiles = 0
  /** Of its own, so that forks do not change what this life draws. */
  readonly #crashRandom: SeededRandom

  constructor(options: SimulatedDiskOptions, model: DiskModel = new DiskModel()) {
    this.options = options
    this.model = model
    this.random = options.random.fork('disk')
    this.#crashRandom = this.random.fork('crash')
    const { loop, slowSyncChance = 0.005, slowSyncMsMax = 400, instant = false } = options
    this.calls = new DiskCalls({ loop, random: this.random.fork('calls'), slowSyncChance, slowSyncMsMax, instant })
    this.shortChance = options.shortChance ?? (instant ? 0 : 0.01)
    this.capacityBytes = options.capacityBytes ?? Infinity
    this.openFilesMax = options.openFilesMax ?? Infinity
  }

  /** Where faults are planned. */
  get faults(): DiskFaults {
    return this.calls.faults
  }

  open(path: string, access: FileAccess, _options?: OpenOptions): Promise<DiskFile> {
    const effect = (): DiskFile => {
      if (this.openFiles >= this.openFilesMax) throw diskError('EMFILE', path)
      const inode = access === 'create' ? this.model.create(path) : this.model.file(path)
      inode.handles++
      this.openFiles++
      return new SimulatedFile(this, path, inode, access !== 'read')
    }
    return this.calls.run(access === 'create' ? 'create' : 'open', path, { effect })
  }

  list(directory: string): Promise<string[]> {
    return this.calls.run('list', directory, { effect: () => [...this.model.directory(directory).names.keys()].sort() })
  }

  makeDirectory(directory: string): Promise<void> {
    return this.calls.run('makeDirectory', directory, { effect: () => this.model.makeDirectory(directory) })
  }

  stat(path: string): ReturnType<Disk['stat']> {
    return this.calls.run('stat', path, {
      effect: () => {
        const node = this.model.find(path)
        if (node === undefined) return undefined
        if (node instanceof SimulatedDirectory) return { kind: 'directory', bytes: 0, worldWritable: false } as const
        return { kind: 'file', bytes: node.size, worldWritable: false } as const
      },
    })
  }

  remove(path: string): Promise<void> {
    return this.calls.run('remove', path, { effect: () => this.model.remove(path) })
  }

  removeDirectory(directory: string): Promise<void> {
    return this.calls.run('remove', directory, { effect: () => this.model.removeDirectory(directory) })
  }

  rename(from: string, to: string): Promise<void> {
    return this.calls.run('rename', to, { effect: () => this.model.rename(from, to) })
  }

  syncDirectory(path: string): Promise<void> {
    let covered = 0
    return this.calls.run('syncDirectory', path, {
      begin: () => {
        covered = this.model.lastEffect
      },
      effect: (_share, fault) => {
        const directory = this.model.directory(path)
        if (fault?.lie === true || this.lies('directorySyncDoesNothing')) return
        this.model.directorySynced(directory, covered)
      },
      failed: () => {
        const node = this.model.find(path)
        if (node instanceof SimulatedDirectory) this.model.directorySyncFailed(node, covered)
      },
    })
  }

  /** The power goes: ends this life, and gives the disk that is found afterwards. */
  crash(policy: CrashPolicy): SimulatedDisk {
    this.calls.end(policy === 'random' ? 'byLot' : policy === 'keepAll' ? 'all' : 'none')
    return this.fork(policy)
  }

  /** The process goes, and what it wrote stays: ends this life, and gives the disk of the next. */
  kill(): SimulatedDisk {
    this.calls.end('byLot')
    this.model.releaseAll()
    return this.#successor(this.model, {})
  }

  /** The disk that a power cut now would leave, calls under way not having begun. This life goes on. */
  fork(policy: CrashPolicy, changed: Partial<SimulatedDiskOptions> = {}): SimulatedDisk {
    const random = this.#crashRandom.fork('crash')
    return this.#successor(this.model.crashed(policy, random), changed)
  }

  /** How many effects a crash could undo: the counts for the policy `keepFirst` go from 0 to this. */
  unsyncedCount(): number {
    return this.model.unsyncedEffects().length
  }

  /** Changes bytes of a file on the device, behind everyone's back. */
  corrupt(path: string, at: number, bytes: Uint8Array): void {
    this.model.file(path).corrupt(bytes, at)
  }

  /** What a read of the whole file would see. */
  contents(path: string): Uint8Array {
    const inode = this.model.file(path)
    const bytes = new Uint8Array(inode.size)
    inode.read(bytes, 0)
    return bytes
  }

  /** Puts a synced file in place of what is there; undefined removes it. Syncs the whole disk while at it. */
  install(path: string, bytes: Uint8Array | undefined): void {
    const { model } = this
    model.makeDirectory(path.slice(0, path.lastIndexOf('/')) || '/')
    if (model.find(path) !== undefined) model.remove(path)
    if (bytes !== undefined) model.write(model.create(path), bytes, 0)
    model.syncAll()
  }

  lies(lie: DiskLie): boolean {
    return this.options.lies?.includes(lie) === true
  }

  #successor(model: DiskModel, changed: Partial<SimulatedDiskOptions>): SimulatedDisk {
    const { capacityBytes, openFilesMax } = this
    return new SimulatedDisk(
      { ...this.options, capacityBytes, openFilesMax, random: this.#crashRandom, ...changed },
      model,
    )
  }
}

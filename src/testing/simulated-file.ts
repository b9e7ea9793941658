/** An open file of the simulated disk (simulated-disk.ts). */

import { crc32 } from '../platform/checksum.ts'
import type { DiskFile } from '../platform/ports.ts'
import type { CallLane, CallSteps, DiskCalls } from './disk-calls.ts'
import type { DiskFault, DiskOperation } from './disk-faults.ts'
import { diskError, type DiskModel } from './disk-model.ts'
import type { SeededRandom } from './seeded-random.ts'
import { sectorBytes, type SimulatedInode } from './simulated-inode.ts'

/** What a file needs of its disk. */
export interface FileOwner {
  readonly calls: DiskCalls
  readonly model: DiskModel
  readonly random: SeededRandom
  readonly shortChance: number
  readonly capacityBytes: number
  openFiles: number
  lies(lie: 'syncDoesNothing'): boolean
}

export class SimulatedFile implements DiskFile {
  readonly path: string
  readonly #disk: FileOwner
  readonly #inode: SimulatedInode
  readonly #writable: boolean
  readonly #lane: CallLane = { freeAtMs: 0 }
  readonly #syncLane: CallLane = { freeAtMs: 0 }
  #open = true

  constructor(disk: FileOwner, path: string, inode: SimulatedInode, writable: boolean) {
    this.#disk = disk
    this.path = path
    this.#inode = inode
    this.#writable = writable
  }

  read(into: Uint8Array, at: number): Promise<number> {
    return this.#call('read', (_share, fault) => this.#inode.read(this.#shorten(into, fault), at))
  }

  write(from: Uint8Array, at: number): Promise<number> {
    const checksum = crc32(from)
    return this.#call('write', (share, fault) => {
      this.#assertWritable()
      if (crc32(from) !== checksum) throw new Error(`bytes for ${this.path} changed before their write settled`)
      let bytes = this.#shorten(from, fault)
      if (fault?.lie === true) return bytes.length
      if (share < 1) bytes = bytes.subarray(0, Math.floor(bytes.length * share))
      bytes = bytes.subarray(0, this.#room(bytes.length, at))
      if (bytes.length === 0 && from.length > 0 && share === 1) throw diskError('ENOSPC', this.path)
      this.#disk.model.write(this.#inode, bytes, at)
      return bytes.length
    })
  }

  sync(): Promise<void> {
    let covered = 0
    return this.#disk.calls.run('sync', this.path, {
      lane: this.#syncLane,
      notBeforeMs: this.#lane.freeAtMs,
      begin: () => {
        covered = this.#disk.model.lastEffect
      },
      effect: (_share, fault) => {
        this.#assertOpen()
        if (fault?.lie !== true && !this.#disk.lies('syncDoesNothing')) this.#inode.synced(covered)
      },
      failed: () => this.#inode.syncFailed(covered),
    })
  }

  truncate(bytes: number): Promise<void> {
    return this.#call('truncate', () => {
      this.#assertWritable()
      this.#disk.model.truncate(this.#inode, bytes)
    })
  }

  size(): Promise<number> {
    return this.#call('size', () => this.#inode.size)
  }

  close(): Promise<void> {
    this.#lane.freeAtMs = Math.max(this.#lane.freeAtMs, this.#syncLane.freeAtMs)
    return this.#call('close', () => {
      this.#open = false
      this.#disk.openFiles--
      this.#disk.model.release(this.#inode)
    })
  }

  #call<T>(operation: DiskOperation, effect: CallSteps<T>['effect']): Promise<T> {
    return this.#disk.calls.run(operation, this.path, {
      lane: this.#lane,
      effect: (share, fault) => {
        this.#assertOpen()
        return effect(share, fault)
      },
    })
  }

  /** The part of `bytes` that this call moves: what the fault says, or now and then less than asked. */
  #shorten(bytes: Uint8Array, fault: DiskFault | undefined): Uint8Array {
    if (fault?.short !== undefined) return bytes.subarray(0, fault.short)
    if (bytes.length < 2 || !this.#disk.random.chance(this.#disk.shortChance)) return bytes
    return bytes.subarray(0, this.#disk.random.between(1, bytes.length - 1))
  }

  /** How many of `count` bytes fit on the disk. */
  #room(count: number, at: number): number {
    let freeBytes = this.#disk.capacityBytes - this.#disk.model.bytesUsed
    if (freeBytes >= count + sectorBytes) return count
    for (let sector = Math.floor(at / sectorBytes); sector * sectorBytes < at + count; sector++) {
      if (this.#inode.isAllocated(sector)) continue
      if (freeBytes < sectorBytes) return Math.max(0, sector * sectorBytes - at)
      freeBytes -= sectorBytes
    }
    return count
  }

  #assertOpen(): void {
    if (!this.#open) throw diskError('EBADF', this.path)
  }

  #assertWritable(): void {
    if (!this.#writable) throw diskError('EBADF', this.path)
  }
}

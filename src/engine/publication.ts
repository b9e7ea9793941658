/**
 * The manifest that counts, and the numbers of files to come. Checkpoints and merges run side by side: each reserves its
 * numbers before it writes, and publishes within `exclusive`, on top of whatever was published meanwhile.
 */

import type { Disk } from '../platform/ports.ts'
import { publishManifest, type Manifest } from '../storage/manifest/manifest.ts'
import type { LogFileInfo } from '../storage/wal/log.ts'

export class Publication {
  manifest: Manifest
  readonly #disk: Disk
  readonly #directory: string
  #nextFileNumber: number

  constructor(disk: Disk, directory: string, manifest: Manifest) {
    this.#disk = disk
    this.#directory = directory
    this.manifest = manifest
    this.#nextFileNumber = manifest.nextFileNumber
  }

  /** The first of `count` numbers that no file has or will have. */
  reserve(count: number): number {
    const first = this.#nextFileNumber
    this.#nextFileNumber += count
    return first
  }

  /** Makes the present manifest, with these changes, the one that counts. From `beforeRename` on it may be, even if this fails. */
  async publish(
    changes: Partial<Omit<Manifest, 'number' | 'nextFileNumber'>>,
    beforeRename: () => void,
  ): Promise<void> {
    const { manifest } = this
    const next = { ...manifest, ...changes, number: manifest.number + 1, nextFileNumber: this.#nextFileNumber }
    await publishManifest(this.#disk, this.#directory, next, beforeRename)
    this.manifest = next
  }
}

/** A log file as a manifest names it. */
export function listedLog({ number, name, fileId, firstLsn, sealed }: LogFileInfo): Manifest['wal'][number] {
  return { number, name, fileId, firstLsn, sealed }
}

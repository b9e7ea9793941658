/**
 * Space set aside for one checkpoint: a file that is given up when the disk is full, so that the log can still be moved into
 * segments and its files freed. Nothing is in it, and it ends in `.tmp`: who finds it removes it.
 */

import { writeFully } from '../platform/full-io.ts'
import type { Clock, Disk } from '../platform/ports.ts'
import { Turn } from './turn.ts'

const chunkBytes = 256 * 1024
const reserveFileName = 'reserve.tmp'

export class SpaceReserve {
  readonly #disk: Disk
  readonly #clock: Clock
  readonly #path: string
  readonly #bytes: number
  #isHeld = false

  constructor(disk: Disk, clock: Clock, directory: string, bytes: number) {
    this.#disk = disk
    this.#clock = clock
    this.#path = `${directory}/${reserveFileName}`
    this.#bytes = bytes
  }

  /** Sets the space aside if that can be done; if not, it is tried again after the next checkpoint. */
  async hold(): Promise<void> {
    if (this.#isHeld) return
    this.#isHeld = true
    try {
      const file = await this.#disk.open(this.#path, 'create')
      try {
        await this.#fill((bytes, at) => writeFully(file, bytes, at))
        await file.sync()
      } finally {
        await file.close()
      }
    } catch {
      await this.release().catch(() => undefined)
    }
  }

  async #fill(write: (bytes: Uint8Array, at: number) => Promise<void>): Promise<void> {
    const zeros = new Uint8Array(Math.min(chunkBytes, this.#bytes))
    const turn = new Turn(this.#clock)
    for (let at = 0; at < this.#bytes; at += zeros.length) {
      await write(zeros.subarray(0, Math.min(zeros.length, this.#bytes - at)), at)
      if (turn.isOver()) await turn.next()
    }
  }

  /** Gives the space to the disk; answers whether there was any. */
  async release(): Promise<boolean> {
    if (!this.#isHeld) return false
    this.#isHeld = false
    await this.#disk.remove(this.#path)
    return true
  }
}

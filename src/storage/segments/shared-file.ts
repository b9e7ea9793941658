/**
 * One open file for all who read a segment at the moment: opened when the first one comes, closed when the last one goes,
 * so that thousands of idle segments hold no descriptors.
 *
 *   idle --take--> opening -> open, in use --last release--> idle
 *
 * After `close` nobody new may take it; who has it reads on, even when the file is removed meanwhile.
 */

import { refuse } from '../../model/errors.ts'
import type { Disk, DiskFile } from '../../platform/ports.ts'

export class SharedFile {
  readonly path: string
  readonly #disk: Disk
  #opening: Promise<DiskFile> | undefined
  #users = 0
  #closed = false

  constructor(disk: Disk, path: string) {
    this.#disk = disk
    this.path = path
  }

  /** Every take that did not reject is to be followed by one release. */
  async take(): Promise<DiskFile> {
    if (this.#closed) throw refuse('HW_CLOSED', `${this.path} was closed: nothing in it counts any more`)
    this.#opening ??= this.#disk.open(this.path, 'read')
    const opening = this.#opening
    this.#users++
    try {
      return await opening
    } catch (error) {
      this.#users--
      if (this.#opening === opening) this.#opening = undefined
      throw error
    }
  }

  async release(): Promise<void> {
    if (--this.#users > 0) return
    const opening = this.#opening
    this.#opening = undefined
    if (opening !== undefined) await (await opening).close()
  }

  /** Resolves when no open is under way. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#opening?.catch(() => undefined)
  }
}

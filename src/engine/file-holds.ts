/**
 * Keeps files of the engine in place while a backup copies them: what is to be removed meanwhile goes when the last backup lets
 * go of it, and log files are not used again as long as one reads the log.
 *
 * Nothing is written down: after a crash, or when the engine closes first, the next opening removes what nobody names.
 */

import type { Disk } from '../platform/ports.ts'

export interface Hold {
  /** The log was copied. */
  releaseLog(): void
  /** Everything was. Removes what waited, if no other backup holds it. */
  release(): Promise<void>
}

export class FileHolds {
  readonly #disk: Disk
  #holders = 0
  #logHolders = 0
  #isOver = false
  #waiting: string[] = []
  #logFree: (() => void)[] = []

  constructor(disk: Disk) {
    this.#disk = disk
  }

  take(): Hold {
    this.#holders++
    this.#logHolders++
    let holdsLog = true
    let holds = true
    const releaseLog = (): void => {
      if (!holdsLog) return
      holdsLog = false
      if (--this.#logHolders === 0) this.#freeLog()
    }
    const release = async (): Promise<void> => {
      releaseLog()
      if (!holds) return
      holds = false
      if (--this.#holders > 0 || this.#isOver) return
      // What cannot be removed now is nobody's, and goes at the next opening.
      for (const path of this.#waiting.splice(0)) await this.#disk.remove(path).catch(() => undefined)
    }
    return { releaseLog, release }
  }

  /** Now, or once nobody holds it. */
  async remove(path: string): Promise<void> {
    if (this.#holders > 0) this.#waiting.push(path)
    else await this.#disk.remove(path)
  }

  /** Resolves when no backup reads the log. */
  whenLogFree(): Promise<void> {
    if (this.#logHolders === 0 || this.#isOver) return Promise.resolve()
    return new Promise((resolve) => this.#logFree.push(resolve))
  }

  /** The engine stops: nobody waits any more. */
  end(): void {
    this.#isOver = true
    this.#freeLog()
  }

  #freeLog(): void {
    for (const resolve of this.#logFree.splice(0)) resolve()
  }
}

/** The files of the log that are not trimmed: those of earlier openings, those written in this one, and the one in use. */

import type { LogFile } from './log-files.ts'
import type { LogFileInfo } from './log.ts'

export class LogChain {
  /** The file in use. */
  current!: LogFile
  /** Where the next frame goes in it. */
  next = 0
  #recovered: readonly LogFileInfo[]
  #own: LogFile[] = []

  constructor(recovered: readonly LogFileInfo[]) {
    this.#recovered = recovered
  }

  get count(): number {
    return this.#recovered.length + this.#own.length
  }

  /** Bytes of headers and frames. */
  get bytes(): number {
    return this.list().reduce((sum, { bytes }) => sum + bytes, 0)
  }

  use(file: LogFile, firstLsn: number, next: number): void {
    if (this.#own.length > 0) {
      this.current.usedBytes = this.next
      file.previous = this.current
    }
    file.firstLsn = firstLsn
    this.current = file
    this.next = next
    this.#own.push(file)
  }

  /** Files with a synced head, oldest first. */
  list(): LogFileInfo[] {
    const own = this.#own.filter(({ syncedFrame }) => syncedFrame > 0)
    return [
      ...this.#recovered,
      ...own.map((file) => ({
        number: file.number,
        name: file.name,
        fileId: Buffer.from(file.fileId).toString('hex'),
        firstLsn: file.firstLsn,
        sealed: file.sealed,
        bytes: file === this.current ? this.next : file.usedBytes,
      })),
    ]
  }

  /** Drops the files up to a number, as far as they are sealed, and answers which. */
  trim(fileNumber: number): { readonly name: string; readonly bytes: number }[] {
    const goes = (file: LogFile): boolean => file.number <= fileNumber && file.sealed
    const gone = [...this.#recovered.filter(({ number }) => number <= fileNumber), ...this.#own.filter(goes)]
    this.#recovered = this.#recovered.filter(({ number }) => number > fileNumber)
    this.#own = this.#own.filter((file) => !goes(file))
    return gone.map(({ name, bytes }) => ({ name, bytes }))
  }

  /** Closes what is still open. */
  async close(): Promise<void> {
    for (const { closed, handle } of this.#own) {
      if (closed !== undefined) await closed
      else await handle?.close()
    }
  }
}

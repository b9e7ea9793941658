/**
 * Keeps files ready for the log writer and gets rid of those that are no longer needed, in the background, one step at a time.
 *
 *     nothing, or recycled --zeros, header, sync, rename, directory sync--> ready --take--> in use --trim--> recycled, or removed
 *
 * Invariants
 * - A file has its final name only once its zeros and its header are synced, so that the log never meets a full disk, and
 *   behind its last frame there are only zeros. A recycled file is filled anew for the same reason.
 * - A file is filled in bounded chunks through a handle of its own, and while another one is ready each chunk is synced
 *   before the next: the file in use is not queued behind it, nor behind one long sync of 16 MiB.
 * - A full disk, or a lack of file descriptors, is tried again every second and after every trim; what was filled until then
 *   is given back at once, since a checkpoint, which frees log files, needs room too. Any other failure is final.
 *
 * It does not write frames and does not decide which file is still needed.
 */

import { isDiskFull, isOutOfHandles } from '../../platform/passing-failures.ts'
import { fileSeed } from '../../platform/checksum.ts'
import { writeFully } from '../../platform/full-io.ts'
import type { Clock, Disk, DiskFile, Random, TimerHandle } from '../../platform/ports.ts'
import { encodeFileHeader, fileHeaderBytes, fileIdBytes } from '../file-header.ts'
import { alignUp, logFileName } from './log-format.ts'

/** A file that is ready for the writer or in its use. */
export interface LogFile {
  readonly number: number
  readonly name: string
  readonly fileId: Uint8Array
  readonly seed: number
  /** Open from its first frame on, closed after its seal. */
  handle: DiskFile | undefined
  closed: Promise<void> | undefined
  /** Zero-filled and synced up to here. */
  bytes: number
  firstLsn: number
  /** Frames issued and frames known synced, by number. */
  lastFrame: number
  syncedFrame: number
  /** Header crc of the last frame issued; at first that of the file header. */
  lastCrc: number
  /** For the link of its first frame. */
  previous: LogFile | undefined
  link: number
  /** Bytes of header and frames, once it is full. */
  usedBytes: number
  sealed: boolean
}

export interface LogFilesOptions {
  readonly disk: Disk
  readonly random: Random
  readonly clock: Clock
  readonly directory: string
  readonly openCount: number
  readonly firstNumber: number
  readonly fileBytes: number
  /** How many files are kept ready. */
  readonly readyMax: number
  readonly chunkBytes: number
  /** How many trimmed files are kept for another life. */
  readonly recycledMax: number
  readonly listener: {
    /** A file became ready or longer, or the disk turned out full. */
    changed(): void
    failed(error: unknown): void
  }
}

const openTriesMax = 50

interface Trim {
  readonly names: readonly { readonly name: string; readonly bytes: number }[]
  readonly done: () => void
}

export class LogFiles {
  /** Oldest first. */
  readonly ready: LogFile[] = []
  diskFull = false
  /** Why the last preparation came to nothing, until one succeeds. */
  trouble: unknown
  readonly #options: LogFilesOptions
  #nextNumber: number
  #wantedBytes = 0
  #recycled: string[] = []
  /** Where a file that could not be finished may still lie. */
  #left: string | undefined
  #trims: Trim[] = []
  #running: Promise<void> | undefined
  #closing = false
  #paused: { readonly timer: TimerHandle; readonly wake: () => void } | undefined

  constructor(options: LogFilesOptions) {
    this.#options = options
    this.#nextNumber = options.firstNumber
  }

  /** Prepares what is missing. */
  kick(): void {
    if (this.#closing || this.#running !== undefined) return
    this.#running = this.#run()
      .catch((error: unknown) => {
        this.#closing = true
        this.#options.listener.failed(error)
      })
      .finally(() => {
        this.#running = undefined
        // Work may have come after the last look for it.
        if (this.#hasWork) this.kick()
      })
  }

  /** The oldest ready file, which is the caller's from now on. */
  take(): LogFile {
    const file = this.ready.shift()!
    this.#wantedBytes = 0
    this.kick()
    return file
  }

  /** The next file must have at least so many bytes. */
  want(bytes: number): void {
    this.#wantedBytes = Math.max(this.#wantedBytes, alignUp(bytes))
    this.kick()
  }

  /** Opens a taken file for its frames, once the file before is closed: its threads serve again. */
  async open(file: LogFile): Promise<void> {
    const { disk, clock, directory } = this.#options
    await file.previous?.closed
    for (let tries = 1; ; tries++) {
      try {
        file.handle = await disk.open(`${directory}/${file.name}`, 'write', { dedicatedThread: true })
        return
      } catch (error) {
        // The process may be short of descriptors for a moment, and nothing is lost by waiting.
        if (!isOutOfHandles(error) || tries === openTriesMax) throw error
        await new Promise<void>((resolve) => void clock.setTimer(100, resolve))
      }
    }
  }

  trim(names: readonly { readonly name: string; readonly bytes: number }[]): Promise<void> {
    if (this.#closing || names.length === 0) return Promise.resolve()
    return new Promise((done) => {
      this.#trims.push({ names, done })
      this.#paused?.wake()
      this.kick()
    })
  }

  /** Ends the background work. */
  async stop(): Promise<void> {
    this.#closing = true
    this.#paused?.wake()
    await this.#running
    for (const { done } of this.#trims.splice(0)) done()
  }

  /** Removes what was prepared and never used. Only after `stop`. */
  async removeUnused(): Promise<void> {
    const { disk, directory } = this.#options
    if (this.#left !== undefined) await this.#removeLeft(this.#left)
    for (const name of this.#recycled.splice(0)) await disk.remove(`${directory}/${name}`)
    // The newest first, each for good before the next: a gap in the numbers would look like a missing file.
    for (const { name } of this.ready.splice(0).reverse()) {
      await disk.remove(`${directory}/${name}`)
      await disk.syncDirectory(directory)
    }
  }

  get #hasWork(): boolean {
    if (this.#trims.length > 0 || this.ready.length < this.#options.readyMax) return true
    return this.ready[0]!.bytes < this.#wantedBytes
  }

  async #run(): Promise<void> {
    for (;;) {
      if (this.#closing) return
      try {
        const trim = this.#trims.shift()
        if (trim !== undefined) {
          // A failure is the listener's to hear of; whoever waits only waits for the end.
          await this.#trim(trim).finally(trim.done)
          continue
        }
        if (this.ready.length < this.#options.readyMax) await this.#prepare()
        else if (this.#hasWork) await this.#extend()
        else return
        this.diskFull = false
        this.trouble = undefined
        if (!this.#closing) this.#options.listener.changed()
      } catch (error) {
        if (!isDiskFull(error) && !isOutOfHandles(error)) throw error
        this.diskFull = isDiskFull(error)
        this.trouble = error
        this.#options.listener.changed()
        await this.#pause(1_000)
      }
    }
  }

  async #prepare(): Promise<void> {
    const { disk, directory, openCount } = this.#options
    const number = this.#nextNumber
    const name = logFileName(openCount, number)
    const path = `${directory}/${name}`
    const temporary = `${path}.tmp`
    if (this.#left !== undefined) await this.#removeLeft(this.#left)
    const recycled = this.#recycled.shift()
    if (recycled !== undefined) await disk.rename(`${directory}/${recycled}`, temporary)
    let left = temporary
    try {
      const prepared = await this.#fillNew(temporary, recycled === undefined ? 'create' : 'write', number)
      if (prepared === undefined) {
        await disk.remove(temporary)
        return
      }
      await disk.rename(temporary, path)
      left = path
      await disk.syncDirectory(directory)
      this.#nextNumber++
      this.ready.push({ ...prepared, number, name })
    } catch (error) {
      // Nobody knows of it: with its final name it would be a file too many after a close that removes those before it.
      if (isDiskFull(error) || isOutOfHandles(error)) {
        this.#left = left
        // What hinders that may pass, too.
        await this.#removeLeft(left).catch(() => undefined)
      }
      throw error
    }
  }

  /** Removes a file that was not finished: the next would meet it. */
  async #removeLeft(left: string): Promise<void> {
    const { disk } = this.#options
    if ((await disk.stat(left)) !== undefined) await disk.remove(left)
    this.#left = undefined
  }

  /** Zeros and header, synced; undefined when it was called off. */
  async #fillNew(
    path: string,
    access: 'create' | 'write',
    number: number,
  ): Promise<Omit<LogFile, 'name' | 'number'> | undefined> {
    const { disk, random, openCount, fileBytes } = this.#options
    const handle = await disk.open(path, access)
    try {
      const bytes = alignUp(Math.max(fileBytes, this.#wantedBytes, await handle.size()))
      await this.#fill(handle, 0, bytes)
      if (this.#closing) return undefined
      const fileId = random.bytes(fileIdBytes)
      const header = encodeFileHeader({ kind: 'wal', fileId, number, openCount, extent: bytes })
      await writeFully(handle, header, 0)
      await handle.sync()
      return {
        fileId,
        seed: fileSeed(fileId),
        handle: undefined,
        closed: undefined,
        bytes,
        firstLsn: 0,
        lastFrame: 0,
        syncedFrame: 0,
        lastCrc: header.readUInt32LE(fileHeaderBytes - 4),
        previous: undefined,
        link: 0,
        usedBytes: 0,
        sealed: false,
      }
    } finally {
      await handle.close()
    }
  }

  /** Makes the oldest ready file longer. No file is ready meanwhile: those behind it must not be taken before it. */
  async #extend(): Promise<void> {
    const { disk, directory } = this.#options
    const held = this.ready.splice(0)
    const file = held[0]!
    const bytes = alignUp(this.#wantedBytes)
    try {
      const handle = await disk.open(`${directory}/${file.name}`, 'write')
      try {
        await this.#fill(handle, file.bytes, bytes)
        await handle.sync()
      } finally {
        await handle.close()
      }
      if (!this.#closing) file.bytes = bytes
    } finally {
      this.ready.unshift(...held)
    }
  }

  async #fill(handle: DiskFile, from: number, to: number): Promise<void> {
    const zeros = new Uint8Array(Math.min(this.#options.chunkBytes, Math.max(to - from, 0)))
    for (let at = from; at < to && !this.#closing; at += zeros.length) {
      await writeFully(handle, zeros.subarray(0, Math.min(zeros.length, to - at)), at)
      // With no file ready the log waits for this one, or soon will: the one sync at the end is quicker.
      if (this.ready.length > 0) await handle.sync()
    }
  }

  async #trim({ names }: Trim): Promise<void> {
    const { disk, directory, recycledMax, fileBytes } = this.#options
    let removed = false
    for (const { name, bytes } of names) {
      if (this.#recycled.length < recycledMax && bytes <= fileBytes && !this.diskFull) this.#recycled.push(name)
      else {
        await disk.remove(`${directory}/${name}`)
        removed = true
      }
    }
    if (removed) await disk.syncDirectory(directory)
  }

  #pause(ms: number): Promise<void> {
    if (this.#closing || this.#trims.length > 0) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#options.clock.clearTimer(timer)
        this.#paused = undefined
        resolve()
      }
      const timer = this.#options.clock.setTimer(ms, wake)
      this.#paused = { timer, wake }
    })
  }
}

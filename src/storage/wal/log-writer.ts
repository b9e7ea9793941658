/**
 * The log in local files: reserves space, moves from file to file, sends frames off and tells how far records are.
 *
 * Invariants
 * - Space is reserved before a record is begun, in the file in use and the files ready behind it. 'new' never takes the
 *   last `reserveBytes` of that. Room for a seal or clean mark is always kept.
 * - An open frame is sent off when nothing is under way, when what was under way has landed, when it has grown to
 *   `dispatchBytes`, or, if someone waits for its write, when nothing is being written. A group is never divided.
 * - Every file begins with a head and ends with a seal, each alone in its frame.
 * - After a failure nothing is begun, written or reported.
 *
 * Frames are built by `frame-builder.ts`, taken to the disk by `log-flight.ts`; `log-files.ts` keeps files ready. None of
 * them reads.
 */

import { refuse, type HourwheelError } from '../../model/errors.ts'
import { writeClean, writeSeal } from '../../model/record-writers.ts'
import { fileHeaderBytes } from '../file-header.ts'
import { diskTrouble, logFailure } from './disk-trouble.ts'
import { FrameBuilder } from './frame-builder.ts'
import { IdleWatch } from './idle-watch.ts'
import { LogChain } from './log-chain.ts'
import { LogFiles, type LogFile } from './log-files.ts'
import { LogFlight, type Frame } from './log-flight.ts'
import {
  alignDown,
  frameBytesOf,
  frameHeaderBytes,
  framePayloadBytesMax,
  lengthBytes,
  markFrameBytes,
} from './log-format.ts'
import type { AppendPurpose, Log, LogFileInfo, LogStats } from './log.ts'
import { LogProgress } from './log-progress.ts'
import { LogSpace } from './log-space.ts'
import { filesOptionsOf, flightOptionsOf, type LogWriterOptions } from './log-writer-options.ts'

export class LogWriter implements Log {
  appendedLsn: number
  readonly #options: LogWriterOptions
  readonly #builder: FrameBuilder
  readonly #files: LogFiles
  readonly #flight: LogFlight
  readonly #progress: LogProgress
  readonly #space: LogSpace
  readonly #idle: IdleWatch
  readonly #dispatchBytes: number
  readonly #chain: LogChain
  /** File offset minus block offset of the frame opened last. */
  #place = 0
  #inGroup = false
  #scheduled = false
  /** The open frame has a record that is to be written without waiting for the sync of another frame. */
  #isUrgent = false
  #roomWanted = false
  #closing: Promise<void> | undefined
  #failure: HourwheelError | undefined
  #ready: (() => void) | undefined

  /** Resolves when the head of the first file is synced. Remove recovery's leftovers before: they may hold the space. */
  static async open(options: LogWriterOptions): Promise<LogWriter> {
    const log = new LogWriter(options)
    await log.#open()
    return log
  }

  private constructor(options: LogWriterOptions) {
    this.#options = options
    this.appendedLsn = options.firstLsn - 1
    this.#dispatchBytes = options.dispatchBytes ?? 256 * 1024
    this.#chain = new LogChain(options.recovered ?? [])
    this.#builder = new FrameBuilder(options.blocks)
    const files = filesOptionsOf(options)
    const { clock } = options
    this.#files = new LogFiles({
      ...files,
      listener: { changed: () => this.#filesChanged(), failed: (error) => this.#fail(error, 'preparing a log file') },
    })
    this.#flight = new LogFlight(
      {
        ...flightOptionsOf(options),
        listener: {
          open: (file) => this.#files.open(file),
          progress: () => {
            this.#dispatch()
            this.#progress.report()
          },
          synced: (frame) => this.#frameSynced(frame),
          letGo: (block) => options.blocks.letGo(block),
          failed: (error, file) => this.#fail(error, file.name),
        },
      },
      this.appendedLsn,
    )
    this.#progress = new LogProgress(this.#flight, options.listener)
    this.#space = new LogSpace(this.#files.ready, options.reserveBytes ?? files.fileBytes / 16)
    const activity = (): number => this.#flight.frames
    this.#idle = new IdleWatch(clock, options.markAfterMs ?? 1_000, activity, () => this.#mark())
  }

  get buffer(): Buffer {
    return this.#builder.buffer
  }

  get block(): number {
    return this.#builder.block
  }

  get fileNumber(): number {
    return this.#chain.current.number
  }

  get writtenLsn(): number {
    return this.#flight.writtenLsn
  }

  get syncedLsn(): number {
    return this.#flight.syncedLsn
  }

  get diskFull(): boolean {
    return this.#files.diskFull
  }

  begin(bytesMax: number, purpose: AppendPurpose): number {
    const builder = this.#builder
    const at = builder.at + lengthBytes
    if (at + bytesMax <= (purpose === 'new' ? builder.newEnd : builder.settleEnd)) return at
    if (this.#inGroup) throw refuse('HW_INTERNAL', 'a record of a group is larger than the group said')
    return this.#makeRoom(lengthBytes + bytesMax, purpose) ? builder.at + lengthBytes : -1
  }

  end(at: number, bytes: number): number {
    const builder = this.#builder
    const end = at + bytes
    if (at !== builder.at + lengthBytes || bytes <= 0 || end > builder.settleEnd) {
      throw refuse('HW_INTERNAL', 'a record does not lie where it was begun, or is longer than it said')
    }
    builder.buffer.writeUInt32LE(bytes, builder.at)
    builder.at = end
    builder.count++
    const lsn = ++this.appendedLsn
    if (!this.#inGroup) this.#grown()
    return lsn
  }

  fileOffset(at: number): number {
    return this.#place + at
  }

  beginGroup(records: number, bytesMax: number, purpose: AppendPurpose): boolean {
    if (this.#inGroup) throw refuse('HW_INTERNAL', 'a group was begun within a group')
    const builder = this.#builder
    const bytes = records * lengthBytes + bytesMax
    const limit = purpose === 'new' ? builder.newEnd : builder.settleEnd
    if (builder.at + bytes > limit && !this.#makeRoom(bytes, purpose)) return false
    this.#inGroup = true
    builder.newEnd = builder.at + bytes
    builder.settleEnd = builder.newEnd
    return true
  }

  endGroup(): void {
    this.#inGroup = false
    this.#setLimits()
    if (this.#builder.count > 0) this.#grown()
  }

  needSync(): void {
    this.#flight.want(this.appendedLsn)
  }

  needWrite(): void {
    this.#isUrgent = true
    this.#schedule()
  }

  whenWritten(lsn: number): Promise<void> {
    return this.#progress.whenWritten(lsn)
  }

  whenSynced(lsn: number): Promise<void> {
    return this.#progress.whenSynced(lsn)
  }

  trim(fileNumber: number): Promise<void> {
    return this.#files.trim(this.#chain.trim(fileNumber)).then(() => this.#filesChanged())
  }

  files(): LogFileInfo[] {
    return this.#chain.list()
  }

  stats(): LogStats {
    return {
      files: this.#chain.count,
      bytes: this.#chain.bytes + this.#builder.openBytes,
      unsyncedBytes: this.#flight.unsyncedBytes + this.#builder.openBytes,
      freeBytes: this.#freeBytes() + this.#space.readyBytes(0),
      frames: this.#flight.frames,
      syncs: this.#flight.syncs,
      syncMs: this.#flight.syncMs,
      syncMsMax: this.#flight.syncMsMax,
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Opens a frame with room for `payloadBytes`, in the next file if need be; false when there is no room now. */
  #makeRoom(payloadBytes: number, purpose: AppendPurpose): boolean {
    if (payloadBytes > framePayloadBytesMax) throw refuse('HW_INTERNAL', 'a record or group is larger than a frame')
    if (this.#failure !== undefined || this.#closing !== undefined) return false
    const bytes = frameBytesOf(payloadBytes)
    const free = this.#freeBytes()
    const reserve = purpose === 'new' ? this.#space.reserveBytes : 0
    const mayRotate = purpose !== 'new' || this.#chain.count < (this.#options.filesMax?.() ?? Infinity)
    const fits =
      bytes <= free ? free - bytes + this.#space.readyBytes(0) >= reserve : mayRotate && this.#rotate(bytes, reserve)
    if (!fits) {
      this.#roomWanted = true
      this.#files.want(this.#space.fileBytesFor(bytes + reserve))
      return false
    }
    this.#closeFrame('records')
    this.#openFrame(payloadBytes)
    return true
  }

  #rotate(bytes: number, reserve: number): boolean {
    const next = this.#files.ready[0]
    if (next === undefined) return false
    const needed = bytes + Math.max(0, reserve - this.#space.readyBytes(1))
    if (this.#space.fileBytesFor(needed) > next.bytes) return false
    const head = this.#options.headRecord()
    this.#space.headIs(head.length)
    if (this.#space.fileBytesFor(needed) > next.bytes) return false
    this.#closeFrame('records')
    this.#openFrame(markFrameBytes - frameHeaderBytes)
    this.#appendOwn((buffer, at) => writeSeal(buffer, at, next.number))
    this.#closeFrame('seal')
    this.#use(this.#files.take(), head)
    return true
  }

  #use(file: LogFile, head: Uint8Array): void {
    this.#chain.use(file, this.appendedLsn + 1, fileHeaderBytes)
    this.#openFrame(lengthBytes + head.length)
    this.#appendOwn((buffer, at) => {
      buffer.set(head, at)
      return at + head.length
    })
    this.#closeFrame('head')
  }

  #freeBytes(): number {
    return this.#chain.current.bytes - markFrameBytes - this.#chain.next - this.#builder.openBytes
  }

  #filesChanged(): void {
    this.#ready?.()
    if (this.#chain.count === 0 || this.#ready !== undefined) return
    if (this.#inGroup) {
      this.#options.clock.soon(() => this.#filesChanged())
      return
    }
    this.#setLimits()
    if (!this.#roomWanted || this.#failure !== undefined) return
    this.#roomWanted = false
    this.#options.listener.room()
  }

  // Frames

  #openFrame(payloadBytes: number): void {
    this.#builder.open(payloadBytes, this.appendedLsn + 1)
    this.#place = this.#chain.next - this.#builder.start
    this.#setLimits()
  }

  #setLimits(): void {
    if (!this.#builder.isOpen) return
    const fileEnd = alignDown(this.#chain.current.bytes - markFrameBytes) - this.#place
    this.#builder.limit(fileEnd, this.#space.leftHereBytes)
  }

  #appendOwn(write: (buffer: Buffer, at: number) => number): void {
    this.#builder.append(write)
    this.appendedLsn++
  }

  #closeFrame(kind: Frame['kind']): void {
    const frame = this.#builder.close(kind, this.#chain.current, this.#chain.next)
    if (frame === undefined) return
    this.#chain.next += frame.bytes
    this.#flight.add(frame)
    if (kind !== 'mark') this.#idle.stir()
  }

  #grown(): void {
    const builder = this.#builder
    if (!this.#flight.busy) this.#schedule()
    else if (builder.at - builder.start >= this.#dispatchBytes && !this.#flight.full) this.#closeFrame('records')
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#options.clock.soon(() => {
      this.#scheduled = false
      this.#dispatch()
    })
  }

  #dispatch(): void {
    if (this.#failure !== undefined || this.#inGroup) return
    if (this.#flight.busy && !(this.#isUrgent && !this.#flight.writing)) return
    this.#isUrgent = false
    this.#closeFrame('records')
  }

  #frameSynced(frame: Frame): void {
    const { file } = frame
    if (frame.kind === 'seal') {
      file.sealed = true
      file.closed = file.handle!.close()
      file.closed.catch((error: unknown) => this.#fail(error, file.name))
    } else if (frame.kind === 'head' && file.number !== this.#options.firstFileNumber) {
      this.#options.listener.rotated(file.number)
    }
  }

  /** Says in an empty frame what is synced, so that damage in it can be told from an unfinished write. */
  #mark(): void {
    if (this.#failure !== undefined || this.#closing !== undefined) return
    if (this.#builder.openBytes > 0 || !this.#flight.idle) this.#idle.stir()
    else if (this.#freeBytes() >= frameHeaderBytes) {
      this.#openFrame(0)
      this.#closeFrame('mark')
    }
  }

  /** The engine has failed for a reason of its own: from now on nothing more is written, and no file is prepared. */
  abandon(error: unknown): void {
    this.#fail(error, 'the log is given up')
  }

  #fail(error: unknown, where: string): void {
    if (this.#failure !== undefined) return
    const failure = logFailure(error, where)
    this.#failure = failure
    this.#flight.poison()
    this.#idle.stop()
    void this.#files.stop()
    this.#ready?.()
    this.#progress.fail(failure)
  }

  async #open(): Promise<void> {
    const head = this.#options.headRecord()
    this.#space.headIs(head.length)
    this.#files.want(this.#space.fileBytesFor(2 * this.#space.reserveBytes))
    await new Promise<void>((resolve) => (this.#ready = resolve))
    this.#ready = undefined
    if (this.#files.ready.length === 0) {
      await this.#files.stop()
      if (this.#failure !== undefined) throw this.#failure
      throw diskTrouble(this.#files.trouble, this.#options.directory)
    }
    const file = this.#files.take()
    file.link = this.#options.link ?? 0
    this.#use(file, head)
    await this.whenSynced(this.appendedLsn).catch(async () => {
      await this.close()
    })
  }

  async #close(): Promise<void> {
    this.#idle.stop()
    this.#closeFrame('records')
    await this.#files.stop()
    if (this.#failure === undefined) {
      this.#openFrame(markFrameBytes - frameHeaderBytes)
      this.#appendOwn((buffer, at) => writeClean(buffer, at, this.#options.clock.wallMs()))
      this.#closeFrame('clean')
      await this.whenSynced(this.appendedLsn).catch(() => undefined)
    }
    this.#flight.stop()
    this.#idle.stop()
    if (this.#failure !== undefined) {
      await this.#chain.close().catch(() => undefined)
      throw this.#failure
    }
    this.#builder.endBlock()
    await this.#chain.close()
    await this.#files.removeUnused()
  }
}

/**
 * The log in local files: reserves space, moves from file to file, sends frames off and tells how far records are.
 *
 * Invariants
 * - Space is reserved before a record is begun, in the file in use and the files ready behind it. 'new' never takes the
 *   last `reserveBytes` of that. Room for a seal or clean mark is always kept.
 * - An open frame is sent off when nothing is under way, when what was under way has landed, or when it has grown to
 *   `dispatchBytes`. A group is never divided.
 * - Every file begins with a head and ends with a seal, each alone in its frame.
 * - After a failure nothing is begun, written or reported.
 *
 * Frames are built by `frame-builder.ts`, taken to the disk by `log-flight.ts`; `log-files.ts` keeps files ready. None of
 * them reads.
 */

import { HourwheelError, refuse } from '../../model/errors.ts'
import { writeClean, writeSeal } from '../../model/record-writers.ts'
import type { Clock, Disk, Random, TimerHandle } from '../../platform/ports.ts'
import { fileHeaderBytes } from '../file-header.ts'
import { FrameBuilder, type LogBlocks } from './frame-builder.ts'
import { LogFiles, type LogFile } from './log-files.ts'
import { LogFlight, type Frame } from './log-flight.ts'
import {
  alignDown,
  alignUp,
  frameBytesOf,
  frameHeaderBytes,
  framePayloadBytesMax,
  lengthBytes,
  markFrameBytes,
} from './log-format.ts'
import type { AppendPurpose, Log, LogFileInfo, LogListener, LogStats } from './log.ts'
import { LsnWaiters } from './lsn-waiters.ts'

export interface LogWriterOptions {
  readonly disk: Disk
  readonly random: Random
  readonly clock: Clock
  readonly blocks: LogBlocks
  readonly directory: string
  readonly openCount: number
  readonly firstFileNumber: number
  readonly firstLsn: number
  /** Link to the file before the first one, as recovery found it. */
  readonly link?: number | undefined
  /** Files of earlier openings that `files` lists and `trim` lets go. */
  readonly recovered?: readonly LogFileInfo[] | undefined
  /** Default 16 MiB, at least 4 KiB. A file is longer when its head or one group needs it. */
  readonly fileBytes?: number | undefined
  /** What 'new' leaves to 'settle'. Default a sixteenth of a file. */
  readonly reserveBytes?: number | undefined
  /** How long a frame that nobody waits for may wait for its sync. Default 5. */
  readonly lazySyncMs?: number | undefined
  /** An idle log marks what is synced after so long, at most 1000. Default 1000; 0 for never. */
  readonly markAfterMs?: number | undefined
  /** A frame of this size is sent off although another one is under way. Default 256 KiB. */
  readonly dispatchBytes?: number | undefined
  /** Default 4. */
  readonly framesInFlightMax?: number | undefined
  /** Default 2. */
  readonly readyFilesMax?: number | undefined
  /** Default 2. */
  readonly recycledFilesMax?: number | undefined
  /** Default 256 KiB. */
  readonly fillChunkBytes?: number | undefined
  /** First record of the next file: the state as of now. Called within `open`, `begin` and `beginGroup`; must not append. */
  readonly headRecord: () => Uint8Array
  readonly listener: LogListener
}

export class LogWriter implements Log {
  appendedLsn: number
  readonly #options: LogWriterOptions
  readonly #builder: FrameBuilder
  readonly #files: LogFiles
  readonly #flight: LogFlight
  readonly #writtenWaiters: LsnWaiters = new LsnWaiters()
  readonly #syncedWaiters: LsnWaiters = new LsnWaiters()
  readonly #reserveBytes: number
  readonly #dispatchBytes: number
  readonly #markAfterMs: number
  /** Files of this opening that are not trimmed; the last one is in use. */
  #own: LogFile[] = []
  #recovered: readonly LogFileInfo[]
  #file!: LogFile
  /** Where the next frame goes in the file. */
  #fileNext = 0
  /** File offset minus block offset of the frame opened last. */
  #place = 0
  #headFrameBytes = 0
  #inGroup = false
  #scheduled = false
  #roomWanted = false
  #reportedWritten: number
  #reportedSynced: number
  #closing: Promise<void> | undefined
  #failure: HourwheelError | undefined
  #ready: (() => void) | undefined
  #markTimer: TimerHandle | undefined
  #framesAtMark = 0

  /** Resolves when the head of the first file is synced. Remove recovery's leftovers before: they may hold the space. */
  static async open(options: LogWriterOptions): Promise<LogWriter> {
    const log = new LogWriter(options)
    await log.#open()
    return log
  }

  private constructor(options: LogWriterOptions) {
    const fileBytes = alignUp(options.fileBytes ?? 16 * 1024 * 1024)
    if (fileBytes < 4096) throw new RangeError('fileBytes is at least 4096')
    this.#options = options
    this.appendedLsn = options.firstLsn - 1
    this.#reportedWritten = this.appendedLsn
    this.#reportedSynced = this.appendedLsn
    this.#reserveBytes = options.reserveBytes ?? fileBytes / 16
    this.#dispatchBytes = options.dispatchBytes ?? 256 * 1024
    this.#markAfterMs = options.markAfterMs ?? 1_000
    this.#recovered = options.recovered ?? []
    this.#builder = new FrameBuilder(options.blocks)
    const { disk, random, clock, directory, openCount, firstFileNumber } = options
    this.#files = new LogFiles({
      disk,
      random,
      clock,
      directory,
      openCount,
      firstNumber: firstFileNumber,
      fileBytes,
      readyMax: options.readyFilesMax ?? 2,
      chunkBytes: options.fillChunkBytes ?? 256 * 1024,
      recycledMax: options.recycledFilesMax ?? 2,
      listener: { changed: () => this.#filesChanged(), failed: (error) => this.#fail(error, 'preparing a log file') },
    })
    this.#flight = new LogFlight(
      {
        clock,
        lazySyncMs: options.lazySyncMs ?? 5,
        framesMax: options.framesInFlightMax ?? 4,
        listener: {
          progress: () => this.#progress(),
          synced: (frame) => this.#frameSynced(frame),
          letGo: (block) => options.blocks.letGo(block),
          failed: (error, file) => this.#fail(error, file.name),
        },
      },
      this.appendedLsn,
    )
  }

  get buffer(): Buffer {
    return this.#builder.buffer
  }

  get block(): number {
    return this.#builder.block
  }

  get fileNumber(): number {
    return this.#file.number
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

  whenWritten(lsn: number): Promise<void> {
    if (lsn <= this.writtenLsn) return Promise.resolve()
    return this.#failure === undefined ? this.#writtenWaiters.wait(lsn) : Promise.reject(unknownOutcome(this.#failure))
  }

  whenSynced(lsn: number): Promise<void> {
    if (lsn <= this.syncedLsn) return Promise.resolve()
    if (this.#failure !== undefined) return Promise.reject(unknownOutcome(this.#failure))
    this.#flight.want(lsn)
    return this.#syncedWaiters.wait(lsn)
  }

  trim(fileNumber: number): Promise<void> {
    const goes = (file: LogFile): boolean => file.number <= fileNumber && file.sealed
    const gone = [...this.#recovered.filter(({ number }) => number <= fileNumber), ...this.#own.filter(goes)]
    this.#recovered = this.#recovered.filter(({ number }) => number > fileNumber)
    this.#own = this.#own.filter((file) => !goes(file))
    return this.#files.trim(gone.map(({ name, bytes }) => ({ name, bytes })))
  }

  files(): LogFileInfo[] {
    const own = this.#own.filter((file) => file.syncedFrame > 0)
    return [
      ...this.#recovered,
      ...own.map((file) => ({
        number: file.number,
        name: file.name,
        fileId: Buffer.from(file.fileId).toString('hex'),
        firstLsn: file.firstLsn,
        sealed: file.sealed,
        bytes: this.#usedBytes(file),
      })),
    ]
  }

  stats(): LogStats {
    let bytes = 0
    for (const file of this.#recovered) bytes += file.bytes
    for (const file of this.#own) bytes += this.#usedBytes(file)
    return {
      files: this.#recovered.length + this.#own.length,
      bytes,
      unsyncedBytes: this.#flight.unsyncedBytes + this.#builder.openBytes,
      freeBytes: this.#freeBytes() + this.#readyFreeBytes(0),
      frames: this.#flight.frames,
      syncs: this.#flight.syncs,
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  // Space

  /** Opens a frame with room for `payloadBytes`, in the next file if need be; false when there is no room now. */
  #makeRoom(payloadBytes: number, purpose: AppendPurpose): boolean {
    if (payloadBytes > framePayloadBytesMax) throw refuse('HW_INTERNAL', 'a record or group is larger than a frame')
    if (this.#failure !== undefined || this.#closing !== undefined) return false
    const bytes = frameBytesOf(payloadBytes)
    const free = this.#freeBytes()
    const reserve = purpose === 'new' ? this.#reserveBytes : 0
    const fits = bytes <= free ? free - bytes + this.#readyFreeBytes(0) >= reserve : this.#rotate(bytes, reserve)
    if (!fits) {
      this.#roomWanted = true
      this.#files.want(this.#fileBytesFor(bytes + reserve))
      return false
    }
    this.#closeFrame('records')
    this.#openFrame(payloadBytes)
    return true
  }

  #rotate(bytes: number, reserve: number): boolean {
    const next = this.#files.ready[0]
    if (next === undefined) return false
    const needed = bytes + Math.max(0, reserve - this.#readyFreeBytes(1))
    if (this.#fileBytesFor(needed) > next.bytes) return false
    const head = this.#options.headRecord()
    this.#headFrameBytes = frameBytesOf(lengthBytes + head.length)
    if (this.#fileBytesFor(needed) > next.bytes) return false
    this.#closeFrame('records')
    this.#openFrame(markFrameBytes - frameHeaderBytes)
    this.#appendOwn((buffer, at) => writeSeal(buffer, at, next.number))
    this.#closeFrame('seal')
    this.#file.usedBytes = this.#fileNext
    this.#use(this.#files.take(), this.#file, head)
    return true
  }

  #use(file: LogFile, previous: LogFile | undefined, head: Uint8Array): void {
    file.firstLsn = this.appendedLsn + 1
    file.previous = previous
    this.#file = file
    this.#own.push(file)
    this.#fileNext = fileHeaderBytes
    this.#openFrame(lengthBytes + head.length)
    this.#appendOwn((buffer, at) => {
      buffer.set(head, at)
      return at + head.length
    })
    this.#closeFrame('head')
  }

  #freeBytes(): number {
    return this.#file.bytes - markFrameBytes - this.#fileNext - this.#builder.openBytes
  }

  /** What the ready files from `from` on will hold. */
  #readyFreeBytes(from: number): number {
    let bytes = 0
    const { ready } = this.#files
    for (let index = from; index < ready.length; index++) {
      bytes += Math.max(0, ready[index]!.bytes - this.#fileBytesFor(0))
    }
    return bytes
  }

  /** How long a file must be to hold frames of `bytes` besides header, head and seal. */
  #fileBytesFor(bytes: number): number {
    return fileHeaderBytes + this.#headFrameBytes + alignUp(bytes) + markFrameBytes
  }

  #usedBytes(file: LogFile): number {
    return file === this.#file ? this.#fileNext + this.#builder.openBytes : file.usedBytes
  }

  #filesChanged(): void {
    this.#ready?.()
    if (this.#file === undefined || this.#inGroup) return
    this.#setLimits()
    if (!this.#roomWanted || this.#failure !== undefined) return
    this.#roomWanted = false
    this.#options.listener.room()
  }

  // Frames

  #openFrame(payloadBytes: number): void {
    this.#builder.open(payloadBytes, this.appendedLsn + 1)
    this.#place = this.#fileNext - this.#builder.start
    this.#setLimits()
  }

  #setLimits(): void {
    if (!this.#builder.isOpen) return
    const fileEnd = alignDown(this.#file.bytes - markFrameBytes) - this.#place
    this.#builder.limit(fileEnd, Math.max(0, this.#reserveBytes - this.#readyFreeBytes(0)))
  }

  #appendOwn(write: (buffer: Buffer, at: number) => number): void {
    const builder = this.#builder
    const at = builder.at + lengthBytes
    const end = write(builder.buffer, at)
    builder.buffer.writeUInt32LE(end - at, builder.at)
    builder.at = end
    builder.count++
    this.appendedLsn++
  }

  #closeFrame(kind: Frame['kind']): void {
    const frame = this.#builder.close(kind, this.#file, this.#fileNext)
    if (frame === undefined) return
    this.#fileNext += frame.bytes
    this.#flight.add(frame)
    if (kind !== 'mark' && this.#markTimer === undefined) this.#armMark()
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
    if (this.#failure === undefined && !this.#inGroup && !this.#flight.busy) this.#closeFrame('records')
  }

  // Progress

  #progress(): void {
    this.#dispatch()
    const { writtenLsn, syncedLsn } = this.#flight
    const { listener } = this.#options
    if (writtenLsn > this.#reportedWritten) {
      this.#reportedWritten = writtenLsn
      listener.written(writtenLsn)
      this.#writtenWaiters.reached(writtenLsn)
    }
    if (syncedLsn > this.#reportedSynced) {
      this.#reportedSynced = syncedLsn
      listener.synced(syncedLsn)
      this.#syncedWaiters.reached(syncedLsn)
    }
  }

  #frameSynced(frame: Frame): void {
    const { file } = frame
    if (frame.kind === 'seal') {
      file.sealed = true
      file.handle.close().catch((error: unknown) => this.#fail(error, file.name))
    } else if (frame.kind === 'head' && file.number !== this.#options.firstFileNumber) {
      this.#options.listener.rotated(file.number)
    }
  }

  /** Looks once in a while whether the log is idle, and then says in an empty frame what is synced. */
  #armMark(): void {
    if (this.#markAfterMs <= 0) return
    this.#framesAtMark = this.#flight.frames
    this.#markTimer = this.#options.clock.setTimer(this.#markAfterMs, () => {
      this.#markTimer = undefined
      if (this.#failure !== undefined || this.#closing !== undefined) return
      const idle = this.#flight.frames === this.#framesAtMark && this.#flight.idle && this.#builder.openBytes === 0
      if (!idle) this.#armMark()
      else if (this.#freeBytes() >= frameHeaderBytes) {
        this.#openFrame(0)
        this.#closeFrame('mark')
      }
    })
  }

  #fail(error: unknown, where: string): void {
    if (this.#failure !== undefined) return
    const text = error instanceof Error ? error.message : String(error)
    const failure = refuse('HW_DISK_FAILED', `the log failed at ${where}: ${text}`, {
      details: { file: where },
      cause: error,
    })
    this.#failure = failure
    this.#flight.poison()
    this.#clearMark()
    this.#ready?.()
    this.#options.listener.failed(failure)
    this.#writtenWaiters.rejectAll(unknownOutcome(failure))
    this.#syncedWaiters.rejectAll(unknownOutcome(failure))
  }

  #clearMark(): void {
    if (this.#markTimer !== undefined) this.#options.clock.clearTimer(this.#markTimer)
    this.#markTimer = undefined
  }

  // Life

  async #open(): Promise<void> {
    const head = this.#options.headRecord()
    this.#headFrameBytes = frameBytesOf(lengthBytes + head.length)
    this.#files.want(this.#fileBytesFor(2 * this.#reserveBytes))
    await new Promise<void>((resolve) => (this.#ready = resolve))
    this.#ready = undefined
    if (this.#files.ready.length === 0) {
      await this.#files.stop()
      if (this.#failure !== undefined) throw this.#failure
      throw refuse('HW_DISK_FULL', 'no space for a log file', { cause: this.#files.fullError })
    }
    const file = this.#files.take()
    file.link = this.#options.link ?? 0
    this.#use(file, undefined, head)
    await this.whenSynced(this.appendedLsn)
  }

  async #close(): Promise<void> {
    this.#clearMark()
    this.#closeFrame('records')
    await this.#files.stop()
    if (this.#failure === undefined) {
      this.#openFrame(markFrameBytes - frameHeaderBytes)
      this.#appendOwn((buffer, at) => writeClean(buffer, at, this.#options.clock.wallMs()))
      this.#closeFrame('clean')
      await this.whenSynced(this.appendedLsn).catch(() => undefined)
    }
    this.#flight.stop()
    this.#clearMark()
    if (this.#failure !== undefined) {
      const handles = [...this.#own.filter(({ sealed }) => !sealed), ...this.#files.ready].map(({ handle }) => handle)
      await Promise.allSettled(handles.map((handle) => handle.close()))
      throw this.#failure
    }
    this.#builder.endBlock()
    await this.#file.handle.close()
    await this.#files.removeUnused()
  }
}

function unknownOutcome(failure: HourwheelError): HourwheelError {
  return refuse('HW_OUTCOME_UNKNOWN', `the log failed before this was on disk: ${failure.message}`, { cause: failure })
}

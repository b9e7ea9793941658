/**
 * Takes closed frames to the disk, in order, and tells how far they are written and synced.
 *
 *     queued --issue--> writing --write returned--> written --a sync issued after its last write returned--> synced
 *
 * Invariants
 * - Write and sync of a frame are issued back to back; the calls of a file are carried out in order.
 * - A frame with a barrier is issued only when everything before it is synced: seals, clean marks, the first frame of a file.
 * - `written` and `synced` advance in frame order, whatever the order in which calls return.
 * - A short write is continued, and only a sync issued after its last part counts for it.
 * - The first failure is the last thing that happens: no call is made and nothing is reported after it.
 *
 * It does not build frames and does not choose their place.
 */

import { writeFully } from '../../platform/full-io.ts'
import type { Clock, TimerHandle } from '../../platform/ports.ts'
import { sealFrame } from './log-format.ts'
import type { LogFile } from './log-files.ts'

export interface Frame {
  readonly file: LogFile
  readonly fileAt: number
  readonly block: number
  readonly buffer: Buffer
  /** Of the header within the buffer. */
  readonly start: number
  readonly payloadBytes: number
  /** With padding. */
  readonly bytes: number
  readonly firstLsn: number
  readonly recordCount: number
  readonly kind: 'records' | 'head' | 'seal' | 'clean' | 'mark'
  /** The writer has moved on: the block is free of the log once this frame is written. */
  lastInBlock: boolean
  number: number
  /** The order of its last write call among all calls. */
  call: number
  written: boolean
  /** Holds back the dispatch of the next small frame. */
  outstanding: boolean
}

export interface FlightOptions {
  readonly clock: Clock
  readonly lazySyncMs: number
  /** Frames that may be being written at once; more wait in the queue. */
  readonly framesMax: number
  readonly listener: {
    /** Before the first frame of a file: sets its handle. */
    open(file: LogFile): Promise<void>
    /** Something was written or synced, or may now be issued. */
    progress(writtenLsn: number, syncedLsn: number): void
    synced(frame: Frame): void
    letGo(block: number): void
    failed(error: unknown, file: LogFile): void
  }
}

export class LogFlight {
  writtenLsn: number
  syncedLsn: number
  unsyncedBytes = 0
  frames = 0
  syncs = 0
  /** How long those took, together and at most. */
  syncMs = 0
  syncMsMax = 0
  failed = false
  readonly #options: FlightOptions
  readonly #queue: Frame[] = []
  readonly #issued: Frame[] = []
  /** How many of the issued frames, from the oldest on, are written. */
  #writtenCount = 0
  #outstanding = 0
  #calls = 0
  #syncIssued = 0
  #syncDone = 0
  #wantedLsn = 0
  #issuedLsn = 0
  #opening = false
  #lazyTimer: TimerHandle | undefined

  constructor(options: FlightOptions, lastLsn: number) {
    this.#options = options
    this.writtenLsn = lastLsn
    this.syncedLsn = lastLsn
    this.#issuedLsn = lastLsn
  }

  /** Whether a small frame had better wait and grow. */
  get busy(): boolean {
    return this.#outstanding > 0 || this.#queue.length > 0
  }

  /** Whether a write is under way; what is only waiting for its sync does not hold up another write. */
  get writing(): boolean {
    return this.#issued.length > this.#writtenCount || this.#queue.length > 0
  }

  get full(): boolean {
    return this.#outstanding >= this.#options.framesMax || this.#queue.length > 0
  }

  /** Everything handed over is synced. */
  get idle(): boolean {
    return this.#queue.length === 0 && this.#issued.length === 0
  }

  add(frame: Frame): void {
    this.unsyncedBytes += frame.bytes
    this.#queue.push(frame)
    this.#pump()
  }

  /** Someone waits for `lsn` to be synced. */
  want(lsn: number): void {
    if (lsn <= this.#wantedLsn) return
    this.#wantedLsn = lsn
    if (lsn <= this.#issuedLsn) this.#syncIfWanted()
  }

  /** Nothing is issued and nothing reported from now on. */
  poison(): void {
    this.failed = true
    this.stop()
  }

  stop(): void {
    if (this.#lazyTimer !== undefined) this.#options.clock.clearTimer(this.#lazyTimer)
    this.#lazyTimer = undefined
  }

  #pump(): void {
    while (this.#queue.length > 0 && !this.failed) {
      const frame = this.#queue[0]!
      if (isBarrier(frame)) {
        if (this.#issued.length > 0) {
          this.#wantedLsn = Math.max(this.#wantedLsn, this.#issuedLsn)
          this.#syncIfWanted()
          return
        }
        if (frame.file.handle === undefined) return this.#open(frame.file)
      } else if (this.#issued.length - this.#writtenCount >= this.#options.framesMax) return
      this.#queue.shift()
      this.#issue(frame)
    }
  }

  /** The head of a file is at the front of the queue, and waits for its file. */
  #open(file: LogFile): void {
    if (this.#opening) return
    this.#opening = true
    this.#options.listener.open(file).then(
      () => {
        this.#opening = false
        this.#pump()
      },
      (error: unknown) => this.#fail(error, file),
    )
  }

  #issue(frame: Frame): void {
    const { file, buffer, start } = frame
    const handle = file.handle!
    frame.number = ++file.lastFrame
    const first = frame.number === 1
    file.lastCrc = sealFrame(buffer, start, file.seed, {
      payloadBytes: frame.payloadBytes,
      frameNumber: frame.number,
      syncedFrame: file.syncedFrame,
      firstLsn: frame.firstLsn,
      recordCount: frame.recordCount,
      previousCrc: file.lastCrc,
      wallMs: this.#options.clock.wallMs(),
      link: first ? (file.previous?.lastCrc ?? file.link) : 0,
    })
    if (first) file.previous = undefined
    this.#issued.push(frame)
    this.#issuedLsn = frame.firstLsn + frame.recordCount - 1
    this.frames++
    frame.call = ++this.#calls
    frame.outstanding = true
    this.#outstanding++
    const bytes = buffer.subarray(start, start + frame.bytes)
    handle.write(bytes, frame.fileAt).then(
      (count) => {
        if (count === bytes.length) this.#wrote(frame)
        else this.#continue(frame, bytes, count)
      },
      (error: unknown) => this.#fail(error, file),
    )
    // While a sync is under way the next one is left to its return: one serves all that was written meanwhile.
    if (!this.#isWanted(frame)) this.#syncLater()
    else if (isBarrier(frame) || this.#syncIssued === this.#syncDone) this.#sync(file)
  }

  /** The rest of a short write. The sync issued with the first part does not count, since `call` moves on. */
  #continue(frame: Frame, bytes: Buffer, count: number): void {
    if (this.failed) return
    if (count <= 0) {
      this.#fail(Object.assign(new Error('write made no progress'), { code: 'EIO' }), frame.file)
      return
    }
    frame.call = Infinity
    writeFully(frame.file.handle!, bytes.subarray(count), frame.fileAt + count).then(
      () => {
        frame.call = ++this.#calls
        this.#wrote(frame)
      },
      (error: unknown) => this.#fail(error, frame.file),
    )
  }

  #wrote(frame: Frame): void {
    if (this.failed) return
    frame.written = true
    if (!this.#isWanted(frame)) this.#land(frame)
    while (this.#writtenCount < this.#issued.length) {
      const next = this.#issued[this.#writtenCount]!
      if (!next.written) break
      this.#writtenCount++
      this.writtenLsn = next.firstLsn + next.recordCount - 1
      if (next.lastInBlock) this.#options.listener.letGo(next.block)
    }
    this.#advance()
  }

  #sync(file: LogFile): void {
    const call = ++this.#calls
    this.#syncIssued = call
    const { clock } = this.#options
    const startedMs = clock.monotonicMs()
    file.handle!.sync().then(
      () => {
        if (this.failed) return
        const tookMs = clock.monotonicMs() - startedMs
        this.syncs++
        this.syncMs += tookMs
        if (tookMs > this.syncMsMax) this.syncMsMax = tookMs
        if (call > this.#syncDone) this.#syncDone = call
        this.#advance()
      },
      (error: unknown) => this.#fail(error, file),
    )
  }

  #advance(): void {
    let count = 0
    while (count < this.#writtenCount && this.#issued[count]!.call < this.#syncDone) {
      const frame = this.#issued[count]!
      count++
      frame.file.syncedFrame = frame.number
      this.syncedLsn = frame.firstLsn + frame.recordCount - 1
      this.unsyncedBytes -= frame.bytes
      this.#land(frame)
      this.#options.listener.synced(frame)
    }
    if (count > 0) {
      this.#issued.splice(0, count)
      this.#writtenCount -= count
    }
    this.#pump()
    this.#options.listener.progress(this.writtenLsn, this.syncedLsn)
    this.#syncIfWanted()
  }

  #land(frame: Frame): void {
    if (!frame.outstanding) return
    frame.outstanding = false
    this.#outstanding--
  }

  #isWanted(frame: Frame): boolean {
    return isBarrier(frame) || frame.kind === 'mark' || frame.firstLsn <= this.#wantedLsn
  }

  /** Issues a sync when a written frame waits for one and none is under way that covers it. */
  #syncIfWanted(): void {
    if (this.failed) return
    for (let index = this.#writtenCount - 1; index >= 0; index--) {
      const frame = this.#issued[index]!
      if (this.#isWanted(frame) && frame.call > this.#syncIssued) this.#sync(frame.file)
    }
  }

  #syncLater(): void {
    if (this.#lazyTimer !== undefined) return
    this.#lazyTimer = this.#options.clock.setTimer(this.#options.lazySyncMs, () => {
      this.#lazyTimer = undefined
      if (!this.failed) this.want(this.#issuedLsn)
    })
  }

  #fail(error: unknown, file: LogFile): void {
    if (this.failed) return
    this.poison()
    this.#options.listener.failed(error, file)
  }
}

function isBarrier(frame: Frame): boolean {
  return frame.kind === 'seal' || frame.kind === 'clean' || frame.kind === 'head'
}

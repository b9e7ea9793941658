/**
 * Moves what an old log file still holds into segments, so that the file can go. One file at a time, the oldest first.
 *
 *   1 list     the file's records that are the newest version of a live task, or of a dead letter
 *   2 write    segments (in a worker thread) and a snapshot of the ledger, synced; directory synced
 *   3 wait     until every record that 1 and 2 have seen is synced, and the view of keys has what the log file says of them
 *   4 publish  the manifest: new segments in, dead segments and the log file out
 *   5 swap     rows of the listed versions let go of the log; older copies are marked superseded
 *   6 delete   the log file and retired segments
 *
 * A crash between any two steps replays to the same state: before 4 the old manifest and the log file count, and what was
 * written is nobody's; after 4 the new one.
 * Listing walks the rows in slices while traffic goes on: a version that ends or is replaced meanwhile only makes a copy
 * that does not count. Promotion does not run during 4 to 6 (`exclusive`).
 */

import type { Ledger } from '../model/ledger.ts'
import { limits } from '../model/limits.ts'
import { hourOf } from '../model/units.ts'
import { isDiskFull } from '../platform/passing-failures.ts'
import type { Platform } from '../platform/ports.ts'
import { parseLogFileName, segmentFileName, snapshotFileName, type SegmentMeta } from '../storage/file-meta.ts'
import { writeSnapshot } from '../storage/snapshot/snapshot.ts'
import type { KeyTable } from '../storage/keys/key-table.ts'
import type { Log, LogFileInfo } from '../storage/wal/log.ts'
import { listVersions, swapVersions } from './checkpoint-versions.ts'
import type { Exclusive } from './exclusive.ts'
import type { FileHolds } from './file-holds.ts'
import { encodeLedger, type Section } from './ledger-sections.ts'
import { walCellOf, type LogBodies } from './log-bodies.ts'
import { listedLog, type Publication } from './publication.ts'
import type { Recorder } from './recorder.ts'
import { SegmentJob } from './segment-job.ts'
import type { SegmentSet } from './segment-set.ts'
import { SpaceReserve } from './space-reserve.ts'
import type { Tiers } from './tiers.ts'
import { Turn } from './turn.ts'

/** So many sealed log files beyond those that are kept may be left at a stop; what else there is may take so long. */
const filesPiledMax = 6
const catchUpMsMax = 5_000
const catchUpLookMs = 20
/** How long a checkpoint that found the disk full waits before it tries again. */
const fullDiskPauseMs = 1_000

export interface CheckpointerParts {
  readonly platform: Platform
  readonly directory: string
  readonly openCount: number
  readonly tiers: Tiers
  readonly ledger: Ledger
  readonly recorder: Recorder
  readonly log: Log
  readonly bodies: LogBodies
  readonly segments: SegmentSet
  readonly exclusive: Exclusive
  readonly keys: KeyTable
  /** How many sealed files the log may hold before its oldest is checkpointed. */
  readonly sealedFilesMax: number
  /** What one checkpoint needs on a disk that is full. */
  readonly reserveBytes: number
  readonly publication: Publication
  readonly holds: FileHolds
  /** Largest wall clock seen, to be persisted. */
  clockMs(): number
  /** Hours are not retired by a clock that is not trusted. */
  mayRetire(): boolean
  failed(error: unknown): void
  /** A log file went, or none will for now: calls that wait for room are to be tried again. */
  mayFit(): void
  /** There are other segments now. */
  checkpointed(): void
}

export class Checkpointer {
  readonly #parts: CheckpointerParts
  #running: Promise<void> | undefined
  #stopped = false
  /** From here on what was written may be live: a failure is final. */
  #publishing = false
  readonly #publishes = (): void => {
    this.#publishing = true
  }
  /** The last try found no room on the disk. */
  diskFull = false
  count = 0
  readonly #reserve: SpaceReserve
  #reserving: Promise<void> = Promise.resolve()

  constructor(parts: CheckpointerParts) {
    this.#parts = parts
    const { disk, clock } = parts.platform
    this.#reserve = new SpaceReserve(disk, clock, parts.directory, parts.reserveBytes)
  }

  /** Runs until no more sealed files are kept than allowed. */
  poke(): void {
    if (this.#stopped || this.#running !== undefined || this.#oldest(this.#parts.sealedFilesMax) === undefined) return
    this.#running = this.#run(this.#parts.sealedFilesMax)
      .catch((error: unknown) => {
        if (!this.#stopped) this.#parts.failed(error)
      })
      .finally(() => {
        this.#running = undefined
      })
  }

  /**
   * Before a stop: engines that are open only briefly give each of their checkpoints up, so when very many log files have piled up
   * some are made now, as far as time and disk allow. Does not fail.
   */
  async catchUp(): Promise<void> {
    const { clock } = this.#parts.platform
    const untilMs = clock.monotonicMs() + catchUpMsMax
    const filesMax = this.#parts.sealedFilesMax + filesPiledMax
    this.poke()
    while (this.#running !== undefined && this.#oldest(filesMax) !== undefined) {
      if (this.diskFull || clock.monotonicMs() >= untilMs) return
      await this.#pause(catchUpLookMs)
    }
  }

  /** Sets space aside for a checkpoint on a full disk. */
  start(): void {
    this.#reserving = this.#reserve.hold()
    this.poke()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
    await this.#reserving
    await this.#reserve.release().catch(() => undefined)
  }

  async #run(sealedFilesMax: number): Promise<void> {
    for (;;) {
      const oldest = this.#oldest(sealedFilesMax)
      if (oldest === undefined || this.#stopped) return
      const job = new SegmentJob(this.#parts.platform, this.#parts.publication)
      try {
        await this.#checkpoint(oldest, job)
        this.diskFull = false
        await this.#reserve.hold()
      } catch (error) {
        if (this.#publishing || !isDiskFull(error)) throw error
        this.diskFull = true
        this.#parts.mayFit()
        await job.discard(this.#parts.directory)
        if (!(await this.#reserve.release())) await this.#pause(fullDiskPauseMs)
      }
    }
  }

  /** An engine that stops lets go of its segments: a manifest that is made after that would be without them. */
  #assertRunning(): void {
    if (this.#stopped) throw new Error('the engine stops, so this checkpoint is given up; nothing is lost by it')
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#parts.platform.clock.setTimer(ms, resolve))
  }

  #oldest(sealedFilesMax: number): LogFileInfo | undefined {
    const sealed = this.#parts.log.files().filter((file) => file.sealed)
    return sealed.length > sealedFilesMax ? sealed[0] : undefined
  }

  async #checkpoint(file: LogFileInfo, job: SegmentJob): Promise<void> {
    const { platform, directory, openCount, log, segments, exclusive, recorder, ledger, keys, publication, holds } =
      this.#parts
    const lsn = log.appendedLsn
    if (this.#parts.mayRetire()) this.#retireHours()
    const listed = await listVersions(this.#parts, file)
    const input = {
      directory,
      openCount,
      logFile: { name: file.name, number: file.number, openCount: openCountOf(file.name), fileId: file.fileId },
      offsets: Uint32Array.from(listed.offsets),
      nowHour: hourOf(platform.clock.wallMs()),
    }
    const written = listed.offsets.length === 0 ? [] : await job.run('checkpoint', input)
    const turn = new Turn(platform.clock)
    const snapshot = await writeSnapshot(
      platform.disk,
      platform.random,
      { directory, number: job.reserve(1), openCount },
      yielding(encodeLedger(ledger), turn),
    )
    await platform.disk.syncDirectory(directory)
    await keys.flushThrough(lsn)
    await exclusive.run(async () => {
      const retired = this.#retirable()
      await log.whenSynced(log.appendedLsn)
      this.#assertRunning()
      const before = publication.manifest
      const isRetired = ({ number }: SegmentMeta): boolean => retired.includes(number)
      await publication.publish(
        {
          clockMs: this.#parts.clockMs(),
          wal: log
            .files()
            .filter((live) => live.number > file.number)
            .map(listedLog),
          segments: [...before.segments.filter((meta) => !isRetired(meta)), ...written],
          snapshot,
          keyed: keys.inUse,
        },
        this.#publishes,
      )
      for (const meta of written) await segments.open(meta)
      await swapVersions(this.#parts, file, listed)
      // One that was redriven and died again meanwhile is in a later file.
      for (const id of listed.dead) {
        if (recorder.deadInLog.get(id)?.walCell === walCellOf(file.number)) recorder.deadInLog.delete(id)
      }
      for (const number of retired) await segments.retire(number)
      this.#dropMarks()
      this.#publishing = false
      for (const meta of before.segments) {
        if (isRetired(meta)) await holds.remove(`${directory}/${segmentFileName(meta)}`)
      }
      if (before.snapshot !== undefined) {
        await holds.remove(`${directory}/${snapshotFileName(before.snapshot.number)}`)
      }
    })
    await this.#parts.bodies.forget(walCellOf(file.number))
    await holds.whenLogFree()
    await log.trim(file.number)
    this.count++
    this.#parts.mayFit()
    this.#parts.checkpointed()
  }

  /** Segments in which nothing can count any more: no hour of theirs has a live task, or no dead letter is in them. */
  #retirable(): number[] {
    const { segments, ledger } = this.#parts
    const liveHours = Float64Array.from(
      [...ledger.hours.values()].filter(({ live }) => live > 0),
      ({ hour }) => hour,
    ).sort()
    const deadLsns = Float64Array.from(ledger.dead.values(), ({ lsn }) => lsn).sort()
    return segments
      .metas()
      .filter((meta) =>
        meta.kind === 'tasks'
          ? !hasBetween(liveHours, meta.hourFrom, meta.hourTo)
          : !hasBetween(deadLsns, meta.lsnMin, meta.lsnMax),
      )
      .map((meta) => meta.number)
  }

  /** Marks of hours that no segment covers any more are of no use. */
  #dropMarks(): void {
    const { ledger, segments } = this.#parts
    for (const [id, mark] of ledger.superseded) {
      if (!segments.covers(mark.hour)) ledger.superseded.delete(id)
    }
  }

  /** Retires hours that are past and have nothing live; a record, so that replay does the same. */
  #retireHours(): void {
    const { ledger, recorder, platform } = this.#parts
    const oldest = hourOf(platform.clock.wallMs()) - limits.retireAfterHours
    let until = oldest
    for (const { hour, live } of ledger.hours.values()) {
      if (live > 0 && hour < until) until = hour
    }
    if (until > ledger.oldestHour) recorder.retire(until)
  }
}

/** Whether any of the ascending values lies within from..to. */
function hasBetween(values: Float64Array, from: number, to: number): boolean {
  let low = 0
  let high = values.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (values[middle]! < from) low = middle + 1
    else high = middle
  }
  return low < values.length && values[low]! <= to
}

/** A log file's name says in which opening it was begun. */
function openCountOf(name: string): number {
  return parseLogFileName(name)!.openCount
}

async function* yielding(sections: Iterable<Section>, turn: Turn): AsyncGenerator<Section> {
  for (const section of sections) {
    if (turn.isOver()) await turn.next()
    yield section
  }
}

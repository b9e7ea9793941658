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
import { hourOf } from '../model/units.ts'
import type { Platform } from '../platform/ports.ts'
import { segmentFileName, snapshotFileName, type SegmentMeta } from '../storage/file-meta.ts'
import { publishManifest, type Manifest } from '../storage/manifest/manifest.ts'
import { writeSnapshot } from '../storage/snapshot/snapshot.ts'
import { parseLogFileName } from '../storage/wal/log-format.ts'
import type { KeyTable } from '../storage/keys/key-table.ts'
import type { Log, LogFileInfo } from '../storage/wal/log.ts'
import type { CheckpointInput, CheckpointOutput } from './checkpoint-job.ts'
import { listVersions, swapVersions } from './checkpoint-versions.ts'
import type { Exclusive } from './exclusive.ts'
import type { MergeInput } from './merge-job.ts'
import { filesToMerge } from './merging.ts'
import { encodeLedger, type Section } from './ledger-sections.ts'
import { walCellOf, type LogBodies } from './log-bodies.ts'
import type { Recorder } from './recorder.ts'
import type { SegmentSet } from './segment-set.ts'
import { isDiskFull, SpaceReserve } from './space-reserve.ts'
import type { Tiers } from './tiers.ts'
import { Turn } from './turn.ts'

/** Hours are retired once they are this far in the past and nothing live is filed under them. */
const retireAfterHours = 24

/** A checkpoint writes at most 32 files of tasks and one of dead letters. */
const filesPerCheckpointMax = 64
const jobTriesMax = 3
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
  readonly manifest: Manifest
  /** Largest wall clock seen, to be persisted. */
  clockMs(): number
  /** Hours are not retired by a clock that is not trusted. */
  mayRetire(): boolean
  failed(error: unknown): void
  /** A log file went, or none will for now: calls that wait for room are to be tried again. */
  mayFit(): void
}

/** What a job wrote, and the next free file number. */
interface Written {
  readonly segments: readonly SegmentMeta[]
  readonly nextNumber: number
}

export class Checkpointer {
  readonly #parts: CheckpointerParts
  manifest: Manifest
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
  mergeCount = 0
  /** Segments with damage, which no merge touches. */
  readonly #reserve: SpaceReserve
  #reserving: Promise<void> = Promise.resolve()
  readonly #unmergeable: Set<number> = new Set()

  constructor(parts: CheckpointerParts) {
    this.#parts = parts
    this.manifest = parts.manifest
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

  /** Checkpoints until at most `sealedFilesMax` sealed files are left. */
  async runUntil(sealedFilesMax: number): Promise<void> {
    while (this.#running !== undefined) await this.#running
    await this.#run(sealedFilesMax)
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
      try {
        await this.#checkpoint(oldest)
        this.diskFull = false
        await this.#mergeIfMany()
        await this.#reserve.hold()
      } catch (error) {
        if (this.#publishing || !isDiskFull(error)) throw error
        this.diskFull = true
        this.#parts.mayFit()
        await this.#discardWritten()
        if (!(await this.#reserve.release())) await this.#pause()
      }
    }
  }

  /** What a checkpoint wrote before the disk was full is nobody's: it goes, to make room for the next try. */
  async #discardWritten(): Promise<void> {
    const { platform, directory } = this.#parts
    for (const name of await platform.disk.list(directory)) {
      const number = /^(?:seg|dead|snap)-(\d+)\.(?:seg|snap)(?:\.tmp)?$/u.exec(name)?.[1]
      if (number !== undefined && Number(number) >= this.manifest.nextFileNumber) {
        await platform.disk.remove(`${directory}/${name}`)
      }
    }
  }

  /** An engine that stops lets go of its segments: a manifest that is made after that would be without them. */
  #assertRunning(): void {
    if (this.#stopped) throw new Error('the engine stops, so this checkpoint is given up; nothing is lost by it')
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#parts.platform.clock.setTimer(fullDiskPauseMs, resolve))
  }

  #oldest(sealedFilesMax: number): LogFileInfo | undefined {
    const sealed = this.#parts.log.files().filter((file) => file.sealed)
    return sealed.length > sealedFilesMax ? sealed[0] : undefined
  }

  async #checkpoint(file: LogFileInfo): Promise<void> {
    const { platform, directory, openCount, log, segments, exclusive, recorder, ledger, keys } = this.#parts
    const lsn = log.appendedLsn
    if (this.#parts.mayRetire()) this.#retireHours()
    const listed = await listVersions(this.#parts, file)
    const manifest = this.manifest
    const input: CheckpointInput = {
      directory,
      openCount,
      logFile: { name: file.name, number: file.number, openCount: openCountOf(file.name), fileId: file.fileId },
      offsets: Uint32Array.from(listed.offsets),
      nowHour: hourOf(platform.clock.wallMs()),
      firstNumber: manifest.nextFileNumber,
    }
    const written =
      listed.offsets.length === 0
        ? { segments: [], nextNumber: manifest.nextFileNumber }
        : await this.#write('checkpoint', input)
    const snapshotNumber = written.nextNumber
    const turn = new Turn(platform.clock)
    const snapshot = await writeSnapshot(
      platform.disk,
      platform.random,
      { directory, number: snapshotNumber, openCount },
      yielding(encodeLedger(ledger), turn),
    )
    await platform.disk.syncDirectory(directory)
    await keys.flushThrough(lsn)
    await exclusive.run(async () => {
      const retired = this.#retirable()
      await log.whenSynced(log.appendedLsn)
      this.#assertRunning()
      const next: Manifest = {
        ...manifest,
        number: manifest.number + 1,
        clockMs: this.#parts.clockMs(),
        wal: log
          .files()
          .filter((live) => live.number > file.number)
          .map(({ number, name, fileId, firstLsn, sealed }) => ({ number, name, fileId, firstLsn, sealed })),
        segments: [...segments.metas().filter((meta) => !retired.includes(meta.number)), ...written.segments],
        snapshot,
        nextFileNumber: snapshotNumber + 1,
        keyed: keys.inUse,
      }
      await publishManifest(platform.disk, directory, next, this.#publishes)
      this.manifest = next
      for (const meta of written.segments) await segments.open(meta)
      await swapVersions(this.#parts, file, listed)
      // One that was redriven and died again meanwhile is in a later file.
      for (const id of listed.dead) {
        if (recorder.deadInLog.get(id)?.walCell === walCellOf(file.number)) recorder.deadInLog.delete(id)
      }
      for (const number of retired) await segments.retire(number)
      this.#dropMarks()
      this.#publishing = false
    })
    await this.#parts.bodies.forget(walCellOf(file.number))
    await log.trim(file.number)
    const kept = new Set(this.manifest.segments.map((meta) => meta.number))
    for (const meta of manifest.segments) {
      if (!kept.has(meta.number)) await platform.disk.remove(`${directory}/${segmentFileName(meta)}`)
    }
    if (manifest.snapshot !== undefined)
      await platform.disk.remove(`${directory}/${snapshotFileName(manifest.snapshot.number)}`)
    this.count++
    this.#parts.mayFit()
  }

  /**
   * Merges segments when very many cover the same hours, or most of what they hold no longer counts. The same order as for a
   * checkpoint: what is dropped was ended, moved or superseded by records that are synced before the manifest is published.
   */
  async #mergeIfMany(): Promise<void> {
    const { platform, directory, openCount, log, segments, exclusive, ledger } = this.#parts
    const nowHour = hourOf(platform.clock.wallMs())
    const metas = filesToMerge(segments.metas(), nowHour, (from, to) => liveBetween(ledger, from, to))
    if (metas === undefined || metas.some(({ number }) => this.#unmergeable.has(number))) return
    const { manifest } = this
    const input: MergeInput = {
      directory,
      openCount,
      metas,
      ledger: [...encodeLedger(ledger)],
      oldestHour: ledger.oldestHour,
      nowHour,
      firstNumber: manifest.nextFileNumber,
    }
    const lsn = log.appendedLsn
    let written: Written
    try {
      written = await this.#write('merge', input)
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'HW_CORRUPT') throw error
      // Damage is settled where it is read for promotion: such files are left as they are.
      for (const { number } of metas) this.#unmergeable.add(number)
      return
    }
    await platform.disk.syncDirectory(directory)
    const merged = new Set(metas.map(({ number }) => number))
    await exclusive.run(async () => {
      await log.whenSynced(lsn)
      this.#assertRunning()
      const next: Manifest = {
        ...manifest,
        number: manifest.number + 1,
        segments: [...manifest.segments.filter(({ number }) => !merged.has(number)), ...written.segments],
        nextFileNumber: written.nextNumber,
      }
      await publishManifest(platform.disk, directory, next, this.#publishes)
      this.manifest = next
      for (const meta of written.segments) await segments.open(meta)
      for (const number of merged) await segments.retire(number)
      this.#publishing = false
    })
    for (const meta of metas) await platform.disk.remove(`${directory}/${segmentFileName(meta)}`)
    this.mergeCount++
  }

  /** Runs a job; when its thread dies (out of memory, say) again with other file numbers: what it left is nobody's. */
  async #write(job: 'checkpoint' | 'merge', input: CheckpointInput | MergeInput): Promise<Written> {
    for (let tries = 1; ; tries++) {
      const firstNumber = input.firstNumber + (tries - 1) * filesPerCheckpointMax
      try {
        const output = (await this.#parts.platform.threads.run(job, { ...input, firstNumber })) as CheckpointOutput
        return { segments: output.segments, nextNumber: firstNumber + output.segments.length }
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'THREAD_DIED' || tries === jobTriesMax) throw error
      }
    }
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
    const oldest = hourOf(platform.clock.wallMs()) - retireAfterHours
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

function liveBetween(ledger: Ledger, hourFrom: number, hourTo: number): number {
  let live = 0
  for (const hour of ledger.hours.values()) if (hour.hour >= hourFrom && hour.hour <= hourTo) live += hour.live
  return live
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

/**
 * Verifies a directory that no engine has open, and changes nothing: every checksum of every file, every cross-reference,
 * conservation, and that counters and calendar are those of a full scan. Memory is bounded by the log and the snapshot, not
 * by the number of tasks.
 */

import { HourwheelError, refuse } from '../model/errors.ts'
import { counter, Ledger } from '../model/ledger.ts'
import { packId } from '../model/ids.ts'
import { decodeRecord } from '../model/records.ts'
import { conservationHolds } from '../model/stats.ts'
import { hourMs } from '../model/units.ts'
import type { Platform } from '../platform/ports.ts'
import { segmentFileName, type SegmentMeta } from '../storage/file-meta.ts'
import { checkListing, loadManifest } from '../storage/manifest/manifest.ts'
import { readAheadDisk } from '../storage/read-ahead-disk.ts'
import { verifySegment } from '../storage/segments/segment-verify.ts'
import { readSnapshot } from '../storage/snapshot/snapshot.ts'
import { inspectLog } from '../storage/wal/wal-recovery.ts'
import { BlockStore } from '../wheel/block-store.ts'
import { RowIndex } from '../wheel/row-index.ts'
import { tier, TaskTable } from '../wheel/task-table.ts'
import { TimingWheel } from '../wheel/timing-wheel.ts'
import { lockForReading } from './reading-lock.ts'
import { decodeLedger } from './ledger-sections.ts'
import { defaultQueueSettings } from './options.ts'
import { QueueRuntime } from './queue-runtime.ts'
import { replay, type ReplayState } from './replay.ts'
import { Tiers } from './tiers.ts'

export interface Problem {
  readonly file: string
  readonly offset: number
  readonly what: string
  /** Tasks that are lost with it, where that is known. */
  readonly tasks: number
}

export interface Verification {
  /** No problem was found. */
  readonly sound: boolean
  readonly problems: readonly Problem[]
  readonly files: number
  /** Live tasks, found by a full scan. */
  readonly tasks: number
  readonly deadLetters: number
  /** Live tasks whose fire time is not after `dueAt`. */
  readonly due: number
  readonly records: number
  readonly tornTail?: { readonly file: string; readonly offset: number; readonly bytes: number } | undefined
}

/** The file that is being read, and how many bytes are done of how many. */
export type VerifyProgress = (file: string, bytesDone: number, bytesTotal: number) => void

/** Rejects only when the directory cannot be used at all: it is not there, locked, or not hourwheel's. */
export async function verifyDirectory(
  platform: Platform,
  directory: string,
  progress: VerifyProgress = () => undefined,
  dueAt: number = platform.clock.wallMs(),
): Promise<Verification> {
  const lock = await lockForReading(platform, directory)
  try {
    return await new Verifier(platform, directory, progress, dueAt).run()
  } finally {
    await lock?.release()
  }
}

class Verifier {
  readonly #platform: Platform
  readonly #directory: string
  readonly #progress: VerifyProgress
  readonly #problems: Problem[] = []
  readonly #ledger = new Ledger(0)
  readonly #tiers: Tiers
  /** Live tasks found, by queue and by hour. */
  readonly #byQueue: Map<number, number> = new Map()
  readonly #byHour: Map<number, number> = new Map()
  #tasks = 0
  #due = 0
  readonly #dueAt: number

  constructor(platform: Platform, directory: string, progress: VerifyProgress, dueAt: number) {
    this.#platform = platform
    this.#directory = directory
    this.#progress = progress
    this.#dueAt = dueAt
    const table = new TaskTable()
    this.#tiers = new Tiers({
      table,
      index: new RowIndex(),
      wheel: new TimingWheel(table, 0),
      blocks: new BlockStore(),
      ledger: this.#ledger,
      limits: { nearBytesMax: Infinity },
      now: () => 0,
      relieve: () => undefined,
    })
  }

  async run(): Promise<Verification> {
    const { disk } = this.#platform
    const directory = this.#directory
    const state = this.#replayState()
    let files = 1
    let records = 0
    let tornTail: Verification['tornTail']
    try {
      this.#progress('MANIFEST', 0, 1)
      const manifest = await loadManifest(disk, directory)
      if (manifest === undefined) {
        throw refuse('HW_CORRUPT', 'MANIFEST is missing', { details: { file: 'MANIFEST', offset: 0 } })
      }
      checkListing(manifest, await disk.list(directory))
      if (manifest.snapshot !== undefined) {
        files++
        decodeLedger(this.#ledger, await readSnapshot(disk, directory, manifest.snapshot))
      }
      const logBytes = await this.#bytesOf(manifest.wal.map(({ name }) => name))
      const bytesTotal = manifest.segments.reduce((sum, { bytes }) => sum + bytes, logBytes)
      let bytesDone = 0
      this.#progress('the log', bytesDone, bytesTotal)
      const log = await inspectLog({
        disk,
        directory,
        knownOpenCount: manifest.openCount,
        known: manifest.wal,
        openCount: manifest.openCount + 1,
        onRecord: (fileNumber, bytes, at, end, lsn, offset) => {
          replay(state, decodeRecord(bytes, at, end), lsn, fileNumber, offset)
        },
      })
      files += log.files
      records = log.records
      tornTail = log.tornTail
      bytesDone += logBytes
      this.#countRows()
      const deadLeft = new Set(this.#ledger.dead.keys())
      for (const id of state.deadInLog.keys()) deadLeft.delete(id)
      for (const meta of manifest.segments) {
        files++
        this.#progress(segmentFileName(meta), bytesDone, bytesTotal)
        await this.#verifySegment(meta, deadLeft)
        bytesDone += meta.bytes
      }
      if (deadLeft.size > 0) this.#problem('the dead letters', `${deadLeft.size} are listed, but in no file`)
      this.#compare()
    } catch (error) {
      this.#take(error)
    }
    return {
      sound: this.#problems.length === 0,
      problems: this.#problems,
      files,
      tasks: this.#tasks,
      due: this.#due,
      deadLetters: this.#ledger.dead.size,
      records,
      tornTail,
    }
  }

  async #bytesOf(names: readonly string[]): Promise<number> {
    let bytes = 0
    for (const name of names) bytes += (await this.#platform.disk.stat(`${this.#directory}/${name}`))?.bytes ?? 0
    return bytes
  }

  /** Damage in one segment does not keep the others from being verified. */
  async #verifySegment(meta: SegmentMeta, deadLeft: Set<number>): Promise<void> {
    try {
      const { damage } = await verifySegment(readAheadDisk(this.#platform.disk), this.#directory, meta, (entry) => {
        const { homeHour, ordinal, placeHour, lsn, queue } = entry
        if (meta.kind === 'dead') {
          const id = packId(homeHour, ordinal)
          if (this.#ledger.dead.get(id)?.lsn === lsn) deadLeft.delete(id)
        } else if (
          this.#tiers.rowOf(homeHour, ordinal) < 0 &&
          this.#ledger.copyCounts(homeHour, ordinal, placeHour, lsn)
        ) {
          this.#count(queue, placeHour, entry.fireAt)
        }
      })
      for (const { file, offset, count, part } of damage) {
        this.#problems.push({ file, offset, what: `a damaged ${part}`, tasks: count })
      }
    } catch (error) {
      this.#take(error)
    }
  }

  #replayState(): ReplayState {
    const { table } = this.#tiers
    return {
      ledger: this.#ledger,
      tiers: this.#tiers,
      deadInLog: new Map(),
      queueKnown: (number) => {
        this.#tiers.queues[number] ??= new QueueRuntime(this.#ledger.queue(number), table, defaultQueueSettings)
      },
      started: false,
      clockMs: 0,
    }
  }

  #countRows(): void {
    const { table } = this.#tiers
    for (let row = 0; row < table.capacity; row++) {
      if (table.tier[row] !== tier.free) this.#count(table.queue[row]!, table.placeHour[row]!, table.fireAt[row]!)
    }
  }

  #count(queue: number, hour: number, fireAt: number): void {
    this.#tasks++
    if (fireAt <= this.#dueAt) this.#due++
    this.#byQueue.set(queue, (this.#byQueue.get(queue) ?? 0) + 1)
    this.#byHour.set(hour, (this.#byHour.get(hour) ?? 0) + 1)
  }

  /** Counters and calendar against what was found. */
  #compare(): void {
    for (const queue of this.#ledger.queues) {
      if (queue === undefined) continue
      const { counters, name, number } = queue
      if (!conservationHolds(counters)) this.#problem('the counters', `those of queue '${name}' do not add up`)
      const live = counters[counter.pending]! + counters[counter.leased]!
      const found = this.#byQueue.get(number) ?? 0
      if (live !== found) {
        this.#problem('the counters', `queue '${name}' should have ${live} live tasks; ${found} were found`)
      }
    }
    for (const { hour, live } of this.#ledger.hours.values()) {
      const found = this.#byHour.get(hour) ?? 0
      if (live !== found) {
        const name = String(hour * hourMs)
        this.#problem('the calendar', `the hour from ${name} should have ${live} live tasks; ${found} were found`)
      }
    }
  }

  #problem(file: string, what: string): void {
    this.#problems.push({ file, offset: 0, what, tasks: 0 })
  }

  #take(error: unknown): void {
    if (!(error instanceof HourwheelError)) {
      this.#problem('the directory', error instanceof Error ? error.message : String(error))
      return
    }
    const { file = 'the directory', offset = 0, tasks = 0 } = error.details
    this.#problems.push({ file: String(file), offset: Number(offset), what: error.message, tasks: Number(tasks) })
  }
}

/**
 * Goes through all copies of all tasks, and decides which one of each counts.
 *
 * With manifest and snapshot that is what the ledger says. Without, it is told from the copies themselves: the newest one counts
 * unless the log says that the task has ended. A task that had ended before may come back by that: then more are found than
 * the counters say, which the report tells.
 */

import { packId } from '../../model/ids.ts'
import type { Disk } from '../../platform/ports.ts'
import { recordKind } from '../../model/record-shapes.ts'
import { readBody } from '../../model/records.ts'
import type { CursorEntry } from '../../storage/segments/segment-cursor.ts'
import { scanSegment } from '../../storage/segments/segment-scan.ts'
import type { Loss, SurveyedLog } from '../inspect/findings.ts'
import { IdMap } from '../inspect/id-map.ts'
import { eachRecord, nameQueue } from '../inspect/log-survey.ts'
import type { Survey, SurveyedSegment } from '../inspect/survey.ts'
import { keyIn } from '../key-holders.ts'
import { FoundTasks } from './found-tasks.ts'

/** What becomes of a segment: it stays as it is, what counts of it is written anew, or nothing in it counts. */
export interface SiftedSegment {
  readonly segment: SurveyedSegment
  readonly fate: 'stays' | 'written anew' | 'dropped'
  /** Tasks whose copy here is one too many. */
  readonly skips: ReadonlySet<number>
}

/** A log file with records that count. */
export interface SiftedLog {
  readonly log: SurveyedLog
  readonly count: number
}

export interface Sifted {
  readonly found: FoundTasks
  readonly segments: readonly SiftedSegment[]
  readonly logs: readonly SiftedLog[]
  readonly losses: readonly Loss[]
  /** Ids with more than one copy in segments that stay, of which only the newest counts: id -> its LSN. */
  readonly several: IdMap
  /** Whether a copy in a segment is one that counts. */
  counts(entry: CursorEntry): boolean
}

export type OnSifting = (file: string, index: number, count: number) => void

export async function sift(disk: Disk, directory: string, survey: Survey, progress: OnSifting): Promise<Sifted> {
  return new Sifting(disk, directory, survey, progress).run()
}

class Sifting {
  readonly #disk: Disk
  readonly #directory: string
  readonly #survey: Survey
  readonly #progress: OnSifting
  readonly #found = new FoundTasks()
  /** Which copies count cannot be told without having seen all of them. */
  readonly #needsNewest: boolean
  readonly #newest = new IdMap()
  readonly #newestDead = new IdMap()
  readonly #several = new IdMap()
  readonly #losses: Loss[] = []

  constructor(disk: Disk, directory: string, survey: Survey, progress: OnSifting) {
    this.#disk = disk
    this.#directory = directory
    this.#survey = survey
    this.#progress = progress
    this.#needsNewest = survey.manifest === undefined || !survey.knowsWhatCounts
  }

  async run(): Promise<Sifted> {
    const present = this.#survey.segments.filter(({ isMissing }) => !isMissing)
    if (this.#needsNewest) {
      for (const [index, segment] of present.entries()) {
        this.#progress(segment.fileName, index, present.length)
        await this.#scan(segment, (entry) => this.#compare(entry))
      }
    }
    const logs: SiftedLog[] = []
    for (const log of this.#survey.logs) {
      const count = log.isMissing ? 0 : await this.#siftLog(log)
      if (count > 0) logs.push({ log, count })
    }
    const segments: SiftedSegment[] = []
    for (const [index, segment] of present.entries()) {
      this.#progress(segment.fileName, index, present.length)
      segments.push(await this.#siftSegment(segment))
    }
    const counts = (entry: CursorEntry): boolean => this.#counts(entry)
    return { found: this.#found, segments, logs, losses: this.#losses, several: this.#several, counts }
  }

  #scan(segment: SurveyedSegment, onEntry: (entry: CursorEntry) => void): ReturnType<typeof scanSegment> {
    return scanSegment(this.#disk, this.#directory, segment.name, segment.meta, (entry) => {
      onEntry(entry)
      return undefined
    })
  }

  async #siftLog({ name, fileId }: SurveyedLog): Promise<number> {
    const { inLog, deadInLog, ledger } = this.#survey
    let count = 0
    await eachRecord(this.#disk, this.#directory, name, fileId, {
      gap: () => undefined,
      record: (record, lsn, _offset, bytes, at) => {
        if (record === undefined || !carriesTask(bytes[at + 1]!)) return
        const body = readBody(bytes, at)
        const { homeHour, ordinal, queue, placeHour } = body
        const version = { homeHour, ordinal, queue, placeHour, lsn }
        nameQueue(ledger, queue)
        this.#found.see(version)
        const id = packId(homeHour, ordinal)
        const counts =
          record.kind === 'dead'
            ? deadInLog.get(id) === lsn && this.#found.addDead(version)
            : inLog.get(id) === lsn && this.#found.addLive(version)
        if (!counts) return
        count++
        if (body.key() !== undefined) this.#found.hasKeys = true
      },
    })
    return count
  }

  async #siftSegment(segment: SurveyedSegment): Promise<SiftedSegment> {
    let counting = 0
    let isTwice = false
    const skips = new Set<number>()
    const { isSound, entries, losses } = await this.#scan(segment, (entry) => {
      this.#found.see(entry)
      nameQueue(this.#survey.ledger, entry.queue)
      const id = packId(entry.homeHour, entry.ordinal)
      // The log's version is written into a segment of its own; what is here must not count beside it.
      const logged = entry.dead === undefined ? this.#survey.inLog.get(id) : undefined
      if (logged === entry.lsn) isTwice = true
      else if (logged !== undefined) this.#several.set(id, logged)
      if (!this.#counts(entry)) return
      if (entry.dead === undefined ? this.#found.addLive(entry) : this.#found.addDead(entry)) counting++
      else skips.add(id)
      if (keyIn(entry.extras) !== undefined) this.#found.hasKeys = true
    })
    for (const loss of losses) this.#losses.push({ file: segment.fileName, ...loss })
    if (counting === 0) return { segment, fate: 'dropped', skips }
    // Without its footer nobody could open it, whatever was read of it.
    const stays = isSound && !isTwice && skips.size === 0 && entries === segment.meta?.count
    return { segment, fate: stays ? 'stays' : 'written anew', skips }
  }

  /** For the first of two passes: the newest copy of every task that may live. */
  #compare(entry: CursorEntry): void {
    if (!this.#mayCount(entry)) return
    const id = packId(entry.homeHour, entry.ordinal)
    const newest = entry.dead === undefined ? this.#newest : this.#newestDead
    const before = newest.get(id)
    if (before !== undefined && entry.dead === undefined) this.#several.set(id, Math.max(before, entry.lsn))
    if (before === undefined || before < entry.lsn) newest.set(id, entry.lsn)
  }

  #counts(entry: CursorEntry): boolean {
    if (!this.#mayCount(entry)) return false
    if (!this.#needsNewest) return true
    const id = packId(entry.homeHour, entry.ordinal)
    const live = this.#newest.get(id)
    const dead = this.#newestDead.get(id)
    if (entry.dead === undefined) return live === entry.lsn && (dead === undefined || dead < entry.lsn)
    return dead === entry.lsn && (live === undefined || live < entry.lsn) && !this.#survey.inLog.has(id)
  }

  /** By the log, and by the snapshot as far as it could be read. */
  #mayCount(entry: CursorEntry): boolean {
    const { ledger, inLog, goneInLog, knowsWhatCounts } = this.#survey
    const { homeHour, ordinal, placeHour, lsn } = entry
    const id = packId(homeHour, ordinal)
    if (entry.dead !== undefined) {
      if (knowsWhatCounts) return ledger.dead.get(id)?.lsn === lsn
      return !goneInLog.has(id) && !inLog.has(id)
    }
    if (inLog.has(id) || goneInLog.has(id)) return false
    if (knowsWhatCounts) return ledger.copyCounts(homeHour, ordinal, placeHour, lsn)
    if (placeHour < ledger.oldestHour) return false
    if (homeHour < ledger.oldestHour) return homeHour !== placeHour
    return ledger.ends.get(homeHour, ordinal) === 0
  }
}

function carriesTask(kind: number): boolean {
  return kind === recordKind.new || kind === recordKind.put || kind === recordKind.dead
}

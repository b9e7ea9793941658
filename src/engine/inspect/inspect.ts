/**
 * Shows what the files of a directory hold, record by record, and can follow one task through all of them. It changes
 * nothing. What cannot be read is a line of its own (`damage`), and the rest goes on.
 *
 * Lines come in the order of the files: manifest, log, snapshot, segments, dead letters. Whether a copy of a task is the one
 * that counts is known from the log and the snapshot, which are read first.
 */

import { refuse } from '../../model/errors.ts'
import { decodeId, encodeId, homeHourOf, ordinalOf, packId } from '../../model/ids.ts'
import { hourMs } from '../../model/units.ts'
import type { Disk, Platform } from '../../platform/ports.ts'
import { forgivingDisk } from '../../storage/forgiving-disk.ts'
import { readAheadDisk } from '../../storage/read-ahead-disk.ts'
import { segmentFileName, snapshotFileName } from '../../storage/file-meta.ts'
import type { Manifest } from '../../storage/manifest/manifest.ts'
import type { CursorEntry } from '../../storage/segments/segment-cursor.ts'
import { scanSegment, type OnEntry } from '../../storage/segments/segment-scan.ts'
import { lockForReading } from '../reading-lock.ts'
import { ledgerLines } from './ledger-lines.ts'
import { eachRecord } from './log-survey.ts'
import { entryLine, recordLine, type Line, type LineNames } from './record-lines.ts'
import { surveyDirectory, type Survey, type SurveyedSegment } from './survey.ts'
import { Unreadable } from './unreadable.ts'

/** One line: where it is, what it is, and what it says. */
export type InspectLine = Line

export interface InspectOptions {
  /** Only what this file holds. */
  readonly file?: string | undefined
  /** Only what is about this task; ends with a line that says what became of it. */
  readonly id?: string | undefined
  readonly queue?: string | undefined
  /** With the payloads: JSON as it is, bytes as base64. */
  readonly payloads?: boolean | undefined
  readonly progress?: ((file: string, index: number, count: number) => void) | undefined
}

/** Gets each line; may answer a promise to wait for. */
export type OnLine = (line: InspectLine) => Promise<void> | undefined

export interface Inspection {
  readonly lines: number
  readonly damaged: number
  /** Of the task that was followed. */
  readonly state?: string | undefined
}

/** Rejects only when the directory cannot be used at all, or an option is wrong. */
export async function inspectDirectory(
  platform: Platform,
  directory: string,
  options: InspectOptions,
  onLine: OnLine,
): Promise<Inspection> {
  const lock = await lockForReading(platform, directory)
  try {
    return await new Inspector(platform.disk, directory, options, onLine).run()
  } finally {
    await lock?.release()
  }
}

class Inspector {
  readonly #disk: Disk
  readonly #directory: string
  readonly #options: InspectOptions
  readonly #onLine: OnLine
  readonly #followed: number | undefined
  #lines = 0
  #damaged = 0
  #where: string | undefined
  #survey!: Survey
  #names!: LineNames
  readonly #unreadable = new Unreadable()

  constructor(disk: Disk, directory: string, options: InspectOptions, onLine: OnLine) {
    this.#directory = directory
    this.#options = options
    this.#onLine = onLine
    const forgiving = forgivingDisk(disk, (path, offset, bytes) => this.#unreadable.add(path, offset, bytes))
    this.#disk = readAheadDisk(forgiving)
    if (options.id === undefined) return
    const decoded = decodeId(options.id)
    if (decoded === undefined) throw refuse('HW_INVALID_REF', `'${options.id}' is not an id: ids have 14 characters`)
    this.#followed = packId(decoded.homeHour, decoded.ordinal)
  }

  async run(): Promise<Inspection> {
    const { file, progress } = this.#options
    progress?.('the log and the snapshot', 0, 1)
    const survey = await surveyDirectory(this.#disk, this.#directory)
    this.#survey = survey
    const incarnation = survey.manifest?.incarnation ?? 0
    this.#names = {
      idText: (homeHour, ordinal) => encodeId(incarnation, homeHour, ordinal),
      queueName: (number) => survey.ledger.queues[number]?.name ?? `#${number}`,
      payloads: this.#options.payloads === true,
    }
    const steps = this.#steps(survey)
    const wanted = file === undefined ? steps : steps.filter((step) => step.file === file)
    if (file !== undefined && wanted.length === 0) {
      throw refuse(
        'HW_INVALID_OPTIONS',
        `no file of this directory that counts is called '${file}'; there are ${steps.map((step) => step.file).join(', ')}`,
      )
    }
    for (const [index, step] of wanted.entries()) {
      progress?.(step.file, index, wanted.length)
      await this.#damage(step.file)
      await step.show()
    }
    for (const { file: name, offset, what } of this.#unreadable.losses()) {
      await this.#emit({ file: name, offset, kind: 'damage', what })
    }
    const state = await this.#verdict()
    return { lines: this.#lines, damaged: this.#damaged, state }
  }

  #steps(survey: Survey): { file: string; show: () => Promise<void> }[] {
    const { manifest, logs, snapshot, segments } = survey
    const sorted = [...segments].sort((a, b) => (a.name.kind === b.name.kind ? 0 : a.name.kind === 'dead' ? 1 : -1))
    const steps = [{ file: 'MANIFEST', show: () => this.#manifest(manifest) }]
    for (const log of logs) {
      steps.push({ file: log.name, show: () => (log.isMissing ? Promise.resolve() : this.#log(log.name, log.fileId)) })
    }
    const missing = manifest?.snapshot
    if (snapshot !== undefined) steps.push({ file: snapshot.fileName, show: () => this.#snapshot() })
    else if (missing !== undefined)
      steps.push({ file: snapshotFileName(missing.number), show: () => Promise.resolve() })
    for (const segment of sorted) {
      const show = (): Promise<void> => (segment.isMissing ? Promise.resolve() : this.#segment(segment))
      steps.push({ file: segment.fileName, show })
    }
    return steps
  }

  /** What the survey could not read of a file. That of segments is found when they are shown. */
  async #damage(file: string): Promise<void> {
    for (const { file: name, offset, what, tasks, records } of this.#survey.losses) {
      if (name === file) await this.#emit({ file, offset, kind: 'damage', what, tasks, records })
    }
  }

  async #manifest(manifest: Manifest | undefined): Promise<void> {
    if (manifest === undefined || this.#followed !== undefined || this.#options.queue !== undefined) return
    const { wal, segments, snapshot, number, incarnation, openCount, clockMs, clean, nextFileNumber, keyed } = manifest
    const file = 'MANIFEST'
    const clock = clockMs === 0 ? undefined : instant(clockMs)
    const says = { number, incarnation, openCount, clock, clean, nextFileNumber, keyed: keyed === true }
    await this.#emit({ file, offset: 0, kind: 'manifest', ...says })
    for (const { name, firstLsn, sealed, fileId } of wal) {
      await this.#emit({ file, offset: 0, kind: 'namesLog', name, firstLsn, sealed: sealed === true, fileId })
    }
    for (const meta of segments) {
      const { bytes, hourFrom, hourTo, count, lsnMin, lsnMax, fileId } = meta
      const hours = { from: instant(hourFrom * hourMs), to: instant((hourTo + 1) * hourMs) }
      const name = segmentFileName(meta)
      await this.#emit({
        file,
        offset: 0,
        kind: 'namesSegment',
        name,
        tasks: count,
        ...hours,
        bytes,
        lsnMin,
        lsnMax,
        fileId,
      })
    }
    if (snapshot === undefined) return
    const { bytes, sections, fileId } = snapshot
    const name = snapshotFileName(snapshot.number)
    await this.#emit({ file, offset: 0, kind: 'namesSnapshot', name, bytes, sections, fileId })
  }

  async #log(file: string, fileId: string | undefined): Promise<void> {
    const survey = this.#survey
    const pending: InspectLine[] = []
    let frame = 0
    await eachRecord(this.#disk, this.#directory, file, fileId, {
      gap: () => undefined,
      frame: (header) => (frame = header.frameNumber),
      frameDone: () => (pending.length === 0 ? undefined : this.#flush(pending)),
      record: (record, lsn, offset) => {
        if (record === undefined) return
        const line = recordLine(this.#names, record, file, offset, lsn, frame)
        if (!this.#isWanted(line, record)) return
        const carries = record.kind === 'new' || record.kind === 'put' || record.kind === 'dead'
        if (!carries) pending.push(line)
        else {
          const newest = record.kind === 'dead' ? survey.deadInLog : survey.inLog
          pending.push({ ...line, counts: newest.get(packId(record.homeHour, record.ordinal)) === lsn })
        }
      },
    })
    await this.#flush(pending)
  }

  async #flush(lines: InspectLine[]): Promise<void> {
    for (const line of lines.splice(0)) {
      if (line['counts'] === true) this.#where = `${line.file} at ${line.offset}`
      const wait = this.#emit(line)
      if (wait !== undefined) await wait
    }
  }

  async #snapshot(): Promise<void> {
    const { fileName, sections } = this.#survey.snapshot!
    for (const section of sections) {
      for (const { row, ...line } of ledgerLines(this.#names, fileName, section)) {
        if (this.#isWanted(line, row)) await this.#emit(line)
      }
    }
  }

  async #segment(segment: SurveyedSegment): Promise<void> {
    const { fileName, name, meta } = segment
    const onEntry: OnEntry = (entry, offset) => {
      if (this.#followed !== undefined && packId(entry.homeHour, entry.ordinal) !== this.#followed) return undefined
      const counts = this.#counts(entry)
      const line = { ...entryLine(this.#names, entry, fileName, offset), counts }
      if (!this.#isWanted(line, entry)) return undefined
      if (counts === true) this.#where = `${fileName} at ${offset}`
      return this.#emit(line)
    }
    const withDirectories = this.#followed === undefined
    const { losses } = await scanSegment(this.#disk, this.#directory, name, meta, onEntry, { withDirectories })
    for (const { offset, what, tasks } of losses) {
      await this.#emit({ file: fileName, offset, kind: 'damage', what, tasks })
    }
  }

  /** Undefined: it cannot be told, since the snapshot is lost. */
  #counts(entry: CursorEntry): boolean | undefined {
    const { ledger, inLog, deadInLog, knowsWhatCounts } = this.#survey
    const { homeHour, ordinal, placeHour, lsn } = entry
    const id = packId(homeHour, ordinal)
    if (entry.dead !== undefined) {
      if (deadInLog.has(id)) return false
      return knowsWhatCounts ? ledger.dead.get(id)?.lsn === lsn : undefined
    }
    if (inLog.has(id)) return false
    if (!knowsWhatCounts && !ledger.moved.has(id)) return undefined
    return ledger.copyCounts(homeHour, ordinal, placeHour, lsn)
  }

  #isWanted(line: InspectLine, about: object): boolean {
    const { queue } = this.#options
    if (queue !== undefined && line.queue !== queue) return false
    if (this.#followed === undefined) return true
    const { homeHour, ordinal } = about as { homeHour?: number; ordinal?: number }
    return homeHour !== undefined && packId(homeHour, ordinal!) === this.#followed
  }

  async #verdict(): Promise<string | undefined> {
    const followed = this.#followed
    if (followed === undefined) return undefined
    const { ledger, knowsWhatCounts, manifest } = this.#survey
    const homeHour = homeHourOf(followed)
    const ordinal = ordinalOf(followed)
    const incarnation = decodeId(this.#options.id)!.incarnation
    const isOther = manifest !== undefined && manifest.incarnation !== incarnation
    const state = isOther ? 'of another history of this directory' : ledger.stateOf(homeHour, ordinal)
    const how = state === 'ended' ? ledger.howEnded(homeHour, ordinal) : undefined
    const said = knowsWhatCounts ? state : `${state}, as far as can be told without the snapshot`
    const at = { file: 'the directory', offset: 0 }
    await this.#emit({ ...at, kind: 'verdict', id: this.#options.id, state: said, how, newest: this.#where })
    return state
  }

  #emit(line: InspectLine): Promise<void> | undefined {
    this.#lines++
    if (line.kind === 'damage') this.#damaged++
    return this.#onLine(line)
  }
}

function instant(ms: number): string {
  return new Date(ms).toISOString()
}

/**
 * What can be told of a directory that may be damaged: which files count, the ledger as far as it can be read, and which
 * versions of tasks the log holds. Inspection and salvage begin with it. It changes nothing, and never refuses damage: what
 * cannot be read is a loss, with file and offset.
 *
 * Memory is bounded by the log and the snapshot, not by the number of tasks.
 */

import { Ledger } from '../../model/ledger.ts'
import type { Disk } from '../../platform/ports.ts'
import {
  parseLogFileName,
  segmentFileName,
  snapshotFileName,
  type SegmentMeta,
  type SnapshotMeta,
} from '../../storage/file-meta.ts'
import { loadManifest, type Manifest } from '../../storage/manifest/manifest.ts'
import { describeSegment, parseSegmentName, type SegmentName } from '../../storage/segments/segment-scan.ts'
import { scanSnapshot, type ScannedSection } from '../../storage/snapshot/snapshot-scan.ts'
import { logFileName } from '../../storage/wal/log-format.ts'
import { decodeLedger } from '../ledger-sections.ts'
import type { Loss, SurveyedLog } from './findings.ts'
import type { IdMap } from './id-map.ts'
import { LogReading } from './log-survey.ts'

export interface SurveyedSegment {
  readonly name: SegmentName
  readonly fileName: string
  /** As the manifest has it; without a manifest as the file says itself. */
  readonly meta: SegmentMeta | undefined
  readonly isMissing: boolean
}

export interface SurveyedSnapshot {
  readonly fileName: string
  readonly sections: readonly ScannedSection[]
  readonly isWhole: boolean
}

export interface Survey {
  readonly names: readonly string[]
  readonly manifest: Manifest | undefined
  readonly logs: readonly SurveyedLog[]
  readonly segments: readonly SurveyedSegment[]
  readonly snapshot: SurveyedSnapshot | undefined
  readonly ledger: Ledger
  /** Which copies count can be told: the snapshot was read whole, or there never was one. */
  readonly knowsWhatCounts: boolean
  /** Live tasks whose newest version is in the log, and dead letters: id -> LSN. */
  readonly inLog: IdMap
  readonly deadInLog: IdMap
  /** What the log says has ended, or is a dead letter. */
  readonly goneInLog: IdMap
  /** Counters and calendar are known. */
  readonly hasHead: boolean
  readonly lastLsn: number
  readonly wallMsMax: number
  readonly openCountMax: number
  /** A record of the log may be missing from what was read. */
  readonly logHasGaps: boolean
  readonly losses: readonly Loss[]
}

export async function surveyDirectory(disk: Disk, directory: string): Promise<Survey> {
  const losses: Loss[] = []
  const names = await disk.list(directory)
  const manifest = await readManifest(disk, directory, names, losses)
  const logs = manifest === undefined ? logsByName(names) : logsOf(manifest, names)
  const segments = await segmentsOf(disk, directory, manifest, names)
  const snapshot = await readSnapshot(disk, directory, manifest, names, losses)
  for (const { fileName, meta, isMissing } of segments) {
    if (isMissing) losses.push({ file: fileName, offset: 0, what: 'it is missing', tasks: meta?.count })
  }
  const ledger = new Ledger(0)
  const sectionsFault = snapshot === undefined ? undefined : fillLedger(ledger, snapshot.sections)
  if (sectionsFault !== undefined) losses.push({ file: snapshot!.fileName, offset: 0, what: sectionsFault })
  const reading = new LogReading(ledger)
  for (const log of logs) await reading.read(disk, directory, log, losses)
  const neededSnapshot = manifest === undefined ? segments.length > 0 : manifest.snapshot !== undefined
  const isWhole = snapshot?.isWhole === true && sectionsFault === undefined
  return {
    names,
    manifest,
    logs,
    segments,
    snapshot,
    ledger,
    knowsWhatCounts: isWhole || !neededSnapshot,
    inLog: reading.inLog,
    deadInLog: reading.deadInLog,
    goneInLog: reading.goneInLog,
    hasHead: reading.hasHead,
    lastLsn: reading.lastLsn,
    wallMsMax: reading.wallMsMax,
    openCountMax: Math.max(manifest?.openCount ?? 0, 0, ...names.map((name) => parseLogFileName(name)?.openCount ?? 0)),
    logHasGaps: reading.hasGaps,
    losses,
  }
}

async function readManifest(
  disk: Disk,
  directory: string,
  names: readonly string[],
  losses: Loss[],
): Promise<Manifest | undefined> {
  if (!names.includes('MANIFEST')) {
    losses.push({ file: 'MANIFEST', offset: 0, what: 'it is missing' })
    return undefined
  }
  try {
    return await loadManifest(disk, directory)
  } catch (error) {
    const { code, message, details } = error as { code?: unknown; message: string; details?: { offset?: number } }
    if (code === 'HW_FORMAT_NEWER') throw error
    losses.push({ file: 'MANIFEST', offset: details?.offset ?? 0, what: message })
    return undefined
  }
}

/** The chain as the manifest has it, and what was begun after it. */
function logsOf(manifest: Manifest, names: readonly string[]): SurveyedLog[] {
  const there = new Set(names)
  const logs: SurveyedLog[] = manifest.wal.map(({ name, number, fileId }) => ({
    name,
    number,
    fileId,
    isMissing: !there.has(name),
  }))
  const after = names
    .map((name) => ({ name, parsed: parseLogFileName(name) }))
    .filter(({ parsed }) => parsed !== undefined && parsed.openCount === manifest.openCount)
    .map(({ name, parsed }) => ({ name, number: parsed!.number }))
    .filter(({ number }) => number > (manifest.wal.at(-1)?.number ?? 0))
    .sort((a, b) => a.number - b.number)
  for (const { name, number } of after) {
    for (let lost = (logs.at(-1)?.number ?? number - 1) + 1; lost < number; lost++) {
      logs.push({ name: logFileName(manifest.openCount, lost), number: lost, fileId: undefined, isMissing: true })
    }
    logs.push({ name, number, fileId: undefined, isMissing: false })
  }
  return logs
}

/** Without a manifest: of each number the one that was begun last. */
function logsByName(names: readonly string[]): SurveyedLog[] {
  const byNumber = new Map<number, { name: string; openCount: number }>()
  for (const name of names) {
    const parsed = parseLogFileName(name)
    if (parsed === undefined) continue
    const before = byNumber.get(parsed.number)
    if (before === undefined || before.openCount < parsed.openCount) {
      byNumber.set(parsed.number, { name, openCount: parsed.openCount })
    }
  }
  return [...byNumber]
    .sort(([a], [b]) => a - b)
    .map(([number, { name }]) => ({ name, number, fileId: undefined, isMissing: false }))
}

async function segmentsOf(
  disk: Disk,
  directory: string,
  manifest: Manifest | undefined,
  names: readonly string[],
): Promise<SurveyedSegment[]> {
  if (manifest !== undefined) {
    return manifest.segments.map((meta) => {
      const fileName = segmentFileName(meta)
      return { name: meta, fileName, meta, isMissing: !names.includes(fileName) }
    })
  }
  const segments: SurveyedSegment[] = []
  for (const fileName of names) {
    const name = parseSegmentName(fileName)
    if (name === undefined) continue
    segments.push({ name, fileName, meta: await describeSegment(disk, directory, name), isMissing: false })
  }
  return segments
}

async function readSnapshot(
  disk: Disk,
  directory: string,
  manifest: Manifest | undefined,
  names: readonly string[],
  losses: Loss[],
): Promise<SurveyedSnapshot | undefined> {
  if (manifest !== undefined) {
    const { snapshot } = manifest
    if (snapshot === undefined) return undefined
    const fileName = snapshotFileName(snapshot.number)
    if (names.includes(fileName)) return scanned(disk, directory, fileName, snapshot, losses)
    losses.push({ file: fileName, offset: 0, what: 'it is missing' })
    return undefined
  }
  const numbers = names.map((name) => /^snap-(\d{1,15})\.snap$/u.exec(name)?.[1]).filter((text) => text !== undefined)
  // The newest that is whole; one that was being written is not.
  let best: SurveyedSnapshot | undefined
  for (const number of numbers.map(Number).sort((a, b) => b - a)) {
    const found = await scanned(disk, directory, snapshotFileName(number), undefined, [])
    if (found.isWhole) return found
    best ??= found
  }
  if (best !== undefined) losses.push({ file: best.fileName, offset: 0, what: 'its sections are damaged' })
  return best
}

async function scanned(
  disk: Disk,
  directory: string,
  fileName: string,
  meta: SnapshotMeta | undefined,
  losses: Loss[],
): Promise<SurveyedSnapshot> {
  const { sections, damagedAt } = await scanSnapshot(disk, `${directory}/${fileName}`, meta?.fileId)
  for (const offset of damagedAt) losses.push({ file: fileName, offset, what: 'a damaged section' })
  return { fileName, sections, isWhole: damagedAt.length === 0 }
}

/** In words what is wrong with the sections' contents, if anything is. */
function fillLedger(ledger: Ledger, sections: readonly ScannedSection[]): string | undefined {
  let fault: string | undefined
  for (const section of sections) {
    try {
      decodeLedger(ledger, [section])
    } catch (error) {
      if ((error as { code?: unknown }).code === 'HW_FORMAT_NEWER') throw error
      fault = (error as Error).message
    }
  }
  return fault
}

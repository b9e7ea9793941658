/**
 * Writes what a salvage makes anew, into a directory of its own: segments, a snapshot, and the log's first file. All of it is
 * synced there, under names and numbers that no file of the old directory has.
 */

import { packId } from '../../model/ids.ts'
import type { Ledger } from '../../model/ledger.ts'
import { encodeHead } from '../../model/record-writers.ts'
import { hourOf } from '../../model/units.ts'
import type { Disk, Platform } from '../../platform/ports.ts'
import type { SegmentMeta, SnapshotMeta } from '../../storage/file-meta.ts'
import { scanSegment } from '../../storage/segments/segment-scan.ts'
import { SegmentWriter } from '../../storage/segments/segment-writer.ts'
import { writeSnapshot } from '../../storage/snapshot/snapshot.ts'
import type { LogFileInfo } from '../../storage/wal/log.ts'
import { writeHeadFile } from '../../storage/wal/wal-head-file.ts'
import { writeKept } from '../checkpoint-job.ts'
import { KeptRecords } from '../kept-records.ts'
import { eachRecord } from '../inspect/log-survey.ts'
import type { Survey } from '../inspect/survey.ts'
import { encodeLedger } from '../ledger-sections.ts'
import { headOf } from '../log-head.ts'
import type { Sifted, SiftedLog, SiftedSegment } from './sift.ts'

export interface Place {
  readonly platform: Platform
  /** For reading the old files, whatever cannot be read. */
  readonly forgiving: Disk
  readonly directory: string
  /** Where new files go. */
  readonly stage: string
  readonly openCount: number
  readonly firstFileNumber: number
  readonly logNumber: number
}

export interface Written {
  readonly segments: readonly SegmentMeta[]
  readonly snapshot: SnapshotMeta
  readonly log: LogFileInfo
  readonly nextFileNumber: number
}

export async function writeAnew(
  place: Place,
  survey: Survey,
  sifted: Sifted,
  ledger: Ledger,
  progress: (file: string) => void,
): Promise<Written> {
  const { platform, stage, openCount, logNumber } = place
  const { disk, random, clock } = platform
  const segments: SegmentMeta[] = []
  let number = place.firstFileNumber
  for (const log of sifted.logs) {
    progress(log.log.name)
    const written = await writeLog(place, survey, log, number)
    segments.push(...written)
    number += written.length
  }
  for (const part of sifted.segments) {
    if (part.fate !== 'written anew') continue
    progress(part.segment.fileName)
    const meta = await writePart(place, sifted, part, number)
    if (meta === undefined) continue
    segments.push(meta)
    number++
  }
  const snapshot = await writeSnapshot(disk, random, { directory: stage, number, openCount }, encodeLedger(ledger))
  const wallMs = Math.max(clock.wallMs(), survey.wallMsMax)
  const head = encodeHead(headOf(ledger, openCount, wallMs))
  const lsn = Math.max(survey.lastLsn, sifted.found.lsnMax) + 1
  const log = await writeHeadFile(disk, random, head, { directory: stage, number: logNumber, openCount, lsn, wallMs })
  await disk.syncDirectory(stage)
  return { segments, snapshot, log, nextFileNumber: number + 1 }
}

/** The records of a log file that count. */
async function writeLog(
  { platform, forgiving, directory, stage, openCount }: Place,
  { inLog, deadInLog }: Survey,
  { log, count }: SiftedLog,
  firstNumber: number,
): Promise<SegmentMeta[]> {
  const kept = new KeptRecords(count)
  try {
    await eachRecord(forgiving, directory, log.name, log.fileId, {
      gap: () => undefined,
      record: (record, lsn, _offset, bytes, at, end) => {
        if (record === undefined) return
        const isLive = record.kind === 'new' || record.kind === 'put'
        if (!isLive && record.kind !== 'dead') return
        const newest = isLive ? inLog : deadInLog
        if (newest.get(packId(record.homeHour, record.ordinal)) === lsn) kept.add(bytes, at, end, lsn)
      },
    })
    const nowHour = hourOf(platform.clock.wallMs())
    const input = { directory: stage, openCount, nowHour, firstNumber }
    return await writeKept(platform.disk, platform.random, input, kept)
  } finally {
    kept.release()
  }
}

/** The entries of a segment that count. */
async function writePart(
  { platform, forgiving, directory, stage, openCount }: Place,
  sifted: Sifted,
  { segment, skips }: SiftedSegment,
  number: number,
): Promise<SegmentMeta | undefined> {
  const { disk, random } = platform
  const { kind } = segment.name
  const writer = await SegmentWriter.create(disk, random, { directory: stage, number, openCount, kind })
  let count = 0
  try {
    await scanSegment(forgiving, directory, segment.name, segment.meta, (entry) => {
      if (!sifted.counts(entry) || skips.has(packId(entry.homeHour, entry.ordinal))) return undefined
      writer.add(entry)
      count++
      return writer.needsFlush ? writer.flush() : undefined
    })
    if (count > 0) return await writer.finish()
    await writer.abandon()
    return undefined
  } catch (error) {
    await writer.abandon()
    throw error
  }
}

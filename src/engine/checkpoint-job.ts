/**
 * The bulk work of a checkpoint, done in a worker thread: reads one sealed log file, takes the records that are still
 * live, and writes them, sorted, into segments by ranges of hours. Files are synced; the caller syncs the directory and
 * publishes the manifest. Input and output are plain data.
 */

import { refuse } from '../model/errors.ts'
import { decodeRecord, type DeadRecord, type NewRecord, type PutRecord } from '../model/records.ts'
import { hourMs } from '../model/units.ts'
import type { Disk, Random } from '../platform/ports.ts'
import { rangeOf } from '../storage/segments/segment-ranges.ts'
import type { SegmentEntry, SegmentMeta } from '../storage/segments/segment-reader.ts'
import { writeSegment } from '../storage/segments/segment-writer.ts'
import { readLogFile } from '../storage/wal/wal-reader.ts'

export interface CheckpointInput {
  readonly directory: string
  readonly openCount: number
  readonly logFile: {
    readonly name: string
    readonly number: number
    readonly openCount: number
    readonly fileId: string
  }
  /** Offsets of the records to keep, in any order. */
  readonly offsets: Uint32Array
  readonly nowHour: number
  /** Numbers for the files to write: as many as needed are used, from here on. */
  readonly firstNumber: number
}

export interface CheckpointOutput {
  readonly segments: SegmentMeta[]
}

export async function checkpointJob(disk: Disk, random: Random, input: CheckpointInput): Promise<CheckpointOutput> {
  const live: SegmentEntry[] = []
  const dead: SegmentEntry[] = []
  let nextOffset = 0
  const { logFile } = input
  const offsets = input.offsets.toSorted()
  await readLogFile(disk, `${input.directory}/${logFile.name}`, logFile, (bytes, at, end, lsn, fileOffset) => {
    if (nextOffset >= offsets.length || fileOffset !== offsets[nextOffset]) return
    nextOffset++
    // The reader's buffer is used again: what is kept is copied.
    const copy = Buffer.from(bytes.subarray(at, end))
    const record = decodeRecord(copy, 0, copy.length)
    if (record.kind === 'new' || record.kind === 'put') live.push(entryOf(record, lsn))
    else if (record.kind === 'dead') dead.push(deadEntryOf(record, lsn))
    else throw refuse('HW_INTERNAL', `a live offset of ${logFile.name} holds a record of kind ${record.kind}`)
  })
  if (nextOffset !== offsets.length) {
    throw refuse('HW_INTERNAL', `${logFile.name}: ${offsets.length - nextOffset} live records were not found`)
  }
  live.sort(byKey)
  dead.sort(byKey)
  const segments: SegmentMeta[] = []
  let number = input.firstNumber
  const write = async (kind: SegmentMeta['kind'], entries: SegmentEntry[]): Promise<void> => {
    const options = { directory: input.directory, number: number++, openCount: input.openCount, kind }
    segments.push(await writeSegment(disk, random, options, entries))
  }
  for (let from = 0; from < live.length;) {
    const range = rangeOf(live[from]!.placeHour, input.nowHour)
    let to = from + 1
    while (to < live.length && live[to]!.placeHour <= range.hourTo) to++
    await write('tasks', live.slice(from, to))
    from = to
  }
  if (dead.length > 0) await write('dead', dead)
  return { segments }
}

function entryOf(record: NewRecord | PutRecord, lsn: number): SegmentEntry {
  const { homeHour, ordinal, queue, fireAt, payloadKind, payload, extras } = record
  const moved = record.kind === 'put' ? record : undefined
  return {
    placeHour: moved?.placeHour ?? homeHour,
    homeHour,
    ordinal,
    lsn,
    queue,
    fireAt,
    attempt: moved?.attempt ?? 0,
    generation: moved?.generation ?? 0,
    payloadKind,
    payload,
    extras,
    dead: undefined,
  }
}

function deadEntryOf(record: DeadRecord, lsn: number): SegmentEntry {
  const { homeHour, ordinal, queue, fireAt, placeHour, attempt, generation, payloadKind, payload, extras } = record
  const { reason, diedAt, error } = record
  return {
    placeHour,
    homeHour,
    ordinal,
    lsn,
    queue,
    fireAt,
    attempt,
    generation,
    payloadKind,
    payload,
    extras,
    dead: { reason, diedAt, error },
  }
}

function byKey(a: SegmentEntry, b: SegmentEntry): number {
  return (
    a.placeHour - b.placeHour ||
    Math.max(a.fireAt, a.placeHour * hourMs) - Math.max(b.fireAt, b.placeHour * hourMs) ||
    a.homeHour - b.homeHour ||
    a.ordinal - b.ordinal
  )
}

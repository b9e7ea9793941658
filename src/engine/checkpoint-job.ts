/**
 * The bulk work of a checkpoint, done in a worker thread: reads one sealed log file, takes the records that are still
 * live, and writes them, sorted, into segments by ranges of hours. Files are synced; the caller syncs the directory and
 * publishes the manifest. Input and output are plain data.
 */

import { refuse } from '../model/errors.ts'
import type { Disk, Random } from '../platform/ports.ts'
import { rangeOf } from '../storage/segments/segment-ranges.ts'
import type { SegmentMeta } from '../storage/segments/segment-reader.ts'
import { writeSegment } from '../storage/segments/segment-writer.ts'
import { readLogFile } from '../storage/wal/wal-reader.ts'
import { KeptRecords } from './kept-records.ts'

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
  const { logFile } = input
  const offsets = input.offsets.toSorted()
  const kept = new KeptRecords(offsets.length)
  try {
    await readLogFile(disk, `${input.directory}/${logFile.name}`, logFile, (bytes, at, end, lsn, fileOffset) => {
      if (kept.count >= offsets.length || fileOffset !== offsets[kept.count]) return
      if (!kept.add(bytes, at, end, lsn)) {
        throw refuse('HW_INTERNAL', `a live offset of ${logFile.name} holds a record that carries no task`)
      }
    })
    if (kept.count !== offsets.length) {
      throw refuse('HW_INTERNAL', `${logFile.name}: ${offsets.length - kept.count} live records were not found`)
    }
    return { segments: await writeKept(disk, random, input, kept) }
  } finally {
    kept.release()
  }
}

/** Writes records that were kept into segments by ranges of hours. */
export async function writeKept(
  disk: Disk,
  random: Random,
  input: Omit<CheckpointInput, 'logFile' | 'offsets'>,
  kept: KeptRecords,
): Promise<SegmentMeta[]> {
  const segments: SegmentMeta[] = []
  let number = input.firstNumber
  const write = async (kind: SegmentMeta['kind'], indexes: Uint32Array): Promise<void> => {
    const options = { directory: input.directory, number: number++, openCount: input.openCount, kind }
    segments.push(await writeSegment(disk, random, options, kept.entries(indexes)))
  }
  const live = kept.sorted('tasks')
  for (let from = 0; from < live.length;) {
    const range = rangeOf(kept.placeHour(live[from]!), input.nowHour)
    let to = from + 1
    while (to < live.length && kept.placeHour(live[to]!) <= range.hourTo) to++
    await write('tasks', live.subarray(from, to))
    from = to
  }
  const dead = kept.sorted('dead')
  if (dead.length > 0) await write('dead', dead)
  return segments
}

/**
 * A batch of tasks on its way to a thread: one block of shared memory that both sides look at while it runs.
 *
 *     count u32 | marks i32[count] | pad to 8 | startedAt f64[count] | fences f64[count] | offsets u32[count] | records
 *
 * A record is the task's own, as it lies in the log's blocks; it is read and its payload decoded where the handler runs.
 * Only the mark says what became of a member, so that it is known whenever the thread dies. Atomically,
 *
 *     waiting -> running -> succeeded | answered | left        the thread; `answered`: what it said of it was sent before
 *     waiting -> notDue                                        the thread: the clock was set back
 *     waiting -> withdrawn                                     the engine takes it back
 */

import { readBody } from '../model/records.ts'
import type { TaskBytes } from './attempt-records.ts'

export const mark = { waiting: 0, running: 1, succeeded: 2, answered: 3, left: 4, notDue: 5, withdrawn: 6 } as const

export interface BatchMember {
  readonly source: TaskBytes
  readonly recordBytes: number
  readonly fence: number
}

export class TaskBatch {
  readonly buffer: SharedArrayBuffer
  readonly count: number
  readonly marks: Int32Array
  /** Wall clock at which a member's handler was started. */
  readonly startedAt: Float64Array
  readonly fences: Float64Array
  readonly offsets: Uint32Array
  readonly bytes: Buffer

  constructor(buffer: SharedArrayBuffer, count: number = new Uint32Array(buffer, 0, 1)[0]!) {
    const wideAt = wideAtOf(count)
    this.buffer = buffer
    this.count = count
    this.marks = new Int32Array(buffer, 4, count)
    this.startedAt = new Float64Array(buffer, wideAt, count)
    this.fences = new Float64Array(buffer, wideAt + 8 * count, count)
    this.offsets = new Uint32Array(buffer, wideAt + 16 * count, count)
    this.bytes = Buffer.from(buffer)
  }

  /** Whether the member was waiting, and has this mark now. */
  claim(index: number, claimed: number): boolean {
    return Atomics.compareExchange(this.marks, index, mark.waiting, claimed) === mark.waiting
  }
}

/** How long a task's record is. */
export function recordBytesOf({ bytes, at }: TaskBytes): number {
  return readBody(bytes, at).end - at
}

/** Copies the members' records; `bufferOf` gives at least so many bytes, whatever is in them. */
export function makeBatch(members: readonly BatchMember[], bufferOf: (bytes: number) => SharedArrayBuffer): TaskBatch {
  const count = members.length
  let at = wideAtOf(count) + 20 * count
  const buffer = bufferOf(members.reduce((sum, { recordBytes }) => sum + recordBytes, at))
  new Uint32Array(buffer, 0, 1)[0] = count
  const batch = new TaskBatch(buffer, count)
  batch.marks.fill(mark.waiting)
  for (let index = 0; index < count; index++) {
    const { source, recordBytes, fence } = members[index]!
    batch.startedAt[index] = 0
    batch.fences[index] = fence
    batch.offsets[index] = at
    source.bytes.copy(batch.bytes, at, source.at, source.at + recordBytes)
    at += recordBytes
  }
  return batch
}

function wideAtOf(count: number): number {
  return (4 + 4 * count + 7) & ~7
}

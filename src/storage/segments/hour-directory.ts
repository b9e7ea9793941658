/**
 * The directory of one hour: for every task filed there its block and queue, sorted by (home hour, ordinal), in pages with
 * a checksum each (docs/format.md, "Segment", "Directory"). Pure.
 *
 * Packed ids (model/ids.ts) sort like (home hour, ordinal). Native tasks, at home in the hour, are a run of their own.
 */

import { refuse } from '../../model/errors.ts'
import { homeHourOf, ordinalLimit, ordinalOf, packId } from '../../model/ids.ts'
import { crc32 } from '../../platform/checksum.ts'
import { spareBuffers } from '../spare-buffers.ts'
import { placeSeed } from './segment-format.ts'

const pageRows = 512
export const nativeRowBytes = 8
export const foreignRowBytes = 12
const crcBytes = 4

/** Where the pages of a run are. */
export interface PageRun {
  readonly offset: number
  readonly count: number
  readonly rowBytes: number
}

export function runBytes(count: number, rowBytes: number): number {
  return count * rowBytes + Math.ceil(count / pageRows) * crcBytes
}

export function directoryBytes(count: number, foreignCount: number): number {
  return runBytes(count - foreignCount, nativeRowBytes) + runBytes(foreignCount, foreignRowBytes)
}

export function pagesOf(run: PageRun): number {
  return Math.ceil(run.count / pageRows)
}

export function pageOffset(run: PageRun, page: number): number {
  return run.offset + page * (crcBytes + pageRows * run.rowBytes)
}

export function pageBytes(run: PageRun, page: number): number {
  return crcBytes + rowsOf(run, page) * run.rowBytes
}

function rowsOf(run: PageRun, page: number): number {
  return Math.min(pageRows, run.count - page * pageRows)
}

/** The tasks of an hour, or of a page of it: parallel arrays; ids ascend among native and among foreign tasks. */
export interface HourDirectory {
  readonly count: number
  /** Packed. */
  readonly ids: Float64Array
  /** Within the hour, from 0. */
  readonly blocks: Uint16Array
  readonly queues: Uint16Array
  /** Offsets of pages that are damaged, whose tasks are missing here. */
  readonly damagedAt: readonly number[]
}

/** Collects the tasks of one hour after the other, in any order, and writes them as pages. */
export class DirectoryBuilder {
  readonly #native = new RunBuilder()
  readonly #foreign = new RunBuilder()
  #hour = 0

  start(hour: number): void {
    this.#hour = hour
    this.#native.count = 0
    this.#foreign.count = 0
  }

  add(homeHour: number, ordinal: number, block: number, queue: number): void {
    const run = homeHour === this.#hour ? this.#native : this.#foreign
    run.add(packId(homeHour, ordinal), block, queue)
  }

  get foreignCount(): number {
    return this.#foreign.count
  }

  get bytes(): number {
    return directoryBytes(this.#native.count + this.#foreign.count, this.#foreign.count)
  }

  /** To be called after the last `add`, before `write`. */
  sort(): { ordinalMin: number; ordinalMax: number } {
    const ids = this.#native.sort()
    this.#foreign.sort()
    return ids.length === 0
      ? { ordinalMin: ordinalLimit - 1, ordinalMax: 0 }
      : { ordinalMin: ordinalOf(ids[0]!), ordinalMax: ordinalOf(ids[ids.length - 1]!) }
  }

  /** Lets go of its memory: the segment is done. */
  release(): void {
    this.#native.release()
    this.#foreign.release()
  }

  /** Writes the pages at `at`, for a directory that will lie at `offset` of the file. */
  write(into: Buffer, at: number, seed: number, offset: number): void {
    this.#native.write(into, at, seed, offset, nativeRowBytes)
    const nativeBytes = runBytes(this.#native.count, nativeRowBytes)
    this.#foreign.write(into, at + nativeBytes, seed, offset + nativeBytes, foreignRowBytes)
  }
}

const rowsAtStart = 64
const bytesPerRow = 24

class RunBuilder {
  count = 0
  #columns = columnsFor(rowsAtStart)

  add(id: number, block: number, queue: number): void {
    if (this.count === this.#columns.ids.length) this.#grow()
    const { ids, blocks, queues } = this.#columns
    ids[this.count] = id
    blocks[this.count] = block
    queues[this.count++] = queue
  }

  #grow(): void {
    const { bytes, ids, blocks, queues } = this.#columns
    this.#columns = columnsFor(ids.length * 2)
    this.#columns.ids.set(ids)
    this.#columns.blocks.set(blocks)
    this.#columns.queues.set(queues)
    spareBuffers.give(bytes)
  }

  /** Nothing can be added any more. */
  release(): void {
    this.count = 0
    spareBuffers.give(this.#columns.bytes)
    this.#columns = columnsFor(0)
  }

  /** Sorted numbers are cheap, sorting with a comparator is not: so sort the ids alone, then find each row's place. */
  sort(): Float64Array {
    const { count } = this
    const { ids, rows } = this.#columns
    const sorted = this.#columns.sorted.subarray(0, count)
    sorted.set(ids.subarray(0, count))
    sorted.sort()
    for (let index = 1; index < count; index++) {
      if (sorted[index - 1] !== sorted[index]) continue
      throw refuse('HW_INTERNAL', `two entries of one hour of a segment have the id ${sorted[index]}`)
    }
    for (let row = 0; row < count; row++) rows[lowerBound(sorted, count, ids[row]!)] = row
    return sorted
  }

  write(into: Buffer, at: number, seed: number, offset: number, rowBytes: number): void {
    const { sorted, rows, blocks, queues } = this.#columns
    for (let first = 0; first < this.count; first += pageRows) {
      const start = at
      at += crcBytes
      const end = Math.min(this.count, first + pageRows)
      for (let index = first; index < end; index++) {
        const id = sorted[index]!
        const row = rows[index]!
        if (rowBytes === foreignRowBytes) at = into.writeUInt32LE(homeHourOf(id), at)
        at = into.writeUInt32LE(ordinalOf(id), at)
        at = into.writeUInt16LE(blocks[row]!, at)
        at = into.writeUInt16LE(queues[row]!, at)
      }
      into.writeUInt32LE(crc32(into.subarray(start + crcBytes, at), placeSeed(seed, offset)), start)
      offset += at - start
    }
  }
}

interface RunColumns {
  /** All of them. */
  readonly bytes: Buffer
  readonly ids: Float64Array
  readonly sorted: Float64Array
  readonly rows: Uint32Array
  readonly blocks: Uint16Array
  readonly queues: Uint16Array
}

function columnsFor(rows: number): RunColumns {
  const bytes = rows === 0 ? Buffer.alloc(0) : spareBuffers.take(rows * bytesPerRow)
  const { buffer } = bytes
  return {
    bytes,
    ids: new Float64Array(buffer, 0, rows),
    sorted: new Float64Array(buffer, rows * 8, rows),
    rows: new Uint32Array(buffer, rows * 16, rows),
    blocks: new Uint16Array(buffer, rows * 20, rows),
    queues: new Uint16Array(buffer, rows * 22, rows),
  }
}

/** The first index whose value is not below `value`. */
export function lowerBound(values: Float64Array, count: number, value: number): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (values[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}

/** The rows of one page, or undefined when it is damaged. `blocks` is how many the hour has. */
export function decodePage(
  run: PageRun,
  page: number,
  hour: number,
  blocks: number,
  bytes: Buffer,
  seed: number,
): HourDirectory | undefined {
  const count = rowsOf(run, page)
  if (bytes.length !== pageBytes(run, page)) return undefined
  if (bytes.readUInt32LE(0) !== crc32(bytes.subarray(crcBytes), placeSeed(seed, pageOffset(run, page))))
    return undefined
  const rows = { count, ids: new Float64Array(count), blocks: new Uint16Array(count), queues: new Uint16Array(count) }
  let at = crcBytes
  let before = -1
  for (let row = 0; row < count; row++) {
    let homeHour = hour
    if (run.rowBytes === foreignRowBytes) {
      homeHour = bytes.readUInt32LE(at)
      at += 4
      if (homeHour === hour) return undefined
    }
    const id = packId(homeHour, bytes.readUInt32LE(at))
    const block = bytes.readUInt16LE(at + 4)
    if (id <= before || block >= blocks) return undefined
    before = id
    rows.ids[row] = id
    rows.blocks[row] = block
    rows.queues[row] = bytes.readUInt16LE(at + 6)
    at += 8
  }
  return { ...rows, damagedAt: [] }
}

/** What the tests of the log share: a writer over some disk, and ways to append and read back. */

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock, Disk, Random } from '../../../src/platform/ports.ts'
import { BlockStore } from '../../../src/wheel/block-store.ts'
import type { LogWriterOptions } from '../../../src/storage/wal/log-writer-options.ts'
import { LogWriter } from '../../../src/storage/wal/log-writer.ts'
import type { AppendPurpose, Log } from '../../../src/storage/wal/log.ts'
import { readLogFile, type ReadLogOptions, type ReadLogResult } from '../../../src/storage/wal/wal-reader.ts'
import { parseLogFileName } from '../../../src/storage/file-meta.ts'

export const directory = '/data'

/** The real event loop; a wall clock that stands still. */
const testClock: Clock = {
  wallMs: () => 1_700_000_000_000,
  monotonicMs: () => performance.now(),
  setTimer: (afterMs, run) => setTimeout(run, afterMs),
  clearTimer: (timer) => clearTimeout(timer as NodeJS.Timeout),
  soon: (run) => void setImmediate(run),
}

/** Reproducible, and different for every call. */
export function testRandom(seed = 1): Random {
  let state = seed
  const next = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0)
  return {
    unit: () => next() / 2 ** 32,
    bytes: (count) => Uint8Array.from({ length: count }, () => next() >>> 24),
  }
}

export interface Events {
  written: number
  synced: number
  failed: Error[]
  rotated: number[]
  rooms: number
}

export interface Rig {
  readonly log: LogWriter
  readonly events: Events
  readonly blocks: BlockStore
}

/** A head of the shape of a record, so that readers take it for one. */
export const headRecord =
  (bytes = 20) =>
  (): Uint8Array => {
    const head = Buffer.alloc(bytes, 7)
    head[0] = 0x92
    head[1] = 11
    return head
  }

export async function openLog(disk: Disk, options: Partial<LogWriterOptions> = {}, blockBytes = 65_536): Promise<Rig> {
  const events: Events = { written: 0, synced: 0, failed: [], rotated: [], rooms: 0 }
  const blocks = new BlockStore({ blockBytes })
  const log = await LogWriter.open({
    disk,
    blocks,
    random: testRandom(),
    clock: testClock,
    directory,
    openCount: 1,
    firstFileNumber: 1,
    firstLsn: 1,
    fileBytes: 8192,
    reserveBytes: 1024,
    markAfterMs: 0,
    headRecord: headRecord(),
    listener: {
      written: (lsn) => (events.written = lsn),
      synced: (lsn) => (events.synced = lsn),
      failed: (error) => events.failed.push(error),
      rotated: (number) => events.rotated.push(number),
      room: () => events.rooms++,
    },
    ...options,
  })
  return { log, events, blocks }
}

/** Bytes that a record with this number has: the number, then a pattern. */
export function recordBytes(value: number, length: number): Buffer {
  const bytes = Buffer.alloc(length, value & 0xff)
  bytes[0] = 0xc4
  bytes.writeUInt32LE(value, 1)
  return bytes
}

/** Appends a record with a number in it, or answers -1 when there is no room. */
export function append(log: Log, value: number, length = 40, purpose: AppendPurpose = 'new'): number {
  const at = log.begin(length, purpose)
  if (at < 0) return -1
  recordBytes(value, length).copy(log.buffer, at)
  return log.end(at, length)
}

/** Appends when there is room. */
export async function appendSoon(rig: Rig, value: number, length = 40): Promise<number> {
  for (const end = performance.now() + 4_000; performance.now() < end && rig.events.failed.length === 0;) {
    const lsn = append(rig.log, value, length)
    if (lsn > 0) return lsn
    await nextTurn()
  }
  throw new Error('no room for ever')
}

export interface ReadBack extends ReadLogResult {
  readonly all: { readonly lsn: number; readonly offset: number; readonly bytes: Buffer }[]
  /** The numbers of the records made by `append`. */
  readonly values: number[]
}

export async function readBack(disk: Disk, name: string, options: ReadLogOptions = {}): Promise<ReadBack> {
  const all: { lsn: number; offset: number; bytes: Buffer }[] = []
  const parsed = parseLogFileName(name)!
  const result = await readLogFile(
    disk,
    `${directory}/${name}`,
    parsed,
    (bytes, at, end, lsn, offset) => all.push({ lsn, offset, bytes: Buffer.from(bytes.subarray(at, end)) }),
    options,
  )
  return { ...result, all, values: valuesOf(all) }
}

export function valuesOf(all: readonly { readonly bytes: Buffer }[]): number[] {
  return all.filter(({ bytes }) => bytes[0] === 0xc4).map(({ bytes }) => bytes.readUInt32LE(1))
}

export async function until(condition: () => boolean): Promise<void> {
  for (const end = performance.now() + 4_000; performance.now() < end;) {
    if (condition()) return
    await nextTurn()
  }
  throw new Error('it never happened')
}

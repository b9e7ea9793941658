/** Random entries, and ways to write, read and damage segments of them in memory. */

import { hourMs } from '../../../src/model/units.ts'
import type { SegmentKind, SegmentMeta } from '../../../src/storage/file-meta.ts'
import type { CursorEntry, SegmentCursor } from '../../../src/storage/segments/segment-cursor.ts'
import type { SegmentEntry } from '../../../src/storage/segments/segment-entry.ts'
import type { SegmentMerge } from '../../../src/storage/segments/segment-merge.ts'
import { writeSegment } from '../../../src/storage/segments/segment-writer.ts'
import type { SeededRandom } from '../../../src/testing/seeded-random.ts'
import { MemoryDisk } from '../wal/memory-disk.ts'

export const directory = '/data'
export const firstHour = 500_000

/** An entry as plain data, for comparison. */
export interface PlainEntry extends Omit<SegmentEntry, 'payload' | 'extras'> {
  readonly payload: string
  readonly extras: string | undefined
}

export function plain(entry: SegmentEntry): PlainEntry {
  const { placeHour, homeHour, ordinal, lsn, queue, fireAt, attempt, generation, payloadKind, dead } = entry
  const payload = Buffer.from(entry.payload).toString('latin1')
  const extras = entry.extras === undefined ? undefined : Buffer.from(entry.extras).toString('latin1')
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
    dead: dead === undefined ? undefined : { ...dead },
  }
}

export const idOf = (entry: { homeHour: number; ordinal: number }): string => `${entry.homeHour}.${entry.ordinal}`

export const orderAtOf = (entry: SegmentEntry): number => Math.max(entry.fireAt, entry.placeHour * hourMs)

export function byKey(a: SegmentEntry, b: SegmentEntry): number {
  return (
    a.placeHour - b.placeHour ||
    orderAtOf(a) - orderAtOf(b) ||
    a.homeHour - b.homeHour ||
    a.ordinal - b.ordinal ||
    b.lsn - a.lsn
  )
}

export interface EntriesOptions {
  readonly count: number
  readonly hours?: number
  readonly kind?: SegmentKind
  readonly payloadBytesMax?: number
}

const reasons = ['attempts', 'lost', 'asked', 'damaged', 'maxAge'] as const

/** Sorted; no two with one id in one hour. Fire times collide often, and some tasks come from other hours. */
export function randomEntries(random: SeededRandom, options: EntriesOptions): SegmentEntry[] {
  const { count, hours = 3, kind = 'tasks', payloadBytesMax = 120 } = options
  const entries: SegmentEntry[] = []
  const ids = new Set<string>()
  while (entries.length < count) {
    const placeHour = firstHour + random.below(hours) * 3
    const isForeign = random.chance(0.2)
    const homeHour = isForeign ? placeHour + random.pick([-400, -3, -1, 2]) : placeHour
    const ordinal = random.chance(0.1) ? random.pick([0, 1, 65_536, 2 ** 32 - 1]) : random.below(count * 4)
    const id = `${placeHour}/${homeHour}.${ordinal}`
    if (ids.has(id)) continue
    ids.add(id)
    const isPlain = random.chance(0.6)
    const payload = random.chance(0.1) ? new Uint8Array() : random.bytes(random.below(payloadBytesMax + 1))
    entries.push({
      placeHour,
      homeHour,
      ordinal,
      lsn: random.chance(0.9) ? 1_000_000 + random.below(200_000) : 1 + random.below(2 ** 31) * 1000,
      queue: random.chance(0.8) ? random.below(20) : random.below(65_536),
      fireAt:
        placeHour * hourMs + (random.chance(0.5) ? random.below(5) * 1000 : random.between(-2 * hourMs, hourMs - 1)),
      attempt: isPlain ? 0 : random.below(3),
      generation: isPlain ? 0 : random.pick([0, 1, 2 ** 32 - 1]),
      payloadKind: payload.length === 0 ? 0 : random.between(1, 2),
      payload,
      extras: isPlain || random.chance(0.5) ? undefined : Buffer.from([0x92, 0xc0, random.below(100)]),
      dead: kind === 'tasks' ? undefined : randomDeath(random),
    })
  }
  return entries.sort(byKey)
}

function randomDeath(random: SeededRandom): SegmentEntry['dead'] {
  const error = random.pick(['', 'no reply', 'ü'.repeat(150), 'x'.repeat(300)])
  return { reason: random.pick(reasons), diedAt: 1_800_000_000_000 + random.below(1e9), error }
}

export async function written(
  disk: MemoryDisk,
  random: SeededRandom,
  entries: Iterable<SegmentEntry>,
  kind: SegmentKind = 'tasks',
  number = 1,
): Promise<SegmentMeta> {
  return writeSegment(disk, random, { directory, number, openCount: 2, kind }, entries)
}

/** All that comes from a cursor or a merge. */
export async function drain(source: SegmentCursor | SegmentMerge): Promise<PlainEntry[]> {
  const found: PlainEntry[] = []
  await each(source, (entry) => found.push(plain(entry)))
  return found
}

async function each(source: SegmentCursor | SegmentMerge, onEntry: (entry: CursorEntry) => void): Promise<void> {
  for (;;) {
    if (source.needsFill) await source.fill()
    if (source.current === undefined) return
    onEntry(source.current)
    source.advance()
  }
}

/** A disk whose reads and writes are often short. */
export function shortDisk(random: SeededRandom): MemoryDisk {
  const disk = new MemoryDisk()
  disk.hook = ({ op, bytes }) => {
    if ((op === 'read' || op === 'write') && bytes > 1 && random.chance(0.3)) return 1 + random.below(bytes - 1)
    return undefined
  }
  return disk
}

export function openFilesOf(disk: MemoryDisk): number {
  return disk.calls.reduce((sum, { op }) => sum + (op === 'open' ? 1 : op === 'close' ? -1 : 0), 0)
}

/**
 * Gives memory back: tasks far ahead of a queue over its share go back to the disk, and what is left in mostly empty blocks is
 * moved together. Both look through all rows, which costs milliseconds with a million of them, so both are rare.
 */

import { tier } from '../wheel/task-table.ts'
import type { QueueRuntime } from './queue-runtime.ts'
import type { Tiers } from './tiers.ts'

/** Tasks due within this time are never handed back to the disk. */
const imminentMs = 2_000
/** How often one queue is looked through. */
const demotionPauseMs = 100
const blocksPerCompaction = 16

/** Hands the later half of a queue's waiting tasks back to the disk, sparing what is due soon. */
export function demoteFurthest(tiers: Tiers, queue: QueueRuntime, now: number): void {
  const { table } = tiers
  const from = now + imminentMs
  const to = queue.throughAt
  if (!(to > from) || (queue.nearCount - queue.due.count) * 4 < queue.nearCount) return
  if (Math.abs(now - queue.demotedAtMs) < demotionPauseMs) return
  queue.demotedAtMs = now
  const width = (to - from) / 64
  const counts = new Uint32Array(64)
  let count = 0
  for (let row = 0; row < table.capacity; row++) {
    if (table.tier[row] !== tier.wheel || table.queue[row] !== queue.number) continue
    const ahead = table.fireAt[row]! - from
    if (ahead <= 0) continue
    counts[Math.min(63, Math.floor(ahead / width))]!++
    count++
  }
  if (count * 4 < queue.nearCount) return
  let kept = 0
  let bucket = 0
  while (bucket < 63 && kept + counts[bucket]! <= count / 2) kept += counts[bucket++]!
  const cut = from + bucket * width
  queue.pullBackBefore(cut, 0)
  for (let row = 0; row < table.capacity; row++) {
    if (table.tier[row] === tier.wheel && table.queue[row] === queue.number && table.fireAt[row]! > cut) {
      tiers.demote(row, queue)
    }
  }
}

/**
 * Hands back to the disk what a queue holds of the time to come while older tasks of it wait on disk for room: they would
 * wait until those are due. Their keys are beyond the boundary, which is behind now.
 */
export function demoteAhead(tiers: Tiers, queue: QueueRuntime, now: number): void {
  const { table } = tiers
  if (queue.throughAt >= now || (queue.nearCount - queue.due.count) * 4 < queue.nearCount) return
  if (Math.abs(now - queue.demotedAtMs) < demotionPauseMs) return
  queue.demotedAtMs = now
  for (let row = 0; row < table.capacity; row++) {
    const waits = table.tier[row] === tier.wheel && table.queue[row] === queue.number
    if (waits && table.fireAt[row]! > now + imminentMs) tiers.demote(row, queue)
  }
}

/**
 * Copies what is left in mostly empty blocks into a fresh one, so that a few long-lived tasks do not hold many blocks.
 * Looks at a few blocks a call.
 */
export function compactBlocks(tiers: Tiers): void {
  const sparse = new Set<number>()
  for (const block of tiers.blocks.sparse()) {
    sparse.add(block)
    if (sparse.size === blocksPerCompaction) break
  }
  if (sparse.size < 2) return
  const { table, blocks } = tiers
  const survivors: number[] = []
  for (let row = 0; row < table.capacity; row++) {
    if (table.tier[row] !== tier.free && sparse.has(table.block[row]!)) survivors.push(row)
  }
  let target = -1
  let at = 0
  for (const row of survivors) {
    const from = table.block[row]!
    const bytes = tiers.bytesOf(row)
    if (target < 0 || at + bytes > blocks.bytes(target).length) {
      if (target >= 0) blocks.letGo(target)
      target = blocks.take(bytes)
      at = 0
    }
    const start = table.offset[row]! - 4
    blocks.bytes(from).copy(blocks.bytes(target), at, start, start + bytes)
    blocks.retain(target, bytes)
    blocks.release(from, bytes)
    table.block[row] = target
    table.offset[row] = at + 4
    at += bytes
  }
  if (target >= 0) blocks.letGo(target)
}

/**
 * One step of promotion: finds the next tasks of one hour in key order, up to a number of bytes, brings their bytes into
 * memory and puts them into the wheel. What the log's rows and the segments hold of the hour is merged.
 *
 * A copy from a segment is skipped when its task has a row, or the ledger says that it does not count. All that was found is
 * looked at again when it is put in place, since tasks end and move while a step waits for the disk.
 */

import { homeHourOf, ordinalOf, packId } from '../model/ids.ts'
import { putBytesMax } from '../model/records.ts'
import { writePutFromParts } from '../model/record-writers.ts'
import type { Clock } from '../platform/ports.ts'
import type { Log } from '../storage/wal/log.ts'
import type { SegmentMerge } from '../storage/segments/segment-merge.ts'
import { tier } from '../wheel/task-table.ts'
import type { FarRowScratch } from './far-row-scratch.ts'
import type { LogBodies } from './log-bodies.ts'
import type { SegmentSet } from './segment-set.ts'
import { cutFor } from './selection.ts'
import { rowBytes, type ActivePass, type Tiers } from './tiers.ts'
import { Turn } from './turn.ts'

/** A task that a step found, in key order. */
interface Found {
  readonly orderAt: number
  readonly id: number
  readonly lsn: number
  /** Its far row, or -1 when it comes from a segment. */
  readonly row: number
  queue: number
  fireAt: number
  placeHour: number
  block: number
  offset: number
  bytes: number
}

/** The end of what a step brought in. */
export interface Reached {
  readonly at: number
  readonly id: number
}

interface FarRows {
  readonly tasks: Found[]
  /** Far rows beyond this key were left out, since there are very many. */
  readonly cutAt: number
  readonly cutId: number
}

export interface PromotionParts {
  readonly clock: Clock
  readonly tiers: Tiers
  readonly log: Log
  readonly bodies: LogBodies
  readonly segments: SegmentSet
  readonly bytesMax: number
  readonly scratch: FarRowScratch
}

/** Bytes that a far row is taken for before its record is read. */
const farRowBytesGuess = 256

/** An entry that a merge stands at. */
type SegmentCopy = NonNullable<SegmentMerge['current']>

export class Promotion {
  readonly #parts: PromotionParts
  readonly #pass: ActivePass
  readonly #hour: number
  readonly #turn: Turn
  /** The block that bytes are copied into, and where the next ones go. */
  #block = -1
  #blockAt = 0

  constructor(parts: PromotionParts, pass: ActivePass, hour: number) {
    this.#parts = parts
    this.#pass = pass
    this.#hour = hour
    this.#turn = new Turn(parts.clock)
  }

  /** Runs the step from after a key; answers up to where every task is near now. */
  async run(fromAt: number, fromId: number): Promise<Reached> {
    const { tiers, log } = this.#parts
    const pass = this.#pass
    tiers.activePass = pass
    try {
      const lsn = log.appendedLsn
      const { tasks, reached } = await this.#collect(fromAt, fromId)
      await log.whenWritten(lsn)
      await this.#readBodies(tasks)
      pass.reachedAt = reached.at
      pass.reachedId = reached.id
      pass.committing = true
      await this.#commit(tasks)
      return reached
    } finally {
      tiers.activePass = undefined
      for (const row of pass.added) {
        if (tiers.table.tier[row] === tier.far) tiers.forgetBytes(row)
      }
      if (this.#block >= 0) tiers.blocks.letGo(this.#block)
    }
  }

  /** Finds the next tasks in key order; those from segments are copied into blocks. */
  async #collect(fromAt: number, fromId: number): Promise<{ tasks: Found[]; reached: Reached }> {
    const { segments, bytesMax } = this.#parts
    const pass = this.#pass
    const rows = await this.#farRows()
    const merge = await segments.openMerge(this.#hour, fromAt, fromId)
    const tasks: Found[] = []
    let bytes = 0
    let nextRow = 0
    try {
      for (;;) {
        if (this.#turn.isOver()) await this.#turn.next()
        if (merge.needsFill) await merge.fill()
        const entry = merge.current
        const copy =
          entry !== undefined && entry.placeHour === this.#hour && entry.orderAt <= pass.targetAt ? entry : undefined
        const copyId = copy === undefined ? 0 : packId(copy.homeHour, copy.ordinal)
        const row = nextRow < rows.tasks.length ? rows.tasks[nextRow]! : undefined
        const rowIsNext =
          row !== undefined &&
          (copy === undefined || row.orderAt < copy.orderAt || (row.orderAt === copy.orderAt && row.id <= copyId))
        const at = rowIsNext ? row.orderAt : copy === undefined ? Infinity : copy.orderAt
        const id = rowIsNext ? row.id : copyId
        const last = tasks.at(-1)
        if (bytes >= bytesMax && last !== undefined) return { tasks, reached: { at: last.orderAt, id: last.id } }
        if (at > rows.cutAt || (at === rows.cutAt && id > rows.cutId)) {
          return { tasks, reached: { at: rows.cutAt, id: rows.cutId } }
        }
        if (at === Infinity) return { tasks, reached: { at: pass.targetAt, id: Infinity } }
        if (rowIsNext) {
          tasks.push(row)
          bytes += farRowBytesGuess
          nextRow++
          continue
        }
        if (this.#wants(copy!, copyId)) {
          tasks.push(this.#copyIn(copy!, copyId))
          bytes += tasks.at(-1)!.bytes + rowBytes
        }
        merge.advance()
      }
    } finally {
      await segments.closeMerge(merge)
    }
  }

  /** Whether a copy in a segment is the one that counts of a task that is to be brought in. */
  #wants(copy: SegmentCopy, id: number): boolean {
    const { tiers } = this.#parts
    const queue = tiers.queues[copy.queue]
    return (
      queue !== undefined &&
      this.#pass.queues.has(queue) &&
      !queue.covers(copy.orderAt, id) &&
      tiers.ledger.copyCounts(copy.homeHour, copy.ordinal, this.#hour, copy.lsn) &&
      tiers.rowOf(copy.homeHour, copy.ordinal) < 0
    )
  }

  #copyIn(copy: SegmentCopy, id: number): Found {
    const { blocks } = this.#parts.tiers
    const offset = this.#roomFor(putBytesMax(copy.payload, copy.extras))
    const into = blocks.bytes(this.#block)
    const end = writePutFromParts(into, offset, copy, this.#hour)
    this.#keep(offset, end - offset)
    const { orderAt, lsn, queue, fireAt } = copy
    const bytes = end - offset + 4
    return { orderAt, id, lsn, row: -1, queue, fireAt, placeHour: this.#hour, block: this.#block, offset, bytes }
  }

  /** Makes sure the block has room for a record of up to `bytesMax`; answers where it goes. */
  #roomFor(bytesMax: number): number {
    const { blocks } = this.#parts.tiers
    if (this.#block < 0 || this.#blockAt + 4 + bytesMax > blocks.bytes(this.#block).length) {
      if (this.#block >= 0) blocks.letGo(this.#block)
      this.#block = blocks.take(bytesMax + 4)
      this.#blockAt = 0
    }
    return this.#blockAt + 4
  }

  /** A record of `bytes` was written at `offset` of the block: its length goes before it, and it is retained. */
  #keep(offset: number, bytes: number): void {
    const { blocks } = this.#parts.tiers
    blocks.bytes(this.#block).writeUInt32LE(bytes, offset - 4)
    blocks.retain(this.#block, bytes + 4)
    this.#blockAt = offset + bytes
  }

  /** The far rows of the hour that are wanted, in key order; when there are very many, those up to a cut. */
  async #farRows(): Promise<FarRows> {
    const { tiers, bytesMax } = this.#parts
    const pass = this.#pass
    const hour = this.#hour
    const { table } = tiers
    const bag = tiers.farHours.get(hour)
    const tasks: Found[] = []
    const { scratch } = this.#parts
    scratch.start(bag?.count ?? 0)
    if (bag === undefined || bag.count === 0) return { tasks, cutAt: Infinity, cutId: Infinity }
    const wanted = Math.ceil(bytesMax / farRowBytesGuess)
    for (let position = bag.count - 1; position >= 0; position--) {
      if ((position & 1023) === 0 && this.#turn.isOver()) await this.#turn.next()
      if (position >= bag.count) continue
      const row = bag.at(position)
      const queue = tiers.queues[table.queue[row]!]!
      if (!pass.queues.has(queue)) continue
      const orderAt = tiers.orderAt(row)
      const id = tiers.idOf(row)
      if (orderAt > pass.targetAt || queue.covers(orderAt, id)) continue
      scratch.add(orderAt, id, row)
    }
    const { count, orderAts, ids, rows } = scratch
    const cut = cutFor(orderAts, ids, count, wanted)
    for (let i = 0; i < count; i++) {
      const orderAt = orderAts[i]!
      const id = ids[i]!
      if (orderAt > cut.orderAt || (orderAt === cut.orderAt && id > cut.id)) continue
      const row = rows[i]!
      // A row may have been given away while this walk paused.
      if (table.tier[row] !== tier.far || tiers.idOf(row) !== id) continue
      tasks.push({
        orderAt,
        id,
        lsn: table.lsn[row]!,
        row,
        queue: table.queue[row]!,
        fireAt: table.fireAt[row]!,
        placeHour: hour,
        block: -1,
        offset: 0,
        bytes: 0,
      })
    }
    tasks.sort((a, b) => a.orderAt - b.orderAt || a.id - b.id)
    const distinct = tasks.filter((task, index) => index === 0 || task.id !== tasks[index - 1]!.id)
    return { tasks: distinct, cutAt: cut.orderAt, cutId: cut.id }
  }

  /** Reads the bytes of the far rows among what was found from the log's files. */
  async #readBodies(found: readonly Found[]): Promise<void> {
    const { tiers, bodies } = this.#parts
    const { table } = tiers
    const wanted = found.filter((task) => task.row >= 0 && this.#stillFar(task) && table.block[task.row]! < 0)
    await bodies.readMany(
      wanted.map((task) => ({ walCell: table.walFile[task.row]!, walOffset: table.walOffset[task.row]! })),
      (index, bytes, at, length) => {
        const task = wanted[index]!
        const offset = this.#roomFor(length)
        bytes.copy(tiers.blocks.bytes(this.#block), offset, at, at + length)
        this.#keep(offset, length)
        task.block = this.#block
        task.offset = offset
        task.bytes = length + 4
      },
    )
  }

  #stillFar(task: Found): boolean {
    const { tiers } = this.#parts
    const { row } = task
    return tiers.table.tier[row] === tier.far && tiers.table.lsn[row] === task.lsn && tiers.idOf(row) === task.id
  }

  /** Puts what was found, and what came meanwhile, into the wheel. */
  async #commit(found: readonly Found[]): Promise<void> {
    const { tiers } = this.#parts
    const { table, ledger, blocks } = tiers
    const pass = this.#pass
    for (const row of pass.added) {
      if (table.tier[row] !== tier.far || table.block[row]! < 0) continue
      const orderAt = tiers.orderAt(row)
      const reached = orderAt < pass.reachedAt || (orderAt === pass.reachedAt && tiers.idOf(row) <= pass.reachedId)
      if (reached) tiers.promoteRow(row, table.block[row]!, table.offset[row]!, tiers.bytesOf(row))
      else tiers.forgetBytes(row)
      if (this.#turn.isOver()) await this.#turn.next()
    }
    pass.added.length = 0
    for (const task of found) {
      if (this.#turn.isOver()) await this.#turn.next()
      if (task.row >= 0) {
        if (this.#stillFar(task) && table.block[task.row]! < 0) {
          tiers.promoteRow(task.row, task.block, task.offset, task.bytes)
        }
        if (task.block >= 0) blocks.release(task.block, task.bytes)
        continue
      }
      const homeHour = homeHourOf(task.id)
      const ordinal = ordinalOf(task.id)
      if (tiers.rowOf(homeHour, ordinal) < 0 && ledger.copyCounts(homeHour, ordinal, task.placeHour, task.lsn)) {
        const { queue, fireAt, placeHour, lsn, block, offset, bytes } = task
        tiers.enterFromSegment(homeHour, ordinal, queue, fireAt, placeHour, lsn, block, offset, bytes)
      }
      blocks.release(task.block, task.bytes)
    }
  }
}

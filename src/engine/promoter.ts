/**
 * Brings tasks from disk into memory ahead of time, in fire order, one bounded step after the other.
 *
 * Each step takes the first hour that has live tasks beyond the boundary of the queues it serves (promotion.ts brings its
 * next tasks in), and then moves the boundary.
 *
 * Invariants
 * - The boundary of a queue moves only after every live task up to it has a near row; never when the boundary was pulled
 *   back while the step ran.
 * - Tasks that arrive while a step runs, with keys it will cover, keep their bytes and are put in with its result.
 * - Steps and the swap of a checkpoint exclude each other (`exclusive`), so that no task changes tiers behind a step's back.
 * - Queues that keep up go first; a queue that fell behind (paused, slow, unhandled) catches up in steps of its own.
 */

import { hourMs, hourOf } from '../model/units.ts'
import type { Clock } from '../platform/ports.ts'
import type { Log } from '../storage/wal/log.ts'
import type { Exclusive } from './exclusive.ts'
import { FarRowScratch } from './far-row-scratch.ts'
import type { LogBodies } from './log-bodies.ts'
import { Promotion } from './promotion.ts'
import type { QueueRuntime } from './queue-runtime.ts'
import { demoteAhead } from './relief.ts'
import type { SegmentSet } from './segment-set.ts'
import type { ActivePass, Tiers } from './tiers.ts'

const stepBytesMax = 2 << 20
/** A queue whose boundary is no further behind now than this has caught up. */
const keepsUpMs = 1_000

export interface PromoterParts {
  readonly clock: Clock
  readonly tiers: Tiers
  readonly log: Log
  readonly bodies: LogBodies
  readonly segments: SegmentSet
  readonly exclusive: Exclusive
  /** How far ahead of now tasks are brought in, memory permitting. */
  readonly aheadMs: number
  /** Nothing is promoted by a clock that is not trusted. */
  readonly held: () => boolean
  failed(error: unknown): void
  /** Near tasks came in: the ticker looks at the wheel again. */
  promoted(): void
}

export class Promoter {
  readonly #parts: PromoterParts
  readonly #stepBytesMax: number
  readonly #scratch = new FarRowScratch()
  #running = false
  #again = false
  #stopped = false

  constructor(parts: PromoterParts) {
    this.#parts = parts
    this.#stepBytesMax = Math.min(stepBytesMax, parts.tiers.limits.nearBytesMax / 16)
  }

  stop(): void {
    this.#stopped = true
  }

  /** Looks whether anything is to be brought in; cheap when not. */
  poke(): void {
    if (this.#stopped) return
    if (this.#running) {
      this.#again = true
      return
    }
    if (this.#nextQueues() === undefined) return
    this.#running = true
    void this.#run()
  }

  async #run(): Promise<void> {
    try {
      do {
        this.#again = false
        for (;;) {
          const queues = this.#nextQueues()
          if (queues === undefined || this.#stopped) break
          await this.#parts.exclusive.run(() => this.#step(queues))
          this.#parts.promoted()
        }
      } while (this.#again)
    } catch (error) {
      if (!this.#stopped) this.#parts.failed(error)
    } finally {
      this.#running = false
    }
  }

  /** The queues of the next step: those that keep up and need it, else one that has to catch up. */
  #nextQueues(): QueueRuntime[] | undefined {
    const { tiers, aheadMs, held } = this.#parts
    if (held()) return undefined
    const now = this.#parts.clock.wallMs()
    // After the clock was set back, tasks that come for an hour already retired are filed under the oldest one left.
    const wantedAt = Math.max(now, this.#oldestMs) + aheadMs / 2
    const current: QueueRuntime[] = []
    let furthestBehind: QueueRuntime | undefined
    for (const queue of tiers.queues) {
      if (queue === undefined || queue.throughAt >= wantedAt) continue
      if (queue.throughAt < now && (tiers.isOverShare(queue) || (queue.lagging && !this.#mayCatchUp(queue)))) {
        demoteAhead(tiers, queue, now)
      }
      if (tiers.isOverShare(queue)) {
        if (queue.throughAt < now) queue.lagging = true
        continue
      }
      if (queue.lagging && queue.throughAt >= now - keepsUpMs) queue.lagging = false
      if (!queue.lagging) current.push(queue)
      else if (
        this.#mayCatchUp(queue) &&
        (furthestBehind === undefined || queue.throughAt < furthestBehind.throughAt)
      ) {
        furthestBehind = queue
      }
    }
    if (current.length > 0) return current
    return furthestBehind === undefined ? undefined : [furthestBehind]
  }

  get #oldestMs(): number {
    return this.#parts.tiers.ledger.oldestHour * hourMs
  }

  /** A backlog is read again once half of the queue's share is free. */
  #mayCatchUp(queue: QueueRuntime): boolean {
    return queue.nearBytes < this.#parts.tiers.limits.nearBytesMax / 8
  }

  async #step(queues: readonly QueueRuntime[]): Promise<void> {
    const targetAt = Math.max(this.#parts.clock.wallMs(), this.#oldestMs) + this.#parts.aheadMs
    let fromAt = Infinity
    let fromId = Infinity
    for (const queue of queues) {
      if (queue.throughAt < fromAt || (queue.throughAt === fromAt && queue.throughId < fromId)) {
        fromAt = queue.throughAt
        fromId = queue.throughId
      }
    }
    const hour = this.#firstLiveHour(fromId === Infinity ? fromAt + 1 : fromAt, targetAt)
    if (hour === undefined) {
      for (const queue of queues) queue.moveThrough(targetAt, Infinity)
      return
    }
    const pullBacks = queues.map((queue) => queue.pullBackCount)
    const pass: ActivePass = {
      queues: new Set(queues),
      targetAt: Math.min(targetAt, (hour + 1) * hourMs - 1),
      reachedAt: -Infinity,
      reachedId: -1,
      committing: false,
      added: [],
    }
    const promotion = new Promotion(
      { ...this.#parts, bytesMax: this.#stepBytesMax, scratch: this.#scratch },
      pass,
      hour,
    )
    const reached = await promotion.run(fromAt, fromId)
    queues.forEach((queue, index) => {
      if (queue.pullBackCount === pullBacks[index]) queue.moveThrough(reached.at, reached.id)
    })
  }

  /** The first hour, at or after an instant, that has live tasks at or before the target. */
  #firstLiveHour(fromAt: number, targetAt: number): number | undefined {
    const from = fromAt === -Infinity ? -1 : hourOf(Math.max(0, fromAt))
    const to = hourOf(targetAt)
    let first: number | undefined
    for (const [number, hour] of this.#parts.tiers.ledger.hours) {
      if (hour.live > 0 && number >= from && number <= to && (first === undefined || number < first)) first = number
    }
    return first
  }
}

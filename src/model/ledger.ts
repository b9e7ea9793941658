/**
 * The ledger: everything durable about tasks except their bytes and where those lie. It is the one `apply`: live traffic
 * and replay change it through the same methods, one a record kind, each a pure function of (ledger, record).
 *
 * Invariants
 * - Records carry what apply needs (queue, state left, hour left), so that apply never reads a disk.
 * - Counters, calendar and next ordinals are exact as of a record; they start from the head record of a log file.
 * - All else (`ends`, `moved`, `superseded`, `leases`, `losses`, `dead`) is set to absolute values, so that replaying records
 *   over a snapshot that is already ahead of them converges to the same state once the last of them is applied.
 * - A live task's placeHour is never before `oldestHour`; a home hour before it is retired: its end states are forgotten
 *   and only `moved` and `dead` know which of its ids are not ended.
 * - accepted = pending + leased + succeeded + dead + cancelled + expired + replaced + purged + damaged, per queue, always.
 *
 * It does not know rows, wheels, files or clocks; which copy of a task's bytes is the newest is told by `superseded`.
 */

import { EndStates } from './end-states.ts'
import { HourMap } from './hour-map.ts'

/** Positions in a queue's counters; the order is that of the head record (docs/format.md). */
export const counter = {
  accepted: 0,
  pending: 1,
  leased: 2,
  succeeded: 3,
  dead: 4,
  cancelled: 5,
  expired: 6,
  replaced: 7,
  purged: 8,
  damaged: 9,
} as const
export const counterCount = 10

export interface QueueLedger {
  readonly number: number
  readonly name: string
  paused: boolean
  readonly counters: Float64Array
}

/** What is known of one hour, ever: the next ordinal it hands out as a home, and how many live tasks are filed under it. */
export interface HourLedger {
  readonly hour: number
  nextOrdinal: number
  live: number
}

export interface Lease {
  readonly id: number
  readonly queue: number
  readonly fence: number
  /** How often a lease of this task was lost with the engine's process, before this lease. */
  readonly losses: number
  /** A cancel came while it was leased: this attempt is the last. */
  stopped: boolean
}

/**
 * Copies of the task filed under `hour` with a smaller LSN no longer count. Only the hour it is filed under now matters:
 * copies under any other hour do not count anyway. Needed as long as a segment covers that hour.
 */
export interface Superseded {
  readonly lsn: number
  readonly hour: number
}

export interface DeadEntry {
  readonly id: number
  readonly queue: number
  readonly lsn: number
  /** The hour it was filed under when it died. */
  readonly placeHour: number
}

/** Why a live task ends; positions are those of the `end` record. */
export type EndHow = 'succeeded' | 'cancelled' | 'expired' | 'damaged' | 'replaced'
export type FromState = 'pending' | 'leased' | 'dead'

const endState = { succeeded: 1, cancelled: 2, expired: 3, damaged: 3, replaced: 3 } as const

const idBase = 2 ** 32

export class Ledger {
  readonly queues: QueueLedger[] = []
  readonly queueByName: Map<string, QueueLedger> = new Map()
  readonly hours: HourMap<HourLedger> = new HourMap()
  oldestHour: number
  readonly ends: EndStates = new EndStates()
  /** Live tasks filed outside their home hour: id -> placeHour. */
  readonly moved: Map<number, number> = new Map()
  readonly superseded: Map<number, Superseded> = new Map()
  readonly leases: Map<number, Lease> = new Map()
  /** Tasks that were lost with an earlier process and are not leased now: id -> how often. */
  readonly losses: Map<number, number> = new Map()
  readonly dead: Map<number, DeadEntry> = new Map()

  constructor(oldestHour: number) {
    this.oldestHour = oldestHour
  }

  hour(hour: number): HourLedger {
    let found = this.hours.get(hour)
    if (found === undefined) {
      found = { hour, nextOrdinal: 0, live: 0 }
      this.hours.set(hour, found)
    }
    return found
  }

  queue(number: number): QueueLedger {
    const found = this.queues[number]
    if (found === undefined) throw new Error(`queue ${number} has no record that names it`)
    return found
  }

  /** The state of an id as far as the ledger alone knows; `live` is told apart into pending and leased. */
  stateOf(homeHour: number, ordinal: number): 'missing' | 'pending' | 'leased' | 'dead' | 'ended' {
    const id = homeHour * idBase + ordinal
    if (this.leases.has(id)) return 'leased'
    if (this.moved.has(id)) return 'pending'
    if (this.dead.has(id)) return 'dead'
    const hour = this.hours.get(homeHour)
    if (hour === undefined || ordinal >= hour.nextOrdinal) return 'missing'
    if (homeHour < this.oldestHour) return 'ended'
    return this.ends.get(homeHour, ordinal) === 0 ? 'pending' : 'ended'
  }

  /** How an ended task ended, while that is known. */
  howEnded(homeHour: number, ordinal: number): 'succeeded' | 'cancelled' | 'other' | undefined {
    if (homeHour < this.oldestHour) return undefined
    const state = this.ends.get(homeHour, ordinal)
    return state === 1 ? 'succeeded' : state === 2 ? 'cancelled' : state === 3 ? 'other' : undefined
  }

  /** Whether a copy of a task found in a segment, filed under `placeHour`, is the one that counts. */
  copyCounts(homeHour: number, ordinal: number, placeHour: number, lsn: number): boolean {
    const id = homeHour * idBase + ordinal
    const place = this.moved.get(id)
    if (place === undefined) {
      if (homeHour !== placeHour || homeHour < this.oldestHour) return false
      if (this.ends.get(homeHour, ordinal) !== 0) return false
    } else if (place !== placeHour) return false
    if (this.superseded.size === 0) return true
    const mark = this.superseded.get(id)
    return mark === undefined || lsn >= mark.lsn
  }

  applyNew(homeHour: number, ordinal: number, queue: number): void {
    const counters = this.queues[queue]!.counters
    counters[counter.accepted]!++
    counters[counter.pending]!++
    const hour = this.hour(homeHour)
    if (ordinal >= hour.nextOrdinal) hour.nextOrdinal = ordinal + 1
    hour.live++
  }

  /**
   * A new version of a live task, or a dead letter redriven. `mayHaveCopies`: whether a copy of any version before may lie
   * in a segment; only a task all of whose records are still in the log is sure to have none.
   */
  applyPut(
    cause: 'retry' | 'reschedule' | 'redrive' | 'replace',
    from: FromState,
    homeHour: number,
    ordinal: number,
    queue: number,
    placeHour: number,
    leftHour: number,
    lsn: number,
    mayHaveCopies: boolean,
  ): void {
    const id = homeHour * idBase + ordinal
    const counters = this.queues[queue]!.counters
    counters[counter[from]]!--
    counters[counter.pending]!++
    if (cause === 'replace') {
      counters[counter.accepted]!++
      counters[counter.replaced]!++
    }
    if (from === 'dead') {
      this.dead.delete(id)
      this.ends.set(homeHour, ordinal, 0)
    } else this.hour(leftHour).live--
    this.hour(placeHour).live++
    if (placeHour === homeHour) this.moved.delete(id)
    else this.moved.set(id, placeHour)
    if (mayHaveCopies || from === 'dead') this.supersede(id, lsn, placeHour)
    if (from !== 'pending') this.leases.delete(id)
    if (this.losses.size !== 0) this.losses.delete(id)
  }

  /** Says that copies of `id` older than `lsn`, filed under `hour` where it is now, no longer count. */
  supersede(id: number, lsn: number, hour: number): void {
    const before = this.superseded.get(id)
    this.superseded.set(id, { lsn: before === undefined ? lsn : Math.max(lsn, before.lsn), hour })
  }

  applyLease(homeHour: number, ordinal: number, queue: number, fence: number, losses: number): Lease {
    const counters = this.queues[queue]!.counters
    counters[counter.pending]!--
    counters[counter.leased]!++
    const lease: Lease = { id: homeHour * idBase + ordinal, queue, fence, losses, stopped: false }
    this.leases.set(lease.id, lease)
    return lease
  }

  applyUnlease(homeHour: number, ordinal: number, queue: number, losses: number): void {
    const id = homeHour * idBase + ordinal
    const counters = this.queues[queue]!.counters
    counters[counter.leased]!--
    counters[counter.pending]!++
    this.leases.delete(id)
    if (losses > 0) this.losses.set(id, losses)
    else this.losses.delete(id)
  }

  applyStop(homeHour: number, ordinal: number): void {
    const lease = this.leases.get(homeHour * idBase + ordinal)
    if (lease !== undefined) lease.stopped = true
  }

  applyEnd(how: EndHow, from: FromState, homeHour: number, ordinal: number, queue: number, placeHour: number): void {
    const counters = this.queues[queue]!.counters
    counters[counter[from]]!--
    counters[counter[how]]!++
    this.#leave(from, homeHour, ordinal, placeHour, endState[how])
  }

  applyDead(from: FromState, homeHour: number, ordinal: number, queue: number, placeHour: number, lsn: number): void {
    const counters = this.queues[queue]!.counters
    counters[counter[from]]!--
    counters[counter.dead]!++
    this.#leave(from, homeHour, ordinal, placeHour, 3)
    const id = homeHour * idBase + ordinal
    this.dead.set(id, { id, queue, lsn, placeHour })
  }

  #leave(from: FromState, homeHour: number, ordinal: number, placeHour: number, state: 1 | 2 | 3): void {
    const id = homeHour * idBase + ordinal
    // A dead letter left its hour when it died.
    if (from === 'dead') this.dead.delete(id)
    else this.hour(placeHour).live--
    if (homeHour >= this.oldestHour) this.ends.set(homeHour, ordinal, state)
    if (this.moved.size !== 0) this.moved.delete(id)
    if (this.superseded.size !== 0) this.superseded.delete(id)
    if (from === 'leased') this.leases.delete(id)
    if (this.losses.size !== 0) this.losses.delete(id)
  }

  applyPurge(homeHour: number, ordinal: number, queue: number): void {
    const counters = this.queues[queue]!.counters
    counters[counter.dead]!--
    counters[counter.purged]!++
    this.dead.delete(homeHour * idBase + ordinal)
  }

  applyQueue(number: number, name: string, paused: boolean): QueueLedger {
    const known = this.queues[number]
    if (known !== undefined) {
      known.paused = paused
      return known
    }
    const queue: QueueLedger = { number, name, paused, counters: new Float64Array(counterCount) }
    this.queues[number] = queue
    this.queueByName.set(name, queue)
    return queue
  }

  /** Hours before `oldestHour` are retired. Refused by the caller while one of them has live tasks. */
  applyRetire(oldestHour: number): void {
    if (oldestHour <= this.oldestHour) return
    this.oldestHour = oldestHour
    this.ends.dropHoursBefore(oldestHour)
  }
}

/**
 * Makes the ledger that of the tasks that were found: counters, calendar, marks, end states. What is not found has ended as
 * damaged, so that the sum still holds and nobody waits for it.
 */

import { homeHourOf, ordinalOf } from '../../model/ids.ts'
import { counter, counterCount, type Ledger } from '../../model/ledger.ts'
import { nameQueue } from '../inspect/log-survey.ts'
import type { Survey } from '../inspect/survey.ts'
import type { Sifted } from './sift.ts'

export interface Balance {
  /** Tasks and dead letters that counters and calendar have, and no copy. */
  readonly lostTasks: number
  readonly lostDeadLetters: number
  /** More live tasks than the counters have: their end was in what was lost, so that they will fire again. */
  readonly revived: number
  /** Live tasks that are gone, by the hour they were filed under. */
  readonly hours: readonly { readonly hour: number; readonly tasks: number }[]
}

export function mendLedger({ ledger, hasHead, knowsWhatCounts }: Survey, sifted: Sifted): Balance {
  // Numbers without a name, below one that was seen.
  for (let number = 0; number < ledger.queues.length; number++) nameQueue(ledger, number)
  const hours = mendHours(ledger, sifted)
  // Marks of a snapshot that was read in part may speak of versions that are lost.
  if (!knowsWhatCounts) ledger.superseded.clear()
  mendTasks(ledger, sifted)
  const sums = mendCounters(ledger, sifted, hasHead)
  return { ...sums, hours: hasHead ? hours : [] }
}

function mendHours(ledger: Ledger, { found }: Sifted): { hour: number; tasks: number }[] {
  const lost: { hour: number; tasks: number }[] = []
  for (const [hour, ordinal] of found.ordinalMax) {
    const known = ledger.hour(hour)
    known.nextOrdinal = Math.max(known.nextOrdinal, ordinal + 1)
  }
  for (const hour of found.byHour.keys()) ledger.hour(hour)
  for (const known of ledger.hours.values()) {
    const live = found.byHour.get(known.hour) ?? 0
    if (known.live > live) lost.push({ hour: known.hour, tasks: known.live - live })
    known.live = live
  }
  return lost.sort((a, b) => a.hour - b.hour)
}

function mendTasks(ledger: Ledger, { found, several }: Sifted): void {
  const { moved, superseded, leases, losses, dead, ends } = ledger
  const isLive = (id: number): boolean => found.isLive(homeHourOf(id), ordinalOf(id))
  moved.clear()
  for (const [id, hour] of found.moved) moved.set(id, hour)
  for (const id of superseded.keys()) if (!isLive(id)) superseded.delete(id)
  for (const id of several.keys()) {
    if (isLive(id)) ledger.supersede(id, several.get(id)!, moved.get(id) ?? homeHourOf(id))
  }
  for (const id of leases.keys()) if (!isLive(id)) leases.delete(id)
  for (const id of losses.keys()) if (!isLive(id)) losses.delete(id)
  dead.clear()
  for (const [id, entry] of found.dead) dead.set(id, entry)
  for (const { hour, nextOrdinal } of ledger.hours.values()) {
    if (hour < ledger.oldestHour) continue
    for (let ordinal = 0; ordinal < nextOrdinal; ordinal++) {
      const isFound = found.isLive(hour, ordinal)
      const state = ends.get(hour, ordinal)
      if (isFound && state !== 0) ends.set(hour, ordinal, 0)
      else if (!isFound && state === 0) ends.set(hour, ordinal, 3)
    }
  }
}

function mendCounters(ledger: Ledger, { found }: Sifted, hasHead: boolean): Omit<Balance, 'hours'> {
  const leased = countBy(ledger.leases.values())
  const deadFound = countBy(found.dead.values())
  let lostTasks = 0
  let lostDeadLetters = 0
  let revived = 0
  for (const queue of ledger.queues) {
    const { counters, number } = queue
    const live = found.byQueue.get(number) ?? 0
    const dead = deadFound.get(number) ?? 0
    const lostHere = Math.max(0, counters[counter.pending]! + counters[counter.leased]! - live)
    const lostDeadHere = Math.max(0, counters[counter.dead]! - dead)
    if (hasHead) revived += Math.max(0, live - counters[counter.pending]! - counters[counter.leased]!)
    lostTasks += lostHere
    lostDeadLetters += lostDeadHere
    counters[counter.leased] = leased.get(number) ?? 0
    counters[counter.pending] = live - counters[counter.leased]!
    counters[counter.dead] = dead
    counters[counter.damaged]! += lostHere + lostDeadHere
    for (let index = 0; index < counterCount; index++) counters[index] = Math.max(0, counters[index]!)
    let accepted = 0
    for (let index = 1; index < counterCount; index++) accepted += counters[index]!
    counters[counter.accepted] = accepted
  }
  return { lostTasks, lostDeadLetters, revived }
}

function countBy(items: Iterable<{ readonly queue: number }>): Map<number, number> {
  const counts = new Map<number, number>()
  for (const { queue } of items) counts.set(queue, (counts.get(queue) ?? 0) + 1)
  return counts
}

/** stats and calendar: counted as things happen, never by looking through tasks. */

import { parseCalendarRange } from '../model/call-inputs.ts'
import type { CalendarHour, QueueStats, Stats } from '../model/engine-reports.ts'
import type { InstantInput } from '../model/hourwheel.ts'
import { counter, counterCount } from '../model/ledger.ts'
import { addCounters, conservationOf, countersByName } from '../model/stats.ts'
import { hourMs, hourOf } from '../model/units.ts'
import { tier } from '../wheel/task-table.ts'
import type { Core } from './core.ts'

export function statsOf(core: Core): Stats {
  const { tiers, dispatcher, log, segments, checkpointer, ticker, platform } = core
  const now = platform.clock.wallMs()
  const total = new Float64Array(counterCount)
  const queues: Record<string, QueueStats> = {}
  let overdueOldestMs = 0
  for (const queue of tiers.queues) {
    if (queue === undefined) continue
    const { counters } = queue.ledger
    addCounters(total, counters)
    const oldest = oldestDueAt(core, queue.number)
    const overdueMs = oldest === undefined ? 0 : Math.max(0, now - oldest)
    if (overdueMs > overdueOldestMs) overdueOldestMs = overdueMs
    queues[queue.name] = {
      ...countersByName(counters),
      paused: queue.ledger.paused,
      handled: dispatcher.hasConsumer(queue.number),
      due: queue.due.count,
      running: dispatcher.runningIn(queue.number),
      overdueOldestMs: overdueMs,
      nearBytes: queue.nearBytes,
    }
  }
  const { lateness } = dispatcher
  const near = tiers.table.count - tiers.farCount
  const live = total[counter.pending]! + total[counter.leased]!
  const logStats = log.stats()
  return {
    queues,
    total: countersByName(total),
    conservation: conservationOf(total),
    overdueOldestMs,
    lateness: {
      count: lateness.count,
      p50Ms: lateness.quantileMs(0.5),
      p99Ms: lateness.quantileMs(0.99),
      maxMs: lateness.maxMs,
    },
    wal: {
      files: logStats.files,
      bytes: logStats.bytes,
      appendedLsn: log.appendedLsn,
      syncedLsn: log.syncedLsn,
      diskFull: log.diskFull,
      syncs: logStats.syncs,
      syncMs: logStats.syncMs,
      syncMsMax: logStats.syncMsMax,
    },
    near,
    far: live - near,
    nearBytes: tiers.nearBytes,
    segments: { files: segments.size, bytes: segments.bytes, tasks: segments.tasks },
    checkpoints: checkpointer.count,
    merges: core.merger.count,
    clock: { held: ticker.held, heldBecause: ticker.heldBecause },
    healthy: !ticker.held && total[counter.damaged] === 0,
    incarnation: core.incarnation,
    openCount: core.openCount,
  }
}

/** The fire time of the first due task of a queue, as far as it is in memory. */
function oldestDueAt(core: Core, queueNumber: number): number | undefined {
  const { table, queues } = core.tiers
  const head = queues[queueNumber]!.due.head
  return head >= 0 && table.tier[head] === tier.due ? table.fireAt[head] : undefined
}

export function calendarOf(
  core: Core,
  range: { from?: InstantInput | undefined; to?: InstantInput | undefined } = {},
): CalendarHour[] {
  const { from = -Infinity, to = Infinity } = parseCalendarRange(range)
  const [fromHour, toHour] = [hourOf(from), hourOf(to)]
  const hours: CalendarHour[] = []
  for (const { hour, live } of core.ledger.hours.values()) {
    if (live > 0 && hour >= fromHour && hour <= toHour) hours.push({ hour: hour * hourMs, pending: live })
  }
  return hours.sort((a, b) => a.hour - b.hour)
}

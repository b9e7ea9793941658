/** Applies records read from the log at start: the same `apply` of the ledger that live traffic goes through. */

import { refuse } from '../model/errors.ts'
import { packId } from '../model/ids.ts'
import { counterCount, type Ledger } from '../model/ledger.ts'
import type { HeadRecord, TaskRecord } from '../model/records.ts'
import { hourMs } from '../model/units.ts'
import type { KeyEntry } from '../platform/ports.ts'
import { keyIn } from './key-holders.ts'
import { walCellOf, type LogPlace } from './log-bodies.ts'
import type { Tiers } from './tiers.ts'

export interface ReplayState {
  readonly ledger: Ledger
  readonly tiers: Tiers
  readonly deadInLog: Map<number, LogPlace>
  /** A queue was named for the first time. */
  queueKnown(number: number): void
  /** The record with this LSN says what a key names. */
  keyNamed?(queue: number, key: string, entry: KeyEntry, lsn: number): void
  /** Whether a head record was seen: counters and calendar are set. */
  started: boolean
  clockMs: number
}

/** Applies one record; `walOffset` is where its msgpack begins in the file. */
export function replay(
  state: ReplayState,
  record: TaskRecord,
  lsn: number,
  fileNumber: number,
  walOffset: number,
): void {
  const { ledger, tiers } = state
  if (record.kind === 'head') {
    applyHead(state, record)
    return
  }
  if (state.keyNamed !== undefined) replayKey(state, record, lsn)
  const walCell = walCellOf(fileNumber)
  switch (record.kind) {
    case 'new': {
      const { homeHour, ordinal, queue, fireAt } = record
      ledger.queue(queue)
      ledger.applyNew(homeHour, ordinal, queue)
      tiers.enterFromReplay(homeHour, ordinal, queue, fireAt, homeHour, lsn, walCell, walOffset, false)
      return
    }
    case 'put': {
      const { cause, from, homeHour, ordinal, queue, fireAt, placeHour, leftHour } = record
      ledger.queue(queue)
      const row = tiers.rowOf(homeHour, ordinal)
      const mayHaveCopies = row < 0 || tiers.table.flags[row] === 1
      ledger.applyPut(cause, from, homeHour, ordinal, queue, placeHour, leftHour, lsn, mayHaveCopies)
      if (row >= 0) tiers.drop(row)
      state.deadInLog.delete(packId(homeHour, ordinal))
      tiers.enterFromReplay(homeHour, ordinal, queue, fireAt, placeHour, lsn, walCell, walOffset, mayHaveCopies)
      return
    }
    case 'lease':
      ledger.queue(record.queue)
      ledger.applyLease(record.homeHour, record.ordinal, record.queue, record.fence, record.losses)
      return
    case 'unlease':
      ledger.queue(record.queue)
      ledger.applyUnlease(record.homeHour, record.ordinal, record.queue, record.losses)
      return
    case 'stop':
      ledger.applyStop(record.homeHour, record.ordinal)
      return
    case 'end': {
      const { how, from, homeHour, ordinal, queue, placeHour } = record
      ledger.queue(queue)
      ledger.applyEnd(how, from, homeHour, ordinal, queue, placeHour)
      dropRow(tiers, homeHour, ordinal)
      return
    }
    case 'dead': {
      const { from, homeHour, ordinal, queue, placeHour } = record
      ledger.queue(queue)
      ledger.applyDead(from, homeHour, ordinal, queue, placeHour, lsn)
      state.deadInLog.set(packId(homeHour, ordinal), { walCell, walOffset })
      dropRow(tiers, homeHour, ordinal)
      return
    }
    case 'purge':
      ledger.queue(record.queue)
      ledger.applyPurge(record.homeHour, record.ordinal, record.queue)
      state.deadInLog.delete(packId(record.homeHour, record.ordinal))
      return
    case 'queue': {
      ledger.applyQueue(record.queue, record.name, record.paused)
      state.queueKnown(record.queue)
      return
    }
    case 'retire':
      ledger.applyRetire(record.oldestHour)
      return
    case 'clean':
      state.clockMs = Math.max(state.clockMs, record.wallMs)
      return
    case 'seal':
      return
  }
}

/** A record that carries a key is one of its holder. */
function replayKey(state: ReplayState, record: TaskRecord, lsn: number): void {
  if (record.kind === 'end') {
    if (record.released === undefined) return
    const { key, ...end } = record.released
    state.keyNamed!(record.queue, key, { id: packId(record.homeHour, record.ordinal), end }, lsn)
  } else if (record.kind === 'new' || record.kind === 'put' || record.kind === 'dead') {
    const key = keyIn(record.extras)
    if (key === undefined) return
    const { queue, homeHour, ordinal, fireAt } = record
    const end = record.kind === 'dead' ? { endedAt: record.diedAt, fireAt, generation: record.generation } : undefined
    state.keyNamed!(queue, key, { id: packId(homeHour, ordinal), end }, lsn)
  }
}

function dropRow(tiers: Tiers, homeHour: number, ordinal: number): void {
  const row = tiers.rowOf(homeHour, ordinal)
  if (row >= 0) tiers.drop(row)
}

/** The first head sets counters and calendar; a later one must agree with what replay has made of them. */
function applyHead(state: ReplayState, head: HeadRecord): void {
  const { ledger } = state
  state.clockMs = Math.max(state.clockMs, head.wallMs)
  if (state.started) {
    for (const { queue, counters } of head.queues) {
      const known = ledger.queues[queue]
      if (known === undefined || counters.some((value, index) => known.counters[index] !== value)) {
        throw refuse(
          'HW_CORRUPT',
          `the log's head record and its records disagree about the counters of queue ${queue}`,
        )
      }
    }
    for (const { hour, nextOrdinal, live } of head.hours) {
      const known = ledger.hours.get(hour)
      if (known === undefined || known.nextOrdinal !== nextOrdinal || known.live !== live) {
        throw refuse('HW_CORRUPT', `the log's head record and its records disagree about hour ${hour * hourMs}`)
      }
    }
    return
  }
  state.started = true
  ledger.applyRetire(head.oldestHour)
  for (const { queue, name, paused, counters } of head.queues) {
    const known = ledger.applyQueue(queue, name, paused)
    for (let index = 0; index < counterCount; index++) known.counters[index] = counters[index]!
    state.queueKnown(queue)
  }
  for (const { hour, nextOrdinal, live } of head.hours) {
    const known = ledger.hour(hour)
    known.nextOrdinal = nextOrdinal
    known.live = live
  }
}

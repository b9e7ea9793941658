/**
 * One queue in memory: its part of the ledger, its due list, its boundary between near and far, its settings.
 *
 * The boundary ("through") is a key (orderAt, id): every live task of the queue with a key up to it has a row with its
 * bytes in memory. Tasks beyond it may have one too. So it may be pulled back at any time, and is moved forward only by
 * the promoter, which reads what lies between (ADR 0003).
 */

import { RowList } from '../wheel/row-list.ts'
import type { QueueLedger } from '../model/ledger.ts'
import type { RetryPolicy } from '../model/retry.ts'
import type { StandardSchemaV1 } from '../model/standard-schema.ts'
import type { TaskTable } from '../wheel/task-table.ts'

export interface QueueSettings {
  retry: RetryPolicy
  timeoutMs: number
  /** How long a key is remembered after its task has ended. */
  keyWindowMs: number
  /** What its payloads are checked with when they are scheduled. */
  payload?: StandardSchemaV1 | undefined
}

export class QueueRuntime {
  readonly number: number
  readonly name: string
  readonly ledger: QueueLedger
  readonly due: RowList
  /** Read when used, so that others may be put in their place at any time. */
  settings: QueueSettings
  throughAt: number = -Infinity
  throughId = -1
  /** Bytes of its tasks' blocks and rows in memory. */
  nearBytes = 0
  nearCount = 0
  /** How often the boundary was pulled back; a promotion that ran meanwhile must not move it forward. */
  pullBackCount = 0
  demotedAtMs: number = -Infinity
  /** It fell behind: its tasks are promoted in steps of their own, so that no other queue waits for them. */
  lagging = false

  constructor(ledger: QueueLedger, table: TaskTable, settings: QueueSettings) {
    this.number = ledger.number
    this.name = ledger.name
    this.ledger = ledger
    this.due = new RowList(table)
    this.settings = settings
  }

  covers(orderAt: number, id: number): boolean {
    return orderAt < this.throughAt || (orderAt === this.throughAt && id <= this.throughId)
  }

  moveThrough(orderAt: number, id: number): void {
    if (this.covers(orderAt, id)) return
    this.throughAt = orderAt
    this.throughId = id
  }

  /** Pulls the boundary back so that it lies just before (orderAt, id). */
  pullBackBefore(orderAt: number, id: number): void {
    if (!this.covers(orderAt, id)) return
    this.throughAt = orderAt
    this.throughId = id - 1
    this.pullBackCount++
  }
}

/** What bodies and queries are once they have the shape of their schema: by the name of the schema. Types only. */

import type { Duration } from '../model/durations.ts'
import type { LiveState } from '../model/hourwheel.ts'
import type { WireTask } from './wire.ts'

export interface WireAck {
  readonly token: string
  readonly next?: WireTask
}

interface Page {
  readonly cursor?: string
  readonly limit?: string
}

interface Span {
  readonly from?: string
  readonly to?: string
}

export interface Requests {
  readonly task: WireTask
  readonly taskOfKey: Omit<WireTask, 'queue' | 'key'>
  readonly reschedule: { readonly at?: number | string; readonly delay?: Duration }
  readonly leaseRequest: { readonly max?: number; readonly lease?: Duration; readonly wait?: Duration }
  readonly ackRequest: WireAck
  readonly ackManyRequest: { readonly answers: readonly WireAck[] }
  readonly nackRequest: {
    readonly token: string
    readonly retryAt?: number | string
    readonly delay?: Duration
    readonly dead?: boolean
    readonly error?: string
  }
  readonly extendRequest: { readonly token: string; readonly lease: Duration }
  /** One of them, with `key` beside `queue`. */
  readonly deadTarget: { readonly id?: string; readonly queue?: string; readonly key?: string; readonly all?: true }
  readonly settings: object
  readonly empty: object
  readonly backupRequest: { readonly name: string }
  readonly listQuery: Page & Span & { readonly queue?: string; readonly state?: LiveState }
  readonly listDeadQuery: Page & { readonly queue?: string }
  readonly calendarQuery: Span
  readonly eventsQuery: { readonly queue?: string; readonly types?: string; readonly since?: string }
}

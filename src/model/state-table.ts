/**
 * The life of a task as data: its states, what each record moves, and what each call answers in each state. Tests hold the ledger
 * and the engine to these tables, row by row.
 *
 * States
 * - pending    waits for its fire time or for a retry, or is due and not yet leased
 * - leased     one attempt has the right to run
 * - dead       attempts used up, lost or given up: kept until redriven or purged
 * - succeeded, cancelled, expired, replaced, purged, damaged   ended for good
 *
 * Counters are the states and `accepted`; a move of a task from one state to another takes one from the first counter and
 * gives it to the second. `put replace` accepts a second task under the id of the first, which ends as replaced.
 */

import { counterNames, type CounterName } from './stats.ts'

export type TaskState = Exclude<CounterName, 'accepted'>

export const states: readonly TaskState[] = counterNames.filter((name) => name !== 'accepted')

export const endedStates: readonly TaskState[] = ['succeeded', 'cancelled', 'expired', 'replaced', 'purged', 'damaged']

export interface Transition {
  /** Kind of record, with its cause or how. */
  readonly record: string
  readonly from: TaskState | 'none'
  readonly to: TaskState
  readonly moves: Readonly<Partial<Record<CounterName, number>>>
}

function move(record: string, from: TaskState, to: TaskState): Transition {
  return { record, from, to, moves: from === to ? {} : { [from]: -1, [to]: 1 } }
}

/** Everything that may happen to a task. What is not listed is a bug, in live traffic, and corruption, in replay. */
export const transitions: readonly Transition[] = [
  { record: 'new', from: 'none', to: 'pending', moves: { accepted: 1, pending: 1 } },
  move('put retry', 'leased', 'pending'),
  move('put reschedule', 'pending', 'pending'),
  move('put redrive', 'dead', 'pending'),
  { record: 'put replace', from: 'pending', to: 'pending', moves: { accepted: 1, replaced: 1 } },
  move('lease', 'pending', 'leased'),
  move('unlease', 'leased', 'pending'),
  move('stop', 'leased', 'leased'),
  move('end succeeded', 'leased', 'succeeded'),
  move('end cancelled', 'pending', 'cancelled'),
  move('end cancelled', 'leased', 'cancelled'),
  move('end expired', 'pending', 'expired'),
  move('end expired', 'leased', 'expired'),
  move('end damaged', 'pending', 'damaged'),
  move('end damaged', 'leased', 'damaged'),
  move('end damaged', 'dead', 'damaged'),
  move('end replaced', 'pending', 'replaced'),
  move('dead', 'pending', 'dead'),
  move('dead', 'leased', 'dead'),
  move('purge', 'dead', 'purged'),
]

export function transitionOf(record: string, from: TaskState | 'none'): Transition | undefined {
  return transitions.find((transition) => transition.record === record && transition.from === from)
}

/** The calls about one task. Those with a token: `staleToken` is any of them with a token that is not of the running lease. */
export type Operation =
  'cancel' | 'reschedule' | 'rescheduleIfChanged' | 'ack' | 'nack' | 'extend' | 'staleToken' | 'redrive' | 'purge'

export interface Answer {
  readonly outcome: string
  /** Records one of which this answer is given after; empty when nothing changes. */
  readonly records: readonly string[]
}

export type AnswerRow = { readonly [state in TaskState | 'missing']: Answer }

function answer(outcome: string, ...records: string[]): Answer {
  return { outcome, records }
}

function row(pending: Answer, leased: Answer, dead: Answer = answer('ended')): AnswerRow {
  const ended = answer('ended')
  return {
    pending,
    leased,
    dead,
    succeeded: ended,
    cancelled: ended,
    expired: ended,
    replaced: ended,
    purged: ended,
    damaged: ended,
    missing: answer('missing'),
  }
}

const stale = answer('stale')

/**
 * What each call answers. They answer and never throw, so that repeating one after a lost connection is safe. An attempt that
 * fails after a cancel (`stop`) ends as cancelled; one that succeeds nevertheless has succeeded.
 */
export const answers: Readonly<Record<Operation, AnswerRow>> = {
  cancel: row(answer('cancelled', 'end cancelled'), answer('leased', 'stop')),
  reschedule: row(answer('rescheduled', 'put reschedule'), answer('leased')),
  // `ifGeneration` is given and differs.
  rescheduleIfChanged: row(answer('changed'), answer('leased')),
  // With the token of the running lease. Pending means that this lease is over, so its token is stale as well.
  ack: row(stale, answer('acked', 'end succeeded')),
  nack: row(stale, answer('nacked', 'put retry', 'dead', 'end cancelled', 'end expired')),
  extend: row(stale, answer('extended')),
  staleToken: row(stale, stale),
  redrive: row(answer('pending'), answer('leased'), answer('redriven', 'put redrive')),
  purge: row(answer('pending'), answer('leased'), answer('purged', 'purge')),
}

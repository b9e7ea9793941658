/** What goes into requests that have to do with leases and dead letters: checked as bodies.ts does. */

import {
  checkDeadTarget,
  parseAckInput,
  parseLeaseInput,
  parseLeaseMs,
  parseNackInput,
  parseToken,
} from '../model/call-inputs.ts'
import type { Duration } from '../model/durations.ts'
import type { AckInput, DeadFilter, LeaseInput, NackInput, TaskRef } from '../model/hourwheel.ts'
import { taskText } from './bodies.ts'

export interface LeaseRequest {
  readonly body: string
  readonly waitMs: number
  readonly signal: AbortSignal | undefined
}

export function leaseRequest(input: LeaseInput): LeaseRequest {
  const { max, waitMs, signal } = parseLeaseInput(input)
  return { body: JSON.stringify({ max, lease: input.lease, wait: waitMs }), waitMs, signal }
}

export function ackText(token: string, input: AckInput): string {
  const next = parseAckInput(input)
  const text = `{"token":${tokenText(token)}`
  return next === undefined ? `${text}}` : `${text},"next":${taskText(next, Date.now())}}`
}

export function nackText(token: string, input: NackInput): string {
  const { retryAt, dead, error } = parseNackInput(input)
  parseToken(token)
  return JSON.stringify({ token, retryAt, delay: input.delay, dead, error })
}

export function extendText(token: string, lease: Duration): string {
  parseLeaseMs(lease)
  return `{"token":${tokenText(token)},"lease":${JSON.stringify(lease)}}`
}

function tokenText(token: string): string {
  parseToken(token)
  return JSON.stringify(token)
}

/** An empty filter means all of them, which over the wire has to be said. */
export function deadTargetOf(given: TaskRef | DeadFilter): object {
  const target = checkDeadTarget(given)
  if (typeof target === 'string') return { id: target }
  return target.queue === undefined ? { all: true } : target
}

/** The tasks that benchmarks schedule, and the ways in which callers call. The same for the engine and for the floor. */

import { quantileOf } from '../shared/figures.ts'

export const dayMs = 86_400_000
const queue = 'bench'

export interface Payload {
  readonly to: string
  readonly template: string
  readonly index: number
  readonly note: string
}

/** A task as callers hand it in. */
export interface ScheduledTask {
  readonly queue: string
  readonly at: number
  readonly payload: Payload
}

/** What is measured: the engine or its floor. */
export interface Scheduler {
  schedule(task: ScheduledTask): Promise<unknown>
  scheduleMany(tasks: readonly ScheduledTask[]): Promise<unknown>
}

const payloadBytes = 100

/** JSON of exactly 100 bytes. Made once: making them is the caller's work, not the subject's. */
const payloads: readonly Payload[] = Array.from({ length: 1_000 }, (_, index) => {
  const short = { to: `user-${index + 1_000}@example.com`, template: 'reminder', index: index + 1_000, note: '' }
  return { ...short, note: 'n'.repeat(payloadBytes - JSON.stringify(short).length) }
})

/** Numbers in [0, 1), the same in every run. */
function seededUnit(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** Makes tasks due uniformly within [fromMs, fromMs + rangeMs), as whole milliseconds. */
export function taskMaker(fromMs: number, rangeMs: number, queueName: string = queue): () => ScheduledTask {
  const unit = seededUnit(12_345)
  let index = 0
  return () => ({
    queue: queueName,
    at: fromMs + Math.floor(unit() * rangeMs),
    payload: payloads[index++ % payloads.length]!,
  })
}

export interface CallFigures {
  readonly tasksPerSecond: number
  /** Of one call, from before it was made to after its answer. */
  readonly p50Us: number
  readonly p99Us: number
  readonly maxUs: number
}

/** Makes tasks of ascending fire times, spread evenly over the range. */
export function ascendingTaskMaker(
  fromMs: number,
  rangeMs: number,
  tasks: number,
  queueName: string,
): () => ScheduledTask {
  let index = 0
  return () => ({
    queue: queueName,
    at: fromMs + Math.floor((index * rangeMs) / tasks),
    payload: payloads[index++ % payloads.length]!,
  })
}

/** `inFlight` callers, each making one call after the other, `calls` together. */
export async function drive(
  calls: number,
  inFlight: number,
  tasksPerCall: number,
  call: () => Promise<unknown>,
): Promise<CallFigures> {
  const tookMs = new Float64Array(calls)
  let made = 0
  const caller = async (): Promise<void> => {
    while (made < calls) {
      const index = made++
      const startedMs = performance.now()
      await call()
      tookMs[index] = performance.now() - startedMs
    }
  }
  const startedMs = performance.now()
  await Promise.all(Array.from({ length: Math.min(inFlight, calls) }, caller))
  const seconds = (performance.now() - startedMs) / 1_000
  tookMs.sort()
  return {
    tasksPerSecond: (calls * tasksPerCall) / seconds,
    p50Us: quantileOf(tookMs, 0.5) * 1_000,
    p99Us: quantileOf(tookMs, 0.99) * 1_000,
    maxUs: quantileOf(tookMs, 1) * 1_000,
  }
}

/** Schedules `count` tasks as fast as it goes: batches of 1,000, four calls at once. */
export function load(scheduler: Scheduler, count: number, nextTask: () => ScheduledTask): Promise<CallFigures> {
  const batchTasks = Math.min(1_000, count)
  return drive(Math.ceil(count / batchTasks), 4, batchTasks, () =>
    scheduler.scheduleMany(Array.from({ length: batchTasks }, nextTask)),
  )
}

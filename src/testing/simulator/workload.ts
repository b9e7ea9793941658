/** Random tasks, engines and handlers for the simulator, all drawn from the run's seed. */

import type { EngineOptions } from '../../model/engine.ts'
import type { KeyRef, TaskInput, TaskView } from '../../model/hourwheel.ts'
import type { QueueOptions } from '../../model/typed-queues.ts'
import { hourMs, secondMs } from '../../model/units.ts'
import type { SeededRandom } from '../seeded-random.ts'
import type { SeenTask } from './checker-core.ts'
import type { TaskSpec } from './task-model.ts'

const dayMs = 24 * hourMs

export const queueNames = ['mail', 'thumbs', 'slow', 'rare'] as const

interface QueueProfile {
  readonly attempts: number
  readonly delayMs: number
  readonly maxDelayMs: number
  readonly timeoutMs: number
  readonly keyWindowMs: number
}

/** The settings of a run: what does not change when the engine is opened again. */
export interface RunProfile {
  readonly startMs: number
  readonly options: EngineOptions
  readonly queues: ReadonlyMap<string, QueueProfile>
  /** Likelihood of large payloads, so that some runs overflow the memory for near tasks. */
  readonly largeShare: number
  /** Likelihood of a key. */
  readonly keyedShare: number
  /** How far ahead tasks are brought into memory. */
  readonly aheadMs: number
}

export function makeProfile(random: SeededRandom, directory: string): RunProfile {
  const queues = new Map<string, QueueProfile>()
  const queueOptions: Record<string, QueueOptions> = {}
  for (const name of queueNames) {
    const attempts = random.between(1, 4)
    const delayMs = random.pick([0, 20, 300, 5_000])
    const maxDelayMs = Math.max(delayMs, random.pick([500, 10_000, 2 * hourMs]))
    const timeoutMs = random.pick([100, 700, 3_000])
    const keyWindowMs = random.pick([1_000, hourMs, dayMs, 30 * dayMs])
    queues.set(name, { attempts, delayMs, maxDelayMs, timeoutMs, keyWindowMs })
    const backoff = random.pick(['fixed', 'exponential'] as const)
    const jitter = random.pick([0, 0.5, 1])
    queueOptions[name] = {
      retry: { attempts, backoff, delay: delayMs, maxDelay: maxDelayMs, jitter },
      timeout: timeoutMs,
      keyWindow: keyWindowMs,
    }
  }
  const aheadMs = random.pick([2_000, 10_000, 10 * 60_000, 3 * hourMs])
  return {
    // Any time of day between 2027 and 2040; often just before an hour begins.
    startMs: startOf(random),
    queues,
    largeShare: random.pick([0, 0.02, 0.15]),
    keyedShare: random.pick([0, 0.2, 0.5]),
    aheadMs,
    options: {
      dir: directory,
      queues: queueOptions,
      walFileBytes: 8 << 10,
      walFilesMax: random.between(1, 2),
      nearBytesMax: random.pick([64 << 10, 128 << 10, 1 << 20]),
      ahead: aheadMs,
      clock: { forwardJumpMax: '1d', downtimeMax: '400d' },
    },
  }
}

function startOf(random: SeededRandom): number {
  const day = 1_800_000_000_000 + random.below(13 * 365) * dayMs
  const hour = day + random.below(24) * hourMs
  return random.chance(0.5) ? hour + random.below(hourMs) : hour + hourMs - random.below(8_000)
}

/** A task to be scheduled, and what the checker is to know of it. */
export interface DrawnTask {
  readonly input: TaskInput
  readonly spec: TaskSpec
}

/** Fire times that several tasks of a run share. */
export type HotInstants = number[]

const keys = ['a', 'b', 'c/ü', 'd'.repeat(200)] as const
const modes = ['keep', 'keep', 'reject', 'replace', 'earliest', 'latest'] as const

/** A key of a queue that is used in the run. */
export function drawKey(random: SeededRandom): KeyRef {
  return { queue: random.pick(queueNames), key: random.pick(keys) }
}

/** What is to be drawn: a successor of `parent`, which often takes over its key, or one with the key `ref`. */
export interface DrawnFor {
  readonly parent?: TaskSpec | undefined
  readonly ref?: KeyRef | undefined
  /** It goes with others, all or none. */
  readonly inBatch?: boolean | undefined
}

export function drawTask(
  random: SeededRandom,
  run: RunProfile,
  hot: HotInstants,
  now: number,
  tag: string,
  { parent, ref, inBatch = false }: DrawnFor = {},
): DrawnTask {
  const inherits = parent?.key !== undefined && random.chance(0.6)
  const queue = inherits ? parent.queue : (ref?.queue ?? random.pick(queueNames))
  const key = inherits ? parent.key : (ref?.key ?? (random.chance(run.keyedShare) ? random.pick(keys) : undefined))
  let onConflict = key === undefined || parent !== undefined ? undefined : random.pick(modes)
  // A whole batch is refused for it.
  if (onConflict === 'reject' && inBatch && random.chance(0.8)) onConflict = 'keep'
  const profile = run.queues.get(queue)!
  const input: TaskInput = { queue, key, onConflict }
  let fireFromAt: number
  let fireToAt: number
  if (random.chance(0.2) && key === undefined) {
    const delay = Math.round(random.unit() ** 3 * 20 * secondMs)
    input.delay = delay
    fireFromAt = now + delay
    // The call itself may take a moment.
    fireToAt = fireFromAt + 1_000
  } else {
    fireFromAt = fireToAt = drawInstant(random, run, hot, now)
    input.at = random.chance(0.2) ? new Date(fireFromAt) : fireFromAt
  }
  const untagged = random.chance(0.02) && key === undefined
  const { payload, text } = untagged ? { payload: undefined, text: 'none' } : drawPayload(random, run, tag)
  if (payload !== undefined) input.payload = payload
  const headers: Record<string, string> = {}
  if (text === 'none' && !untagged) headers.n = tag
  if (random.chance(0.1) && !untagged) headers.trace = `${'x'.repeat(random.below(30))}é`
  if (Object.keys(headers).length > 0) input.headers = headers
  let { attempts, maxDelayMs, timeoutMs } = profile
  let maxAge = false
  if (random.chance(0.15)) {
    attempts = random.between(1, 5)
    input.retry = { attempts }
    if (random.chance(0.3)) {
      input.retry.maxAge = random.pick(['1s', '1h'])
      maxAge = true
    }
    if (random.chance(0.3)) {
      input.retry.delay = '2h'
      maxDelayMs = Math.max(maxDelayMs, 2 * hourMs)
    }
  }
  if (random.chance(0.1)) {
    timeoutMs = random.pick([50, 400, 5_000])
    input.timeout = timeoutMs
  }
  let expiresAt: number | undefined
  if (random.chance(0.06)) {
    expiresAt = fireToAt + random.pick([1, 500, 30_000, 5 * hourMs])
    input.expiresAt = expiresAt
  }
  const spec = {
    tag,
    queue,
    fireFromAt,
    fireToAt,
    payload: text,
    headers: headersText(headers),
    untagged,
    expiresAt,
    timeoutMs,
    attemptsMax: attempts,
    maxAge,
    retryDelayMsMax: Math.max(maxDelayMs, 2 * hourMs),
    key,
    onConflict,
    keyWindowMs: profile.keyWindowMs,
  }
  return { input, spec }
}

/** Near, far, past, shared, on the borders of hours and of what is in memory. */
export function drawInstant(random: SeededRandom, run: RunProfile, hot: HotInstants, now: number): number {
  const kind = random.below(100)
  if (kind < 34) return now + random.below(4_000)
  if (kind < 46) return now + random.below(90_000)
  if (kind < 54) return now - random.below(random.pick([50, 10_000, 3 * hourMs, 4 * dayMs]))
  if (kind < 66) {
    if (hot.length === 0 || random.chance(0.1))
      hot.push(now + random.below(random.pick([3_000, 2 * hourMs, 3 * dayMs])))
    return random.pick(hot)
  }
  if (kind < 74) return now + run.aheadMs + random.between(-3, 3)
  if (kind < 82) return Math.ceil(now / hourMs) * hourMs + random.below(4) * hourMs + random.between(-2, 2)
  if (kind < 92) return now + random.below(6 * hourMs)
  return now + random.below(75 * dayMs)
}

/** Payloads carry the tag that tells the checker whose they are. */
function drawPayload(random: SeededRandom, run: RunProfile, tag: string): { payload: unknown; text: string } {
  const kind = random.below(10)
  if (kind === 0) return { payload: undefined, text: 'none' }
  const size = random.chance(run.largeShare) ? random.between(1_000, 7_000) : random.below(220)
  if (kind <= 3) {
    const bytes = new Uint8Array(tag.length + 1 + size)
    for (let i = 0; i < tag.length; i++) bytes[i] = tag.charCodeAt(i)
    for (let i = tag.length + 1; i < bytes.length; i++) bytes[i] = i * 7 + size
    return { payload: bytes, text: payloadText(bytes) }
  }
  const payload = { n: tag, filler: 'ab c"ü'.repeat(Math.ceil(size / 7)), list: [size, null, true] }
  return { payload, text: payloadText(payload) }
}

/** A payload as text that is equal if and only if the payloads are. */
export function payloadText(payload: unknown): string {
  if (payload === undefined) return 'none'
  if (payload instanceof Uint8Array) return `bytes ${Buffer.from(payload).toString('latin1')}`
  return `json ${JSON.stringify(payload)}`
}

export function headersText(headers: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(headers ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join('&')
}

/** Whose payload it is; undefined for an untagged task. */
export function tagOf(payload: unknown, headers: Readonly<Record<string, string>> | undefined): string | undefined {
  if (payload instanceof Uint8Array) return Buffer.from(payload.subarray(0, payload.indexOf(0))).toString('latin1')
  if (typeof payload === 'object' && payload !== null && 'n' in payload) return String(payload.n)
  return headers?.n
}

export function seenOf(view: TaskView): SeenTask {
  return {
    id: view.id,
    queue: view.queue,
    state: view.state,
    fireAt: view.fireAt,
    attempt: view.attempt,
    generation: view.generation,
    payload: payloadText(view.payload),
    headers: headersText(view.headers),
    tag: tagOf(view.payload, view.headers),
    key: view.key,
  }
}

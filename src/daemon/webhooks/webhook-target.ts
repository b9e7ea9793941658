/**
 * One queue's webhook at work: a handler of the engine that posts each task, and a breaker that says how many may be posted at
 * once: all, one, or none while the target cannot be had. So a dead target holds back only its own queue, whose tasks wait as due
 * ones do, and uses up one attempt a probe instead of all at once.
 *
 *   starting -> serving <-> waiting (nothing is sent) -> probing (one request at a time) -> serving or waiting
 *   any -> stopped; requests under way end as they would
 */

import { Agent } from 'undici'
import type { buildConnector } from 'undici'
import { handleUpTo } from '../../engine/for-daemons.ts'
import type { Engine } from '../../model/engine.ts'
import { HourwheelError } from '../../model/errors.ts'
import type { AttemptContext, Task, TaskInput } from '../../model/hourwheel.ts'
import { Breaker, type BreakerOptions } from './breaker.ts'
import { badNext, type Verdict } from './reply.ts'
import { messageOf, post, type Target } from './request.ts'

/** Lines of a log, as pino takes them. */
export interface WebhookLog {
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
}

export interface TargetParts {
  readonly engine: Engine
  readonly queue: string
  readonly url: URL
  /** Read for each request, so that secrets can be rotated. */
  readonly secrets: () => readonly string[]
  readonly timeoutMs: number
  readonly concurrency: number
  readonly connect: buildConnector.connector
  readonly breaker: BreakerOptions
  readonly log: WebhookLog
}

export interface TargetCounts {
  readonly requests: number
  readonly succeeded: number
  readonly failed: number
  readonly openings: number
}

/** How long to wait before the engine is asked again for a place that it had not. */
const againMs = 1_000

export class WebhookTarget {
  readonly #parts: TargetParts
  readonly #breaker: Breaker
  readonly #agent: Agent
  #handle: ReturnType<typeof handleUpTo> | undefined
  #timer: NodeJS.Timeout | undefined
  #isStopped = false
  #requests = 0
  #succeeded = 0
  #failed = 0
  /** Why the last request failed, until one comes through. */
  lastFailure: string | undefined

  constructor(parts: TargetParts) {
    this.#parts = parts
    this.#breaker = new Breaker(parts.breaker)
    // As many connections as requests at once; each is checked when it is made.
    this.#agent = new Agent({ connect: parts.connect, pipelining: 1 })
  }

  /** Takes the queue; when it cannot be had, as soon as it can. */
  start(): void {
    const { engine, queue, log, url } = this.#parts
    try {
      const leaseMax = (): number => this.#leaseMax
      this.#handle = handleUpTo(engine, queue, (task, context) => this.#run(task, context), leaseMax)
    } catch (error) {
      const code = error instanceof HourwheelError ? error.code : String(error)
      if (code === 'HW_CLOSED') return
      log.warn({ queue, host: url.host, code }, 'the webhook of this queue cannot be served; it is tried again')
      this.#after(againMs, () => this.start())
    }
  }

  get #leaseMax(): number {
    const { state } = this.#breaker
    return state === 'closed' ? this.#parts.concurrency : state === 'probing' ? 1 : 0
  }

  get state(): 'serving' | 'waiting' | 'probing' {
    return this.#breaker.state === 'closed' ? 'serving' : this.#breaker.state === 'open' ? 'waiting' : 'probing'
  }

  get counts(): TargetCounts {
    const { openings } = this.#breaker
    return { requests: this.#requests, succeeded: this.#succeeded, failed: this.#failed, openings }
  }

  /** No new requests; those under way go on, and this resolves when there are none. */
  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    await this.#handle?.stop()
    await this.#agent.close()
  }

  /** At once, whatever is under way. */
  async destroy(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    await this.#agent.destroy()
  }

  #after(ms: number, run: () => void): void {
    clearTimeout(this.#timer)
    if (this.#isStopped) return
    this.#timer = setTimeout(run, ms)
    // The engine keeps the process alive, as long as it is open.
    this.#timer.unref()
  }

  async #run(task: Task, context: AttemptContext): Promise<void> {
    const { url, timeoutMs, secrets } = this.#parts
    const target: Target = { url, timeoutMs, dispatcher: this.#agent }
    const message = messageOf(task, context, secrets(), Date.now())
    this.#requests++
    const verdict = await post(target, message, context.signal)
    // One that was cut off by a cancel, a close or the attempt's own end says nothing of the target.
    if (!context.signal.aborted || verdict.kind === 'done') this.#judge(verdict)
    if (verdict.kind === 'done') {
      if (verdict.next !== undefined) follow(task, context, verdict.next)
      return
    }
    if (verdict.kind === 'gone') throw context.deadLetter(verdict.reason)
    const { retryAfterMs, reason } = verdict
    if (retryAfterMs !== undefined) {
      // Not all at the same moment.
      context.retry({ delay: Math.ceil(retryAfterMs * (1 + Math.random() / 10)) })
    }
    throw new Error(reason)
  }

  #judge(verdict: Verdict): void {
    const { queue, url, log } = this.#parts
    const fields = { queue, host: url.host }
    const isFailure = verdict.kind === 'failed' && verdict.isOfTarget
    if (verdict.kind === 'failed') {
      this.#failed++
      this.lastFailure = verdict.reason
    } else {
      this.#succeeded++
      this.lastFailure = undefined
    }
    if (!isFailure) {
      if (!this.#breaker.cameThrough()) return
      clearTimeout(this.#timer)
      log.info(fields, 'the webhook target is back')
      this.#handle?.poke()
      return
    }
    const now = performance.now()
    const waitMs = verdict.isWait ? verdict.retryAfterMs : undefined
    if (!this.#breaker.failed(now, waitMs, Math.random())) return
    const pauseMs = Math.max(0, Math.ceil(this.#breaker.openUntilMs - now))
    log.warn({ ...fields, reason: verdict.reason, pauseMs }, 'the webhook target is left alone for a while')
    this.#after(pauseMs, () => this.#probe())
  }

  #probe(): void {
    const now = performance.now()
    if (this.#breaker.look(now)) this.#handle?.poke()
    else if (this.#breaker.state === 'open')
      this.#after(Math.ceil(this.#breaker.openUntilMs - now), () => this.#probe())
  }
}

/** The successor of a reply goes to the same queue unless it names one. */
function follow(task: Task, context: AttemptContext, next: TaskInput): void {
  const isObject = typeof next === 'object' && next !== null && !Array.isArray(next)
  try {
    context.scheduleNext(isObject ? { ...next, queue: next.queue ?? task.queue } : next)
  } catch (error) {
    throw new Error(badNext(error), { cause: error })
  }
}

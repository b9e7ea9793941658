/**
 * What the parts of the checker share: the tasks there are, the evidence, the clock, and what makes a task the same one.
 */

import { state } from './belief.ts'
import type { Belief } from './belief.ts'
import type { Journal } from './journal.ts'
import type { CheckerClock, Moment } from './moment.ts'
import { TaskModel, type AttemptModel, type Submission, type TaskSpec } from './task-model.ts'

export interface Violation {
  readonly rule: string
  readonly tag: string
  readonly message: string
}

/** What a caller sees of a task that is live or dead. */
export interface SeenTask {
  readonly id: string
  readonly queue: string
  readonly state: 'pending' | 'leased' | 'dead'
  readonly fireAt: number
  readonly attempt: number
  readonly generation: number
  /** Canonical texts, see `workload.ts`. */
  readonly payload: string
  readonly headers: string
  readonly tag: string | undefined
  readonly key: string | undefined
}

/** What a call that brings a task in is answered. */
export interface SeenReceipt {
  readonly id: string
  readonly fireAt: number
  readonly outcome: string
  readonly generation: number
  readonly state?: string | undefined
  readonly running?: string | undefined
}

export interface SeenStart {
  readonly id: string
  readonly queue: string
  readonly tag: string | undefined
  readonly payload: string
  readonly headers: string
  readonly attempt: number
  readonly fence: number
  readonly scheduledFor: number
  readonly lateMs: number
  /** Run by a handler, in the engine's thread or in one of its own, or leased by a puller. */
  readonly by: 'function' | 'module' | 'lease'
  /** How long the lease lasts; of a handler, what the task says. */
  readonly timeoutMs?: number | undefined
}

/** An answer of cancel or reschedule, as far as it is looked at. */
export interface SeenAnswer {
  readonly outcome: string
  readonly how?: string | undefined
  readonly fireAt?: number | undefined
  readonly generation?: number | undefined
}

export class CheckerCore {
  readonly journal: Journal
  readonly violations: Violation[] = []
  readonly tasks: Map<string, TaskModel> = new Map()
  readonly byId: Map<string, TaskModel> = new Map()
  readonly submissions: Submission[] = []
  protected readonly clock: CheckerClock
  protected readonly paused: Map<string, { paused: boolean; open: number }> = new Map()
  life = 0
  firings = 0
  /** The largest fence of any life before, of this one, and of those seen in order in this one. */
  protected fenceBefore: number = 0
  protected fenceMax: number = 0
  protected fenceInOrder: number = 0
  protected readonly fences: Set<number> = new Set()
  protected wallMax: number = -Infinity
  /** The same of a clock that the engine had no reason to doubt. */
  protected trustedMax: number = -Infinity
  /** Virtual time at which the clock was put right last. */
  #releasedMs = -Infinity
  /** While set, the wall clock is so much further than allowed: nothing scheduled for later may start. */
  protected aheadMs: number | undefined
  /** Attempts that have not answered. */
  readonly running: Set<AttemptModel> = new Set()
  /** Backups under way, and what may be in them. */
  protected readonly moments: Set<Moment> = new Set()
  /** Calls without an answer, and what they are. */
  protected readonly open: Map<object, string> = new Map()
  /** The log may be without room, so that answers are recorded later than given. */
  answersMayWait = false

  constructor(journal: Journal, clock: CheckerClock) {
    this.journal = journal
    this.clock = clock
  }

  /** What is still to be answered. */
  get openCalls(): string[] {
    return [...this.open.values()]
  }

  violate(rule: string, task: TaskModel | undefined, message: string): void {
    const tag = task?.spec.tag ?? ''
    const more = task === undefined ? '' : ` [now ${task.now.describe()}; after a crash ${task.since.describe()}]`
    this.journal.note(tag, `VIOLATION ${rule}: ${message}`)
    this.violations.push({ rule, tag, message: message + more })
  }

  /** Remembers the largest wall clock; to be called after every step of it. */
  sampleWall(): number {
    const now = this.clock.wallMs()
    if (now > this.wallMax) this.wallMax = now
    if (this.aheadMs === undefined && now > this.trustedMax) this.trustedMax = now
    return now
  }

  /** The wall clock was stepped: when a retry is due is not known while its failure may still wait to be recorded. */
  clockStepped(): number {
    for (const { since } of this.tasks.values()) {
      for (const candidate of since.candidates) {
        if (candidate.failedAttempt === undefined || candidate.fromAt === candidate.toAt) continue
        candidate.fromAt = -Infinity
        candidate.toAt = Infinity
      }
    }
    return this.sampleWall()
  }

  /** The wall clock is `ms` ahead of what may be trusted: what is due only by that must not start. */
  hold(ms: number): void {
    this.aheadMs = ms
  }

  release(): void {
    this.aheadMs = undefined
    this.#releasedMs = this.clock.nowMs()
  }

  /** The engine may go by another clock than the wall's, or did until a moment ago. */
  get clockIsDoubtful(): boolean {
    return this.aheadMs !== undefined || this.clock.nowMs() < this.#releasedMs + 2_000
  }

  submit(kind: Submission['kind'], specs: readonly TaskSpec[]): Submission {
    const submission: Submission = { kind, tasks: [], status: 'open', life: this.life }
    for (const spec of specs) {
      const task = new TaskModel(spec, submission, this.journal.length)
      submission.tasks.push(task)
      this.tasks.set(spec.tag, task)
      for (const moment of this.moments) moment.meets(task)
      this.journal.note(
        spec.tag,
        `${kind} ${spec.queue} at ${spec.fireFromAt}${spec.key === undefined ? '' : ` under ${spec.key.slice(0, 9)} ${spec.onConflict ?? ''}`}`,
      )
    }
    this.submissions.push(submission)
    if (kind !== 'successor') this.open.set(submission, `${kind} ${specs[0]?.tag ?? ''}`)
    return submission
  }

  protected learnId(task: TaskModel, id: string, durable: boolean): void {
    const other = this.byId.get(id)
    if (other !== undefined && other !== task && mayReplace(task, other)) putBefore(task, other)
    else if (other !== undefined && other !== task) {
      // An id that was seen but never became durable may be given again after a crash.
      if (durable && other.submission.status === 'accepted') {
        this.violate('ids once', task, `id ${id} was given to ${other.spec.tag} before`)
      } else if (!other.now.allows(state.absent))
        this.violate('ids once', task, `id ${id} belongs to ${other.spec.tag}`)
    }
    if (task.id !== undefined && task.id !== id)
      this.violate('ids once', task, `its id was ${task.id} and is now ${id}`)
    task.id = id
    this.byId.set(id, task)
  }

  /** Its id is new. Another may have taken its place already, and be known by it. */
  protected learnNewId(task: TaskModel, id: string): void {
    let first = this.byId.get(id)
    if (first === undefined || first === task || !mayReplace(first, task)) {
      this.learnId(task, id, true)
      return
    }
    while (first.predecessor !== undefined) first = first.predecessor
    putBefore(first, task)
    task.id = id
  }

  protected mayHaveExpired(task: TaskModel): boolean {
    return task.spec.expiresAt !== undefined && task.spec.expiresAt <= Math.max(this.wallMax, this.sampleWall())
  }

  protected findTask(seen: {
    id: string
    queue: string
    tag: string | undefined
    scheduledFor?: number
    fireAt?: number
  }): TaskModel | undefined {
    const known = this.byId.get(seen.id)
    if (seen.tag === undefined) {
      if (known !== undefined && (known.spec.untagged || known.submission.status === 'accepted')) return known
      const at = seen.scheduledFor ?? seen.fireAt ?? 0
      for (const task of this.tasks.values()) {
        if (!task.spec.untagged || task.id !== undefined || task.spec.queue !== seen.queue) continue
        if (task.now.allows(state.live | state.dead) && task.now.allowsFireAt(at)) return task
      }
      return known
    }
    const tagged = this.tasks.get(seen.tag)
    const isNewer = tagged !== undefined && known !== undefined && mayReplace(tagged, known)
    if (known !== undefined && known !== tagged && !known.now.allows(state.absent) && !isNewer) {
      this.violate('same data', known, `its id ${seen.id} came with the data of ${seen.tag}`)
    }
    return tagged
  }

  protected sameTask(task: TaskModel, seen: { id: string; queue: string; payload: string; headers: string }): void {
    const { spec } = task
    if (task.id !== undefined && task.id !== seen.id) {
      this.violate('ids once', task, `its id was ${task.id} and is now ${seen.id}`)
    }
    if (seen.queue !== spec.queue) this.violate('same data', task, `queue ${seen.queue}, not ${spec.queue}`)
    if (seen.payload !== spec.payload) this.violate('same data', task, `payload ${seen.payload}, not ${spec.payload}`)
    if (seen.headers !== spec.headers) this.violate('same data', task, `headers ${seen.headers}, not ${spec.headers}`)
  }

  protected sameVersion(where: string, task: TaskModel, belief: Belief, seen: SeenTask): void {
    const { fireAt, attempt, generation } = seen
    if (!belief.allowsFireAt(fireAt)) this.violate('same data', task, `${where}: fireAt ${fireAt}`)
    if (!belief.attempts.has(attempt)) this.violate('attempts', task, `${where}: attempt ${attempt}`)
    if (!belief.allowsGeneration(generation)) this.violate('generations', task, `${where}: generation ${generation}`)
  }
}

/** `other` had the id of `task` before it; unless it is known to have come later. */
export function putBefore(task: TaskModel, other: TaskModel | undefined): void {
  for (let one = other; one !== undefined; one = one.predecessor) if (one === task) return
  task.predecessor = other
}

/** Whether `task` may live on under the id of `other`: it did not begin as a new one. */
export function mayReplace(task: TaskModel, other: TaskModel): boolean {
  if (task.generationFirst === 0) return false
  const [mine, its] = [task.spec, other.spec]
  const isOne = mine.key !== undefined && mine.key === its.key && mine.queue === its.queue
  return isOne && mine.onConflict === 'replace' && other.now.allows(state.replaced)
}

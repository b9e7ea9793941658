/**
 * The independent checker: is told of every call, answer, handler start and end, event and crash, and says where they
 * break the contract (docs/guarantees.md, D1 to D9). It knows nothing of the engine but its public interface, and never
 * asks it anything: what it is not told did not happen.
 *
 * Per task it keeps what may be true (simulator/belief.ts); an answer outside of that is a violation. A full scan after
 * every start settles what the crash left open.
 */

import { Belief, endedStates, state } from './simulator/belief.ts'
import type { Journal } from './simulator/journal.ts'
import { TaskModel, type AttemptModel, type Submission, type TaskSpec } from './simulator/task-model.ts'

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
}

/** An answer of cancel or reschedule, as far as it is looked at. */
export interface SeenAnswer {
  readonly outcome: string
  readonly how?: string | undefined
  readonly fireAt?: number | undefined
  readonly generation?: number | undefined
}

export interface CheckerClock {
  /** The real wall clock, not what the engine was shown. */
  wallMs(): number
  /** Virtual time, which only grows. */
  nowMs(): number
}

/** An open call about one task. */
export interface TaskCall {
  readonly task: TaskModel
  readonly window: Belief
  readonly seq: number
  readonly life: number
  readonly wallMs: number
}

const lossesMax = 10

export class Checker {
  readonly journal: Journal
  readonly violations: Violation[] = []
  readonly tasks: Map<string, TaskModel> = new Map()
  readonly byId: Map<string, TaskModel> = new Map()
  readonly submissions: Submission[] = []
  readonly #clock: CheckerClock
  readonly #paused: Map<string, { paused: boolean; open: number }> = new Map()
  life = 0
  firings = 0
  #fence = 0
  #wallMax = -Infinity
  /** While set, the wall clock is so much further than allowed: nothing scheduled for later may start. */
  #aheadMs: number | undefined
  #openCalls = 0
  /** The log may be without room, so that answers are recorded later than given. */
  answersMayWait = false

  constructor(journal: Journal, clock: CheckerClock) {
    this.journal = journal
    this.#clock = clock
  }

  get openCalls(): number {
    return this.#openCalls
  }

  violate(rule: string, task: TaskModel | undefined, message: string): void {
    const tag = task?.spec.tag ?? ''
    const more = task === undefined ? '' : ` [now ${task.now.describe()}; after a crash ${task.since.describe()}]`
    this.journal.note(tag, `VIOLATION ${rule}: ${message}`)
    this.violations.push({ rule, tag, message: message + more })
  }

  /** Remembers the largest wall clock; to be called after every step of it. */
  sampleWall(): number {
    const now = this.#clock.wallMs()
    if (now > this.#wallMax) this.#wallMax = now
    return now
  }

  /** The wall clock is `ms` ahead of what may be trusted: what is due only by that must not start. */
  hold(ms: number): void {
    this.#aheadMs = ms
  }

  release(): void {
    this.#aheadMs = undefined
  }

  // Submissions

  submit(kind: Submission['kind'], specs: readonly TaskSpec[]): Submission {
    const submission: Submission = { kind, tasks: [], status: 'open', life: this.life }
    for (const spec of specs) {
      const task = new TaskModel(spec, submission, this.journal.length)
      submission.tasks.push(task)
      this.tasks.set(spec.tag, task)
      this.journal.note(spec.tag, `${kind} ${spec.queue} at ${spec.fireFromAt}`)
    }
    this.submissions.push(submission)
    if (kind !== 'successor') this.#openCalls++
    return submission
  }

  accepted(submission: Submission, receipts: readonly { id: string; fireAt: number; generation: number }[]): void {
    this.#openCalls--
    submission.status = 'accepted'
    if (receipts.length !== submission.tasks.length) {
      this.violate('receipts', submission.tasks[0], `${receipts.length} receipts for ${submission.tasks.length} tasks`)
    }
    submission.tasks.forEach((task, index) => {
      const { id, fireAt, generation } = receipts[index]!
      this.journal.note(task.spec.tag, `accepted ${id} at ${fireAt}`)
      if (generation !== 0) this.violate('receipts', task, `a new task has generation ${generation}`)
      if (fireAt < task.spec.fireFromAt || fireAt > task.spec.fireToAt) {
        this.violate('receipts', task, `asked for ${task.spec.fireFromAt}, got ${fireAt}`)
      }
      this.#learnId(task, id, true)
      task.known((belief) => {
        belief.states &= ~state.absent
      })
    })
  }

  /** `outcome` of the error: 'not done' or 'unknown'. */
  rejected(submission: Submission, code: string, outcome: string): void {
    this.#openCalls--
    submission.status = outcome === 'unknown' ? 'unknown' : 'refused'
    for (const task of submission.tasks) {
      this.journal.note(task.spec.tag, `rejected ${code}, ${outcome}`)
      if (outcome !== 'unknown') this.#refused(task, code)
    }
  }

  #refused(task: TaskModel, code: string): void {
    if (task.starts > 0) this.violate('D2 not done', task, `refused with ${code} as not done, but it had started`)
    task.known((belief) => {
      belief.states = state.absent
    })
  }

  #learnId(task: TaskModel, id: string, durable: boolean): void {
    const other = this.byId.get(id)
    if (other !== undefined && other !== task) {
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

  // Calls about a task

  call(task: TaskModel, text: string): TaskCall {
    this.#openCalls++
    this.journal.note(task.spec.tag, text)
    const { life } = this
    return { task, window: task.openWindow(), seq: this.journal.length, life, wallMs: this.sampleWall() }
  }

  /** The call has its answer, or will never have one. */
  close(call: TaskCall): void {
    this.#openCalls--
    call.task.windows.delete(call.window)
  }

  cancelCalled(task: TaskModel): TaskCall {
    const call = this.call(task, 'cancel?')
    task.touchedByOthers = true
    task.may((belief) => {
      if (belief.allows(state.live)) belief.states |= state.cancelled
    })
    return call
  }

  cancelAnswered(call: TaskCall, answer: SeenAnswer): void {
    const { task } = call
    this.journal.note(task.spec.tag, `cancel: ${answer.outcome} ${answer.how ?? ''}`)
    switch (answer.outcome) {
      case 'cancelled':
        if (!call.window.allows(state.live)) this.violate('state table', task, 'cancelled a task that was not live')
        task.known((belief) => {
          belief.states = state.cancelled
        })
        break
      case 'leased':
        if (!call.window.allows(state.live))
          this.violate('state table', task, 'cancel says leased, but it was not live')
        task.stopped = true
        task.known((belief) => {
          belief.states = (belief.states & ~state.absent) | state.cancelled
        })
        break
      default:
        this.#gone(call, answer)
    }
    this.close(call)
  }

  rescheduleCalled(task: TaskModel, fireFromAt: number, fireToAt: number, ifGeneration: number | undefined): TaskCall {
    const condition = ifGeneration === undefined ? '' : ` if generation ${ifGeneration}`
    const call = this.call(task, `reschedule? at ${fireFromAt}${condition}`)
    const open = { fromAt: fireFromAt, toAt: fireToAt, seq: call.seq, open: true, failedAttempt: undefined }
    task.may((belief) => {
      belief.candidates.push(open)
      belief.generationMax++
    })
    return call
  }

  rescheduleAnswered(call: TaskCall, answer: SeenAnswer, ifGeneration: number | undefined): void {
    const { task, seq } = call
    const { outcome, fireAt = 0, generation = 0 } = answer
    this.journal.note(task.spec.tag, `reschedule: ${outcome} ${generation} ${answer.how ?? ''}`)
    const own = task.since.candidates.find(
      (candidate) => candidate.seq === seq && candidate.failedAttempt === undefined,
    )
    if (own !== undefined) own.open = false
    if (outcome === 'rescheduled') {
      if (!call.window.allows(state.live)) this.violate('state table', task, 'rescheduled a task that was not live')
      if (ifGeneration !== undefined && generation !== ifGeneration + 1) {
        this.violate('generations', task, `rescheduled if ${ifGeneration}, but the generation became ${generation}`)
      }
      const exact = { fromAt: fireAt, toAt: fireAt, seq, open: false, failedAttempt: undefined }
      if (own !== undefined && (fireAt < own.fromAt || fireAt > own.toAt)) {
        this.violate('state table', task, `rescheduled to ${fireAt}, but asked for ${own.fromAt}`)
      }
      task.known((belief) => {
        belief.states &= ~state.absent
        const had = own !== undefined && belief.candidates.includes(own)
        belief.dropCandidatesBefore(seq)
        belief.candidates = belief.candidates.filter((candidate) => candidate !== own)
        if (had) belief.candidates.push(exact)
        belief.generationMin = Math.max(belief.generationMin, generation)
      })
      if (generation > task.since.generationMax) {
        this.violate('generations', task, `generation ${generation} is more than all reschedules together`)
      }
    } else {
      // Nothing was done: its fire time and its generation are none.
      task.known((belief) => {
        if (own !== undefined && belief.candidates.includes(own)) {
          belief.candidates = belief.candidates.filter((candidate) => candidate !== own)
          belief.generationMax--
        }
      })
      if (outcome === 'changed') {
        if (!call.window.allows(state.live)) this.violate('state table', task, 'changed, but it was not live')
        if (generation === ifGeneration || !call.window.allowsGeneration(generation)) {
          this.violate('generations', task, `changed: ${generation}, asked for ${ifGeneration}`)
        }
      } else if (outcome === 'leased') {
        if (!call.window.allows(state.live))
          this.violate('state table', task, 'reschedule says leased: it was not live')
      } else this.#gone(call, answer)
    }
    this.close(call)
  }

  /** The call failed with an error; `unknown` when it may have been done. */
  callFailed(call: TaskCall, code: string, outcome: string): void {
    this.journal.note(call.task.spec.tag, `failed: ${code}, ${outcome}`)
    this.close(call)
  }

  /** get answered a task, live or dead. */
  viewed(call: TaskCall, seen: SeenTask): void {
    const { task, window } = call
    this.#settleTime(task)
    this.journal.note(task.spec.tag, `get: ${seen.state} ${seen.fireAt} a${seen.attempt} g${seen.generation}`)
    const expected = seen.state === 'dead' ? state.dead : state.live
    if (!window.allows(expected)) this.violate('state table', task, `get says ${seen.state}`)
    this.#sameTask(task, seen)
    if (seen.state !== 'dead') this.#sameVersion('get', task, window, seen)
    this.close(call)
  }

  /** get, cancel or reschedule said that the task has ended, or that there is none. */
  gone(call: TaskCall, answer: SeenAnswer): void {
    this.journal.note(call.task.spec.tag, `get: ${answer.outcome} ${answer.how ?? ''}`)
    this.#gone(call, answer)
    this.close(call)
  }

  #gone(call: TaskCall, answer: SeenAnswer): void {
    const { task, window } = call
    this.#settleTime(task)
    if (answer.outcome !== 'ended') {
      if (!window.allows(state.absent)) this.violate('D1 acknowledged', task, `the engine says ${answer.outcome}`)
      return
    }
    const { how } = answer
    const allowed =
      how === 'dead'
        ? state.dead
        : how === 'succeeded'
          ? state.succeeded
          : how === 'cancelled'
            ? state.cancelled
            : how === 'other'
              ? state.other
              : endedStates
    // 'other' and unknown may also be a dead letter that was purged; those add `other` when they are asked for.
    if (!window.allows(allowed) && !((allowed & state.other) !== 0 && this.#mayHaveExpired(task))) {
      this.violate('D1 acknowledged', task, `the engine says it ended: ${how ?? 'how is no longer known'}`)
    }
    if (how !== 'dead') {
      task.known((belief) => {
        belief.states = allowed
      })
    }
  }

  // Dead letters

  /** Redrive or purge of these tasks is called. */
  deadCalled(kind: 'redrive' | 'purge', tasks: readonly TaskModel[]): TaskCall[] {
    return tasks.map((task) => {
      const call = this.call(task, `${kind}?`)
      task.touchedByOthers = true
      task.may((belief) => {
        if (!belief.allows(state.dead)) return
        belief.states |= kind === 'purge' ? state.other : state.live
        if (kind === 'purge') return
        belief.attempts.add(0)
        belief.generationMax++
        belief.candidates.push({
          fromAt: -Infinity,
          toAt: Infinity,
          seq: call.seq,
          open: false,
          failedAttempt: undefined,
        })
      })
      return call
    })
  }

  deadAnswered(calls: readonly TaskCall[], text: string): void {
    for (const call of calls) {
      this.journal.note(call.task.spec.tag, text)
      this.close(call)
    }
  }

  pauseCalled(queue: string, paused: boolean): void {
    this.#openCalls++
    const known = this.#paused.get(queue) ?? { paused: false, open: 0 }
    known.open++
    // From the call on it may be running again.
    if (!paused) known.paused = false
    this.#paused.set(queue, known)
    this.journal.note('', `${paused ? 'pause' : 'resume'} ${queue}?`)
  }

  pauseAnswered(queue: string, paused: boolean, done: boolean): void {
    this.#openCalls--
    const known = this.#paused.get(queue)!
    known.open--
    this.journal.note('', `${paused ? 'pause' : 'resume'} ${queue}: ${done ? 'done' : 'failed'}`)
    known.paused = done && paused && known.open === 0
  }

  // Attempts

  started(seen: SeenStart): AttemptModel | undefined {
    this.firings++
    const wallMs = this.sampleWall()
    const task = this.#find(seen)
    if (task === undefined) {
      this.violate('nothing made up', undefined, `a handler of ${seen.queue} was given ${seen.id} ${seen.payload}`)
      return undefined
    }
    const { tag } = task.spec
    this.journal.note(tag, `start ${seen.id} attempt ${seen.attempt} late ${seen.lateMs} fence ${seen.fence}`)
    if (wallMs < seen.scheduledFor) {
      this.violate('D4 never early', task, `started at ${wallMs}, ${seen.scheduledFor - wallMs} ms early`)
    }
    if (seen.lateMs < 0 || seen.lateMs > wallMs - seen.scheduledFor) {
      this.violate('lateness', task, `lateMs is ${seen.lateMs}, but it is ${wallMs - seen.scheduledFor} ms late`)
    }
    if (this.#aheadMs !== undefined && seen.scheduledFor > wallMs - this.#aheadMs) {
      this.violate('clock held', task, `due at ${seen.scheduledFor}, beyond the trusted ${wallMs - this.#aheadMs}`)
    }
    if (seen.fence <= this.#fence) this.violate('fences', task, `fence ${seen.fence} after ${this.#fence}`)
    this.#fence = Math.max(this.#fence, seen.fence)
    if (this.#paused.get(seen.queue)?.paused === true) this.violate('pause', task, `queue ${seen.queue} is paused`)
    if (task.stopped) this.violate('D5 cancelled', task, "started after a cancel was answered 'leased'")
    this.#sameTask(task, seen)
    this.#settleTime(task)
    const { now } = task
    if (!now.allows(state.live)) this.violate('D5 ended', task, 'started, but it is not live')
    if (!now.allowsFireAt(seen.scheduledFor)) this.violate('fire time', task, `scheduled for ${seen.scheduledFor}`)
    if (!now.attempts.has(seen.attempt - 1)) this.violate('attempts', task, `attempt ${seen.attempt} started`)
    const before = task.attempt
    if (before !== undefined && before.life === this.life && !before.overdue && before.outcome === 'running') {
      this.violate('one attempt', task, `attempt ${before.number} is still running`)
    }
    if (before !== undefined && before.life === this.life && !before.overdue && before.outcome === 'ok') {
      this.violate('D5 completed', task, `attempt ${before.number} has succeeded in this life`)
    }
    if (task.id === undefined) this.#learnId(task, seen.id, false)
    const seq = this.journal.length
    const attempt: AttemptModel = {
      task,
      number: seen.attempt,
      life: this.life,
      startedMs: this.#clock.nowMs(),
      seq,
      outcome: 'running',
      overdue: false,
      successor: undefined,
    }
    task.attempt = attempt
    task.starts++
    const at = seen.scheduledFor
    task.may((belief) => {
      belief.states = state.live | (belief.states & state.cancelled)
      belief.candidates = belief.candidates.filter(({ fromAt, toAt, open }) => (at >= fromAt && at <= toAt) || open)
      belief.attempts = new Set([seen.attempt - 1])
    })
    return attempt
  }

  /** The attempt called scheduleNext. */
  nextScheduled(attempt: AttemptModel, spec: TaskSpec): void {
    attempt.successor = this.submit('successor', [spec])
  }

  /** The handler has answered. */
  answered(attempt: AttemptModel, outcome: 'ok' | 'failed' | 'deadLetter' | 'retry', retryDelayMs?: number): void {
    const { task } = attempt
    this.sampleWall()
    this.journal.note(
      task.spec.tag,
      `attempt ${attempt.number} answers ${outcome}${attempt.overdue ? ', too late' : ''}`,
    )
    const isNewest = task.attempt === attempt
    this.#settleTime(task)
    attempt.outcome = outcome
    if (!isNewest) return
    if (outcome === 'ok') {
      task.may((belief) => {
        // In this life it has succeeded; when its time was up, or the engine closes, that is not sure.
        belief.states |= state.succeeded
      })
      if (attempt.successor !== undefined) {
        task.successors.push(attempt.successor)
        for (const next of attempt.successor.tasks) {
          next.may((belief) => {
            belief.states |= state.live
          })
        }
      }
    } else this.#failed(attempt, outcome, retryDelayMs)
  }

  /** When the time-out of the task's running attempt has passed, the engine may have failed it. */
  #settleTime(task: TaskModel): void {
    const { attempt } = task
    if (attempt === undefined || attempt.life !== this.life) return
    if (this.#clock.nowMs() - attempt.startedMs >= task.spec.timeoutMs - 1) this.overdue(attempt)
  }

  /** The time-out of an attempt has passed: the engine may fail it from now on. */
  overdue(attempt: AttemptModel): void {
    if (attempt.task.attempt !== attempt || attempt.outcome !== 'running' || attempt.overdue) return
    attempt.overdue = true
    this.journal.note(attempt.task.spec.tag, `attempt ${attempt.number} is out of time`)
    this.#failed(attempt, 'failed', undefined)
  }

  #failed(attempt: AttemptModel, outcome: 'failed' | 'deadLetter' | 'retry', retryDelayMs: number | undefined): void {
    const { task, number } = attempt
    const { attemptsMax, maxAge, retryDelayMsMax } = task.spec
    const wallMs = this.sampleWall()
    const mustDie = number >= attemptsMax || outcome === 'deadLetter'
    const mayDie = mustDie || maxAge || attempt.overdue
    task.may((belief) => {
      if (mayDie) belief.states |= state.dead
      // A cancel while it was leased ends it now.
      if (task.stopped) belief.states |= state.cancelled
      belief.attempts.add(number)
      belief.candidates.push({
        // A clock set back meanwhile is not this line's business.
        fromAt: attempt.overdue || this.answersMayWait ? -Infinity : wallMs + (retryDelayMs ?? 0),
        toAt: attempt.overdue || this.answersMayWait ? Infinity : wallMs + (retryDelayMs ?? retryDelayMsMax) + 1_000,
        seq: this.journal.length,
        open: false,
        failedAttempt: number,
      })
    })
  }

  /** A durable event of the engine about an attempt or a task. */
  event(name: string, event: { id: string; attempt?: number; reason?: string; retryAt?: number | undefined }): void {
    const task = this.byId.get(event.id)
    if (task === undefined) {
      // An untagged task, or one that ended before anyone knew its id.
      this.journal.note('', `event ${name} ${event.id}`)
      return
    }
    this.journal.note(task.spec.tag, `event ${name} ${event.attempt ?? ''} ${event.reason ?? ''}`)
    this.#settleTime(task)
    switch (name) {
      case 'succeeded': {
        const attempt = task.attempt
        if (attempt === undefined || attempt.outcome !== 'ok' || attempt.number !== event.attempt) {
          this.violate('D3 events', task, `succeeded with attempt ${event.attempt}, which has not answered so`)
        }
        if (!task.now.allows(state.succeeded)) this.violate('D3 events', task, 'succeeded')
        task.known((belief) => {
          belief.states = state.succeeded
        })
        if (attempt?.successor !== undefined) {
          for (const next of attempt.successor.tasks) {
            next.known((belief) => {
              belief.states &= ~state.absent
              if (belief.states === 0) belief.states = state.live
            })
          }
        }
        break
      }
      case 'cancelled':
        if (!task.now.allows(state.cancelled)) this.violate('D3 events', task, 'cancelled')
        task.known((belief) => {
          belief.states = state.cancelled
        })
        break
      case 'expired':
        if (!this.#mayHaveExpired(task)) this.violate('D3 events', task, 'expired before its time')
        task.known((belief) => {
          belief.states = state.other
        })
        break
      case 'deadLettered': {
        if (!task.now.allows(state.dead) && event.reason !== 'lost')
          this.violate('D3 events', task, `dead: ${event.reason}`)
        if (event.reason === 'lost' && this.life <= lossesMax) this.violate('D3 events', task, 'lost too early')
        if (event.reason === 'attempts' && (task.attempt?.number ?? 0) < task.spec.attemptsMax) {
          this.violate('D3 events', task, 'dead letter with attempts left')
        }
        task.may((belief) => {
          belief.states |= state.dead
        })
        task.since.states &= ~state.absent
        break
      }
      case 'attemptFailed': {
        const { attempt: number = 0, retryAt } = event
        if (!task.since.attempts.has(number)) this.violate('attempts', task, `attempt ${number} failed, says an event`)
        if (retryAt === undefined) break
        task.known((belief) => {
          belief.states &= ~state.absent
          belief.candidates = belief.candidates.map((candidate) =>
            candidate.failedAttempt === number && candidate.fromAt <= retryAt && retryAt <= candidate.toAt
              ? { ...candidate, fromAt: retryAt, toAt: retryAt }
              : candidate,
          )
        })
        break
      }
    }
  }

  // Life and death of the engine

  opened(): void {
    this.life++
    this.sampleWall()
    this.journal.note('', `life ${this.life} begins`)
  }

  /** The process is gone, or the engine has stopped: nothing that was open will be answered. */
  died(how: string): void {
    this.journal.note('', how)
    this.#openCalls = 0
    for (const submission of this.submissions) if (submission.status === 'open') submission.status = 'unknown'
    for (const task of this.tasks.values()) task.crashed()
    for (const [queue, known] of this.#paused) this.#paused.set(queue, { paused: known.paused, open: 0 })
  }

  /** The engine has closed in order: what it had accepted is on disk. */
  closed(): void {
    this.journal.note('', 'closed')
    this.#openCalls = 0
    for (const task of this.tasks.values()) task.closed()
  }

  /** What may have changed the pause of a queue without an answer. */
  pausedNow(queue: string, paused: boolean): void {
    const known = this.#paused.get(queue)
    if (known?.paused === true && !paused) this.violate('pause', undefined, `queue ${queue} was paused, and is not now`)
    this.#paused.set(queue, { paused, open: 0 })
  }

  #mayHaveExpired(task: TaskModel): boolean {
    return task.spec.expiresAt !== undefined && task.spec.expiresAt <= Math.max(this.#wallMax, this.sampleWall())
  }

  #find(seen: {
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
    if (known !== undefined && known !== tagged && !known.now.allows(state.absent)) {
      this.violate('same data', known, `its id ${seen.id} came with the data of ${seen.tag}`)
    }
    return tagged
  }

  #sameTask(task: TaskModel, seen: { id: string; queue: string; payload: string; headers: string }): void {
    const { spec } = task
    if (task.id !== undefined && task.id !== seen.id) {
      this.violate('ids once', task, `its id was ${task.id} and is now ${seen.id}`)
    }
    if (seen.queue !== spec.queue) this.violate('same data', task, `queue ${seen.queue}, not ${spec.queue}`)
    if (seen.payload !== spec.payload) this.violate('same data', task, `payload ${seen.payload}, not ${spec.payload}`)
    if (seen.headers !== spec.headers) this.violate('same data', task, `headers ${seen.headers}, not ${spec.headers}`)
  }

  #sameVersion(where: string, task: TaskModel, belief: Belief, seen: SeenTask): void {
    const { fireAt, attempt, generation } = seen
    if (!belief.allowsFireAt(fireAt)) this.violate('same data', task, `${where}: fireAt ${fireAt}`)
    if (!belief.attempts.has(attempt)) this.violate('attempts', task, `${where}: attempt ${attempt}`)
    if (!belief.allowsGeneration(generation)) this.violate('generations', task, `${where}: generation ${generation}`)
  }

  // Scans

  /**
   * A full listing taken while nothing else went on. Settles every task: what is listed is live or dead with these
   * values, what is not has ended or never was.
   */
  scanned(listed: readonly SeenTask[]): void {
    const seq = this.journal.length
    this.journal.note('', `scan: ${listed.length} tasks`)
    const seenTasks = new Set<TaskModel>()
    for (const seen of listed) {
      const task = this.#find(seen)
      if (task === undefined) {
        this.violate(
          'nothing made up',
          undefined,
          `the listing has ${seen.id} ${seen.payload}, which was never submitted`,
        )
        continue
      }
      if (seenTasks.has(task)) {
        this.violate('list once', task, `${seen.id} is listed twice`)
        continue
      }
      seenTasks.add(task)
      this.#sameTask(task, seen)
      if (task.id === undefined) this.#learnId(task, seen.id, true)
      const dead = seen.state === 'dead'
      if (!task.now.allows(dead ? state.dead : state.live) && !(dead && this.life > lossesMax)) {
        this.violate(dead ? 'D3 dead letters' : 'D5 ended', task, `is listed as ${seen.state}`)
      }
      if (!dead) this.#sameVersion('list', task, task.now, seen)
      task.observed(dead ? state.dead : state.live, seen, seq)
    }
    for (const task of this.tasks.values()) if (!seenTasks.has(task)) this.#notListed(task)
    this.#checkBatches(seenTasks)
    this.#checkSuccessors(seenTasks)
  }

  #notListed(task: TaskModel): void {
    let states = task.now.states & ~(state.live | state.dead)
    if (this.#mayHaveExpired(task)) states |= task.now.states & (state.live | state.dead) ? state.other : 0
    if (states === 0) {
      this.violate('D1 lost', task, `acknowledged as ${task.id}, and is neither pending nor ended`)
      states = state.absent
    }
    if (states === state.absent && task.id !== undefined && task.submission.status !== 'accepted') {
      if (this.byId.get(task.id) === task) this.byId.delete(task.id)
      task.id = undefined
    }
    task.known((belief) => {
      belief.states = states
    })
  }

  /** All of a batch or none of it. */
  #checkBatches(seen: ReadonlySet<TaskModel>): void {
    for (const { kind, status, tasks } of this.submissions) {
      if (kind !== 'scheduleMany' || status !== 'unknown') continue
      const present = tasks.find((task) => seen.has(task) || !task.now.allows(state.absent))
      const absent = tasks.find((task) => task.now.states === state.absent)
      if (present !== undefined && absent !== undefined) {
        this.violate('D2 whole', absent, `is absent, but ${present.spec.tag} of the same batch is there`)
      }
      if (present !== undefined) {
        for (const task of tasks) {
          task.known((belief) => {
            if (belief.states !== state.absent) belief.states &= ~state.absent
          })
        }
      }
    }
  }

  /** A successor is there if and only if the success that scheduled it is. */
  #checkSuccessors(seen: ReadonlySet<TaskModel>): void {
    for (const task of this.tasks.values()) {
      if (task.successors.length === 0) continue
      const there = task.successors.filter((next) => seen.has(next.tasks[0]!))
      if (there.length > 1) this.violate('one successor', task, `has ${there.length} successors`)
      if (there.length > 0 && (seen.has(task) || task.now.states === state.absent)) {
        this.violate('one successor', there[0]!.tasks[0], `is there, but ${task.spec.tag} has not succeeded`)
      }
      const certain = task.now.states === state.succeeded && task.successors.length === 1
      const next = task.successors[0]!.tasks[0]!
      if (certain && next.now.states === state.absent && task.attempt?.successor === task.successors[0]) {
        this.violate('one successor', next, `is absent, but ${task.spec.tag} has succeeded`)
      }
      if (seen.has(task)) task.successors.length = 0
    }
  }
}

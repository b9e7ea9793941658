/** The checker's part about attempts: where handlers start, what they answer, and what events say of it. */

import { state, type Belief, type Candidate } from './belief.ts'
import { CheckerCore, type SeenStart } from './checker-core.ts'
import type { AttemptModel, Submission, TaskModel, TaskSpec } from './task-model.ts'

/** Leases lost with the process after which a task is a dead letter. */
export const lossesMax = 10

interface TaskEvent {
  readonly id: string
  readonly attempt?: number
  readonly reason?: string
  readonly retryAt?: number | undefined
}

export class AttemptChecks extends CheckerCore {
  started(seen: SeenStart): AttemptModel | undefined {
    this.firings++
    const wallMs = this.sampleWall()
    const task = this.findTask(seen)
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
    if (this.aheadMs !== undefined && seen.scheduledFor > wallMs - this.aheadMs) {
      this.violate('clock held', task, `due at ${seen.scheduledFor}, beyond the trusted ${wallMs - this.aheadMs}`)
    }
    this.#checkFence(task, seen)
    if (this.paused.get(seen.queue)?.paused === true) this.violate('pause', task, `queue ${seen.queue} is paused`)
    if (task.stopped) this.violate('D5 cancelled', task, "started after a cancel was answered 'leased'")
    this.sameTask(task, seen)
    this.settleTime(task)
    const { now } = task
    if (!now.allows(state.live)) this.violate('D5 ended', task, 'started, but it is not live')
    if (!now.allowsFireAt(seen.scheduledFor)) this.violate('fire time', task, `scheduled for ${seen.scheduledFor}`)
    // Of redrives under way at once, each may find it dead again and start it anew.
    const isRedriven = seen.attempt === 1 && task.openRedrives.size > 0
    if (!now.attempts.has(seen.attempt - 1) && !isRedriven) {
      this.violate('attempts', task, `attempt ${seen.attempt} started`)
    }
    const before = task.attempt
    if (before !== undefined && before.life === this.life && !before.overdue && before.outcome === 'running') {
      this.violate('one attempt', task, `attempt ${before.number} is still running`)
    }
    if (before !== undefined && before.life === this.life && !before.overdue && before.outcome === 'ok') {
      this.violate('D5 completed', task, `attempt ${before.number} has succeeded in this life`)
    }
    if (task.id === undefined) this.learnId(task, seen.id, false)
    const seq = this.journal.length
    const startedMs = this.clock.nowMs()
    const { timeoutMs = task.spec.timeoutMs } = seen
    const attempt: AttemptModel = {
      task,
      number: seen.attempt,
      fence: seen.fence,
      life: this.life,
      startedMs,
      timeoutMs,
      deadlineMs: startedMs + timeoutMs - 1,
      seq,
      outcome: 'running',
      overdue: false,
      successor: undefined,
    }
    task.attempt = attempt
    this.running.add(attempt)
    task.starts++
    task.attemptMax = Math.max(task.attemptMax, seen.attempt)
    const at = seen.scheduledFor
    const begun = (belief: Belief): void => {
      belief.states = state.live | (belief.states & (state.cancelled | (task.replacers.size > 0 ? state.replaced : 0)))
      belief.candidates = belief.candidates.filter(({ fromAt, toAt, open }) => (at >= fromAt && at <= toAt) || open)
      belief.attempts = new Set([seen.attempt - 1])
    }
    task.may(begun)
    // A lease is handed out once it is on disk, and with it all that led to it.
    if (seen.by === 'lease') task.known(begun)
    return attempt
  }

  /** A later lease has a larger fence; each has one of its own. Handlers of one thread are started in order. */
  #checkFence(task: TaskModel, { fence, by }: SeenStart): void {
    const inOrder = by === 'function' ? this.fenceInOrder : 0
    const before = Math.max(task.fence, this.fenceBefore, inOrder)
    if (fence <= before) this.violate('fences', task, `fence ${fence} after ${before}`)
    if (this.fences.has(fence)) this.violate('fences', task, `fence ${fence} a second time`)
    this.fences.add(fence)
    task.fence = Math.max(task.fence, fence)
    this.fenceMax = Math.max(this.fenceMax, fence)
    if (by === 'function') this.fenceInOrder = fence
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
    this.settleTime(task)
    attempt.outcome = outcome
    this.running.delete(attempt)
    // Of one that was replaced it says nothing.
    if (!isNewest || task.now.states === state.replaced) return
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
  protected settleTime(task: TaskModel): void {
    const { attempt } = task
    if (attempt === undefined || attempt.life !== this.life) return
    if (this.clock.nowMs() >= attempt.deadlineMs) this.overdue(attempt)
  }

  /** The time-out of an attempt has passed: the engine may fail it from now on. */
  overdue(attempt: AttemptModel): void {
    if (attempt.task.attempt !== attempt || attempt.outcome !== 'running' || attempt.overdue) return
    // It was extended.
    if (this.clock.nowMs() < attempt.deadlineMs) return
    attempt.overdue = true
    if (attempt.task.now.states === state.replaced) return
    this.journal.note(attempt.task.spec.tag, `attempt ${attempt.number} is out of time`)
    this.#failed(attempt, 'failed', undefined)
  }

  /** Its thread has died, and it had not answered. */
  threadDied(attempt: AttemptModel): void {
    this.answered(attempt, 'failed')
  }

  #failed(attempt: AttemptModel, outcome: 'failed' | 'deadLetter' | 'retry', retryDelayMs: number | undefined): void {
    const { task, number } = attempt
    const { attemptsMax, maxAge, retryDelayMsMax } = task.spec
    const wallMs = this.sampleWall()
    const mustDie = number >= attemptsMax || outcome === 'deadLetter'
    const mayDie = mustDie || maxAge || attempt.overdue
    const isLoose = attempt.overdue || this.answersMayWait
    // One that is too far ahead is not what retries go by.
    const believedMs = this.clockIsDoubtful ? this.trustedMax : wallMs
    task.may((belief) => {
      if (mayDie) belief.states |= state.dead
      // A cancel while it was leased ends it now.
      if (task.stopped) belief.states |= state.cancelled
      belief.attempts.add(number)
      belief.candidates.push({
        // A clock set back meanwhile is not this line's business.
        fromAt: isLoose || this.clockIsDoubtful ? -Infinity : wallMs + (retryDelayMs ?? 0),
        toAt: isLoose ? Infinity : believedMs + (retryDelayMs ?? retryDelayMsMax) + 10_000,
        seq: this.journal.length,
        open: false,
        failedAttempt: number,
      })
    })
  }

  /** Its success is durable, and with it its successor. */
  protected succeededWith(_task: TaskModel, successor: Submission | undefined): void {
    for (const next of successor?.tasks ?? []) {
      next.known((belief) => {
        belief.states &= ~state.absent
        if (belief.states === 0) belief.states = state.live
      })
    }
  }

  /** Whom an event is about: it may be a moment behind the call that replaced the task. */
  #taskOf(name: string, { id, attempt = 0, retryAt }: TaskEvent): TaskModel | undefined {
    const newest = this.byId.get(id)
    if (name !== 'attemptFailed') return newest
    let found: TaskModel | undefined
    for (let task = newest; task !== undefined; task = task.predecessor) {
      if (!failedSo(task, attempt, retryAt) || task.failuresHeard.has(attempt)) continue
      // Of an attempt with the same number the older one comes first.
      found = task
    }
    return found ?? newest
  }

  /** A durable event of the engine about an attempt or a task. */
  event(name: string, event: TaskEvent): void {
    const task = this.#taskOf(name, event)
    if (task === undefined) {
      // An untagged task, or one that ended before anyone knew its id.
      this.journal.note('', `event ${name} ${event.id}`)
      return
    }
    this.journal.note(task.spec.tag, `event ${name} ${event.attempt ?? ''} ${event.reason ?? ''}`)
    this.settleTime(task)
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
        this.succeededWith(task, attempt?.successor)
        break
      }
      case 'cancelled':
        if (!task.now.allows(state.cancelled)) this.violate('D3 events', task, 'cancelled')
        task.known((belief) => {
          belief.states = state.cancelled
        })
        break
      case 'expired':
        if (!this.mayHaveExpired(task)) this.violate('D3 events', task, 'expired before its time')
        task.known((belief) => {
          belief.states = state.other
        })
        break
      case 'deadLettered': {
        if (!task.since.allows(state.dead) && event.reason !== 'lost')
          this.violate('D3 events', task, `dead: ${event.reason}`)
        if (event.reason === 'lost' && this.life <= lossesMax) this.violate('D3 events', task, 'lost too early')
        if (event.reason === 'attempts' && task.attemptMax < task.spec.attemptsMax) {
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
        task.failuresHeard.add(number)
        if (!task.since.attempts.has(number)) this.violate('attempts', task, `attempt ${number} failed, says an event`)
        if (retryAt === undefined) break
        if (
          !failedSo(task, number, retryAt) &&
          task.since.candidates.some(({ failedAttempt }) => failedAttempt === number)
        )
          this.violate('retry time', task, `tried again at ${retryAt}`)
        task.known((belief) => {
          belief.states &= ~state.absent
          belief.candidates = belief.candidates.map((candidate) =>
            isRetry(candidate, number, retryAt) ? { ...candidate, fromAt: retryAt, toAt: retryAt } : candidate,
          )
        })
        break
      }
    }
  }
}

/** Whether the attempt may have failed, to be tried again at this instant. */
function failedSo({ since }: TaskModel, attempt: number, retryAt: number | undefined): boolean {
  if (!since.attempts.has(attempt)) return false
  return retryAt === undefined || since.candidates.some((candidate) => isRetry(candidate, attempt, retryAt))
}

function isRetry({ failedAttempt, fromAt, toAt }: Candidate, attempt: number, retryAt: number): boolean {
  return failedAttempt === attempt && fromAt <= retryAt && retryAt <= toAt
}

/** The part of the checker that judges handlers' starts and ends, and the engine's events. */

import { datedLaterMsMax, type Book } from './book.ts'
import { is, type ExpectedTask } from './expected-task.ts'
import type { EndLine, EventLine, StartLine } from './lines.ts'

const lossesMax = 10

export class Attempts {
  starts = 0
  tornTails = 0
  /** Reports of a clock that is too far ahead. */
  holds = 0
  readonly #book: Book
  #fence = 0
  /** Between wall clock and monotonic clock, at the start before. */
  #offMs = 0
  /** Successors by the task that scheduled them, in this life. */
  readonly #next = new Map<ExpectedTask, ExpectedTask>()
  /** Ends of tasks whose id is not known yet. */
  readonly #early: EventLine[] = []

  constructor(book: Book) {
    this.#book = book
  }

  started(line: StartLine): void {
    const book = this.#book
    const { tag, attempt, fence, scheduledFor, wallMs } = line
    this.starts++
    if (fence <= this.#fence) book.violate(`fence ${fence} after ${this.#fence}`)
    this.#fence = Math.max(this.#fence, fence)
    const task = book.tasks.get(tag)
    if (task === undefined) {
      book.violate(
        tag < book.nextTag && tag > 0
          ? `D5: task ${tag} starts, but it has ended, or never was`
          : `task ${tag} was never submitted, but starts`,
      )
      return
    }
    task.starts++
    if (!task.allows(is.live)) book.violate('D5: it starts, but it is not live', task)
    if (task.stopped) book.violate('D5: it starts after a cancel that was answered leased', task)
    if (task.endedInLife) book.violate('it starts again after its handler has ended it', task)
    if (task.running) book.violate('it starts while it is running', task)
    // A clock set back between the engine's look at it and the handler's makes nothing early.
    const offMs = wallMs - line.upMs
    const wasStepped = book.rules.clockSteps && Math.abs(offMs - this.#offMs) > 20
    this.#offMs = offMs
    if (wallMs < scheduledFor && !wasStepped) book.violate(`D4: ${scheduledFor - wallMs} ms early`, task)
    if (scheduledFor > book.believedUntilMs) book.violate('it starts by a clock that is not to be believed', task)
    if (!line.same || line.queue !== task.asked.queue) book.violate('it starts with other data', task)
    if (!task.allowsFireAt(scheduledFor, attempt - 1)) book.violate(`it starts for ${scheduledFor}`, task)
    if (!task.attempts.includes(attempt - 1)) book.violate(`it starts attempt ${attempt}`, task)
    if (attempt > task.asked.attemptsMax) book.violate(`attempt ${attempt} of ${task.asked.attemptsMax}`, task)
    if (book.paused.get(line.queue) === true) book.violate(`it starts in a paused queue`, task)
    book.learnId(task, line.id, false)
    if (book.rules.startsSurvive) book.know(task, task.states & ~is.absent)
    task.running = true
  }

  ended({ tag, attempt, how, wallMs, delayMs, next }: EndLine): void {
    const book = this.#book
    const task = book.tasks.get(tag)
    // Said already at its start.
    if (task === undefined) return
    task.running = false
    if (how === 'ok') {
      task.may(is.succeeded)
      task.endedInLife = true
      if (next === undefined) return
      const submission = book.submit([next], task)
      book.doubtful.add(submission)
      this.#next.set(task, submission.tasks[0]!)
      return
    }
    if (task.stopped) return
    task.attempts.push(attempt)
    if (how === 'dead') task.deathAsked = true
    if (how === 'dead' || attempt >= task.asked.attemptsMax) {
      task.may(is.dead)
      task.endedInLife = true
      return
    }
    const from = wallMs + (how === 'retry' ? (delayMs ?? 0) : task.asked.delayMs)
    if (book.rules.clockSteps) task.mayFireAt(-Infinity, Infinity, book.line, attempt)
    else task.mayFireAt(from, from + datedLaterMsMax, book.line, attempt)
  }

  event(line: EventLine): void {
    const book = this.#book
    if (line.name === 'tornTail') this.tornTails++
    if (line.name === 'clockJump' && line.held === true) this.holds++
    if (line.name === 'damaged') book.violate('D6: damage is reported where nothing was damaged')
    if (line.id === undefined || !book.isProof) return
    const task = book.byId.get(line.id)
    if (task === undefined) this.#early.push(line)
    else this.#happened(task, line)
  }

  /** An id is known now: what was told of it before counts. */
  idsLearned(): void {
    for (const line of this.#early.splice(0)) this.event(line)
  }

  #happened(task: ExpectedTask, { name, attempt, reason, wallMs }: EventLine): void {
    const book = this.#book
    const said = `the event ${name} tells of it`
    switch (name) {
      case 'succeeded': {
        if (!task.allows(is.succeeded)) book.violate(said, task)
        book.know(task, is.succeeded)
        const next = this.#next.get(task)
        if (next !== undefined) book.know(next, next.states & ~is.absent)
        return
      }
      case 'attemptFailed':
        if (!task.attempts.includes(attempt!)) book.violate(`${said}, attempt ${attempt}`, task)
        task.attempts = task.attempts.filter((each) => each >= attempt!)
        return
      case 'deadLettered':
        if (reason === 'lost' && task.kills >= lossesMax) task.may(is.dead)
        if (!task.allows(is.dead)) book.violate(`${said}, ${reason}`, task)
        // It can be redriven from here on, and only from here on.
        book.know(task, is.dead)
        task.endedInLife = false
        return
      case 'cancelled':
        if (!task.allows(is.cancelled)) book.violate(said, task)
        book.know(task, is.cancelled)
        return
      case 'expired':
        if (!task.allows(is.live) || !book.mayHaveExpired(task, wallMs)) book.violate(said, task)
        book.know(task, is.expired)
        return
      default:
        return
    }
  }

  outlived(): void {
    this.#next.clear()
    this.#early.length = 0
  }
}

/** The part of the checker that judges calls and their answers. */

import { datedLaterMsMax, type Book } from './book.ts'
import { is, type ExpectedTask, type Submission } from './expected-task.ts'
import type { AnswerLine, Asked } from './lines.ts'

interface OpenCall {
  readonly kind: string
  readonly line: number
  readonly task?: ExpectedTask
  readonly submission?: Submission
  readonly queue?: string
  readonly fireAt?: number
}

const ended = is.succeeded | is.cancelled | is.expired | is.purged
const endedAs: Readonly<Record<string, number>> = {
  dead: is.dead,
  succeeded: is.succeeded,
  cancelled: is.cancelled,
  other: is.expired | is.purged,
}

export class Calls {
  accepted = 0
  /** Calls whose outcome was told to be unknown. */
  unknown = 0
  readonly #book: Book
  readonly #open = new Map<number, OpenCall>()

  constructor(book: Book) {
    this.#book = book
  }

  submitted(n: number, asked: readonly Asked[]): void {
    const submission = this.#book.submit(asked, undefined)
    this.#open.set(n, { kind: 'submit', line: this.#book.line, submission })
  }

  receipts(n: number, receipts: readonly (readonly [string, number])[]): void {
    const book = this.#book
    const submission = this.#take(n).submission!
    const { tasks } = submission
    if (book.isProof) this.accepted += tasks.length
    else book.doubtful.add(submission)
    if (receipts.length !== tasks.length)
      book.violate(`${receipts.length} receipts for ${tasks.length} tasks`, tasks[0])
    for (const [index, [id, fireAt]] of receipts.entries()) {
      const task = tasks[index]!
      book.learnId(task, id, true)
      book.know(task, task.states & ~is.absent)
      const { fireFrom, fireTo } = task.asked
      if (fireAt < fireFrom || fireAt > fireTo) book.violate(`its receipt says ${fireAt}`, task)
    }
  }

  /** A call about a task begins. */
  called(kind: string, n: number, tag: number, fireAt: number): void {
    const book = this.#book
    const task = book.tasks.get(tag)
    if (task === undefined) {
      book.violate(`the worker calls ${kind} for task ${tag}, which is settled`)
      return
    }
    this.#open.set(n, { kind, line: book.line, task, fireAt })
    task.window = task.states
    if (kind === 'cancel' && task.allows(is.live)) task.may(is.cancelled)
    if (kind === 'purge' && task.allows(is.dead)) task.may(is.purged)
    if (kind === 'redrive' && task.allows(is.dead)) {
      task.may(is.live)
      task.attempts.push(0)
      task.endedInLife = false
      task.generationMax++
      if (book.rules.clockSteps) task.mayFireAt(-Infinity, Infinity, book.line, 0)
      else task.mayFireAt(fireAt, fireAt + datedLaterMsMax, book.line, 0)
    }
    if (kind === 'move') {
      task.generationMax++
      task.mayFireAt(fireAt, fireAt, book.line, undefined)
    }
  }

  pauseCalled(kind: string, n: number, queue: string): void {
    this.#open.set(n, { kind, line: this.#book.line, queue })
    this.#book.paused.delete(queue)
  }

  answered(answer: AnswerLine): void {
    const book = this.#book
    const call = this.#take(answer.n)
    if (!book.isProof) return
    if (call.queue !== undefined) book.paused.set(call.queue, call.kind === 'pause')
    const { task } = call
    if (task === undefined) return
    const { outcome } = answer
    if (outcome === 'ended' || outcome === 'missing') this.#gone(task, call, answer)
    else if (call.kind === 'cancel') this.#cancelled(task, outcome)
    else if (call.kind === 'move') this.#moved(task, call, answer)
    else if (call.kind === 'get') this.#got(task, answer)
    else this.#deadAnswered(task, call.kind, outcome)
    task.window = 0
  }

  #gone(task: ExpectedTask, call: OpenCall, { outcome, how }: AnswerLine): void {
    const said = `${call.kind} says ${outcome} ${how ?? ''}`
    const states = outcome === 'missing' ? is.absent : (endedAs[how ?? ''] ?? ended)
    if (call.kind === 'move') this.#dropMove(task, call)
    if (
      (task.window & states) === 0 &&
      !((states & is.expired) !== 0 && this.#book.mayHaveExpired(task, this.#book.lastWallMs))
    ) {
      this.#book.violate(`D1, D5: ${said}`, task)
    }
    if (how === 'dead') return
    const narrowed = task.window & states
    this.#book.know(task, narrowed === 0 ? states & ~is.purged : narrowed)
  }

  #cancelled(task: ExpectedTask, outcome: string): void {
    if ((task.window & is.live) === 0) this.#book.violate(`cancel says ${outcome}, but it was not live`, task)
    this.#book.know(task, outcome === 'cancelled' ? is.cancelled : is.cancelled | is.succeeded)
    if (outcome === 'leased') task.stopped = true
    else if (outcome !== 'cancelled') this.#book.violate(`cancel says ${outcome}`, task)
  }

  #moved(task: ExpectedTask, call: OpenCall, { outcome, fireAt, generation = -1 }: AnswerLine): void {
    const book = this.#book
    if ((task.window & is.live) === 0) book.violate(`reschedule says ${outcome}, but it was not live`, task)
    if (outcome === 'rescheduled') {
      if (fireAt !== call.fireAt) book.violate(`rescheduled to ${fireAt}, asked for ${call.fireAt}`, task)
      if (generation > task.generationMax || generation <= task.generationMin) {
        book.violate(`rescheduled, now generation ${generation}`, task)
      }
      task.times = task.times.filter(({ line }) => line >= call.line)
      task.generationMin = generation
      book.know(task, task.states & ~is.absent)
    } else {
      this.#dropMove(task, call)
      if (outcome !== 'leased') book.violate(`reschedule says ${outcome}`, task)
    }
  }

  #dropMove(task: ExpectedTask, call: OpenCall): void {
    task.generationMax--
    task.times = task.times.filter(({ line }) => line !== call.line)
  }

  #got(task: ExpectedTask, { outcome, fireAt = 0, generation = 0 }: AnswerLine): void {
    const expected = outcome === 'dead' ? is.dead : is.live
    if ((task.window & expected) === 0) this.#book.violate(`get says ${outcome}`, task)
    if (generation < task.generationMin || generation > task.generationMax) {
      this.#book.violate(`get says generation ${generation}`, task)
    }
    if (outcome !== 'dead' && !task.allowsFireAt(fireAt, undefined)) this.#book.violate(`get says at ${fireAt}`, task)
  }

  #deadAnswered(task: ExpectedTask, kind: string, outcome: string): void {
    const wasDead = task.window & is.dead
    if (outcome === '1') {
      if (wasDead === 0) this.#book.violate(`${kind} was done, but it was not dead`, task)
      if (kind === 'purge') this.#book.know(task, is.purged)
    } else if (task.states === (is.dead | is.live) || task.states === (is.dead | is.purged)) {
      this.#book.violate(`${kind} says it is not dead`, task)
    }
  }

  failed(n: number, code: string, outcome: string): void {
    const book = this.#book
    const { submission, kind, task } = this.#take(n)
    if (!code.startsWith('HW_')) book.violate(`${kind} failed with ${code}, ${outcome}`, task)
    if (outcome === 'unknown') this.unknown++
    if (task !== undefined) task.window = 0
    if (submission === undefined) return
    if (outcome !== 'not done' || !book.isProof) {
      book.doubtful.add(submission)
      return
    }
    for (const each of submission.tasks) {
      if (each.starts > 0) book.violate(`D2: refused with ${code} as not done, but it has started`, each)
      book.know(each, is.absent)
    }
  }

  /** The worker is gone: open calls will never be answered. */
  outlived(): void {
    for (const { submission } of this.#open.values()) if (submission !== undefined) this.#book.doubtful.add(submission)
    this.#open.clear()
  }

  #take(n: number): OpenCall {
    const call = this.#open.get(n)
    if (call === undefined) throw new Error(`an answer to call ${n}, which is not open`)
    this.#open.delete(n)
    return call
  }
}

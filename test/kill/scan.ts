/**
 * The part of the checker that judges the scan after an opening, taken while nothing else went on: it settles every doubt
 * that the life before has left, and then the counters must be exactly what was seen.
 */

import type { Book } from './book.ts'
import { is, type ExpectedTask, type StateName } from './expected-task.ts'
import type { ListedLine, StatsLine } from './lines.ts'

const hourMs = 3_600_000
const lossesMax = 10
const names = Object.keys(is) as StateName[]

export class Scan {
  readonly #book: Book
  readonly #listed = new Set<ExpectedTask>()
  readonly #byHour = new Map<number, number>()
  #stats: StatsLine | undefined
  #hours: readonly (readonly [number, number])[] = []
  #wallMs = 0

  constructor(book: Book) {
    this.#book = book
  }

  /** Those that were listed in the last scan. */
  get tasks(): ReadonlySet<ExpectedTask> {
    return this.#listed
  }

  begin(): void {
    this.#listed.clear()
    this.#byHour.clear()
    this.#stats = undefined
  }

  listed(line: ListedLine): void {
    const book = this.#book
    const task = book.tasks.get(line.tag)
    if (task === undefined) {
      const why = line.tag > 0 && line.tag < book.nextTag ? 'has ended, or never was' : 'was never submitted'
      book.violate(`D5: ${line.id} is listed as ${line.state}, but task ${line.tag} ${why}`)
      return
    }
    if (this.#listed.has(task)) book.violate(`it is listed twice, now as ${line.state}`, task)
    this.#listed.add(task)
    book.learnId(task, line.id, true)
    if (!line.same || line.queue !== task.asked.queue) book.violate('it is listed with other data', task)
    if (line.state === 'leased') book.violate('it is listed as leased, but nothing runs', task)
    if (!task.attempts.includes(line.attempt)) book.violate(`listed: attempts answered ${line.attempt}`, task)
    if (line.generation < task.generationMin || line.generation > task.generationMax) {
      book.violate(`listed: generation ${line.generation}`, task)
    }
    if (line.state === 'dead') {
      this.#dead(task, line)
      return
    }
    if (!task.allows(is.live)) book.violate(`D5: it is listed as ${line.state}`, task)
    if (!task.allowsFireAt(line.fireAt, line.attempt)) book.violate(`listed: at ${line.fireAt}`, task)
    task.seen(is.live, line.fireAt, line.attempt, line.generation, book.line)
    const hour = Math.floor(line.fireAt / hourMs) * hourMs
    this.#byHour.set(hour, (this.#byHour.get(hour) ?? 0) + 1)
  }

  #dead(task: ExpectedTask, { reason, attempt, fireAt, generation }: ListedLine): void {
    const book = this.#book
    const isLost = reason === 'lost' && task.kills >= lossesMax
    if (!task.allows(is.dead) && !(isLost && task.allows(is.live)))
      book.violate(`it is listed as dead, ${reason}`, task)
    const asItShould =
      isLost || (reason === 'attempts' && attempt >= task.asked.attemptsMax) || (reason === 'asked' && task.deathAsked)
    if (!asItShould) book.violate(`it is dead because of ${reason}, attempt ${attempt}`, task)
    task.seen(is.dead, fireAt, attempt, generation, book.line)
  }

  stats(line: StatsLine): void {
    this.#stats = line
  }

  /** All that is live or dead has been listed. */
  end(wallMs: number, hours: readonly (readonly [number, number])[], lastWallMs: number): void {
    const book = this.#book
    this.#wallMs = wallMs
    this.#hours = hours
    for (const task of book.tasks.values()) {
      task.stopped = false
      if (this.#listed.has(task)) continue
      const before = task.states
      task.states &= ~(is.live | is.dead)
      if ((before & is.live) !== 0 && book.mayHaveExpired(task, lastWallMs)) task.states |= is.expired
      if (task.states === 0) {
        book.violate('D1, D3: it is lost: neither listed nor ended', task)
        task.states = is.absent
      }
    }
  }

  /** What the listing has left open, to be asked for. */
  get unclear(): ExpectedTask[] {
    return [...this.#book.tasks.values()].filter((task) => !task.isCertain && task.id !== undefined)
  }

  /** What was asked for has been answered: nothing is open any more. */
  settle(): void {
    const book = this.#book
    for (const submission of book.doubtful) this.#judgeSubmission(submission.tasks, submission.parent)
    book.doubtful.clear()
    for (const task of book.tasks.values()) {
      if (this.#listed.has(task)) continue
      if (task.states === is.absent) book.forgetId(task)
      if (task.isCertain)
        book.settle(
          task,
          names.find((name) => is[name] === task.states)!,
        )
      else {
        if (task.states !== (is.absent | is.expired)) book.violate('nobody knows how it ended', task)
        book.settle(task, 'unclear')
      }
    }
    this.#judgeCounters()
    this.#judgeHours()
  }

  #judgeSubmission(tasks: readonly ExpectedTask[], parent: ExpectedTask | undefined): void {
    const book = this.#book
    const present = tasks.find((task) => !task.allows(is.absent))
    const absent = tasks.find((task) => task.states === is.absent)
    if (present !== undefined && absent !== undefined) {
      book.violate(`D2: it is absent, but task ${present.asked.tag} of the same call is there`, absent)
    }
    if (parent === undefined) return
    if (parent.states === is.succeeded && absent !== undefined) {
      book.violate(`it is absent, but task ${parent.asked.tag}, whose successor it is, has succeeded`, absent)
    }
    if (parent.states !== is.succeeded && present !== undefined) {
      book.violate(`it is there, but task ${parent.asked.tag}, whose successor it is, has not succeeded`, present)
    }
  }

  #judgeCounters(): void {
    const book = this.#book
    const { settled } = book
    const stats = this.#stats
    if (stats === undefined) {
      book.violate('a scan without stats')
      return
    }
    let live = 0
    for (const task of this.#listed) if (task.states === is.live) live++
    const dead = this.#listed.size - live
    const { succeeded, cancelled, expired, purged, unclear } = settled
    const accepted = live + dead + succeeded + cancelled + expired + purged
    const exact = { pending: live, leased: 0, dead, succeeded, cancelled, purged, replaced: 0, damaged: 0 }
    for (const [name, count] of Object.entries(exact)) {
      if (stats.total[name] !== count) book.violate(`the counter ${name} is ${stats.total[name]}, not ${count}`)
    }
    for (const [name, count] of Object.entries({ expired, accepted })) {
      const said = stats.total[name] ?? -1
      if (said < count || said > count + unclear) book.violate(`the counter ${name} is ${said}, not ${count}`)
    }
    if (stats.conservation !== 0) book.violate(`conservation is ${stats.conservation}`)
    for (const [queue, paused] of book.paused) {
      if (stats.paused.includes(queue) !== paused) book.violate(`queue ${queue} is ${paused ? 'not ' : ''}paused`)
    }
    book.paused.clear()
    for (const queue of stats.paused) book.paused.set(queue, true)
  }

  /** Tasks of hours that have passed may be filed under a later one; all others under their own. */
  #judgeHours(): void {
    const book = this.#book
    const byHour = new Map(this.#byHour)
    let left = 0
    for (const [hour, pending] of this.#hours) {
      const counted = byHour.get(hour) ?? 0
      byHour.delete(hour)
      left += pending - counted
      if (pending !== counted && hour > this.#wallMs) {
        book.violate(`the calendar says ${pending} for ${hour}, the listing ${counted}`)
      }
    }
    for (const [hour, counted] of byHour) {
      left -= counted
      if (hour > this.#wallMs) book.violate(`the calendar says nothing for ${hour}, the listing ${counted}`)
    }
    if (left !== 0) book.violate(`the calendar says ${left} more than the listing`)
  }
}

/**
 * Judges what workers say by the contract (docs/guarantees.md), over all lives of one directory. It shares nothing with the
 * engine, nor with the checker of the simulation, but the form of ids.
 *
 * Within a life a line either adds to what may be true (a call begins, a handler ends) or takes away (an answer or event:
 * durable). The scan of the next life settles the rest.
 */

import { Attempts } from './attempts.ts'
import { Book, type Rules } from './book.ts'
import { Calls } from './calls.ts'
import type { ExpectedTask } from './expected-task.ts'
import { is } from './expected-task.ts'
import type { Known, Line } from './lines.ts'
import { Scan } from './scan.ts'

const tailLinesMax = 6_000

/** How a life ended, by its own words. */
export interface LifeEnd {
  readonly reason: string
  readonly code: string | undefined
  readonly message: string | undefined
}

export type Counts = Readonly<
  Record<'lives' | 'scans' | 'accepted' | 'unknown' | 'starts' | 'tornTails' | 'checkpoints', number>
>

export class Checker {
  lives = 0
  scans = 0
  /** Of the newest life. */
  end: LifeEnd | undefined
  /** Why the worker stopped before its time, in the newest life. */
  gaveUp: string | undefined
  readonly #book: Book
  readonly #calls: Calls
  readonly #attempts: Attempts
  readonly #scan: Scan
  #tail: string[] = []
  #wallMsBefore = 0
  #checkpoints = 0
  /** Of this life so far. */
  #checkpointsInLife = 0

  constructor(rules: Partial<Rules> = {}) {
    this.#book = new Book({ startsSurvive: true, clockSteps: false, ...rules })
    this.#calls = new Calls(this.#book)
    this.#attempts = new Attempts(this.#book)
    this.#scan = new Scan(this.#book)
  }

  get violations(): readonly string[] {
    return this.#book.violations
  }

  get nextTag(): number {
    return this.#book.nextTag
  }

  get counts(): Counts {
    const { lives, scans } = this
    const checkpoints = this.#checkpoints + this.#checkpointsInLife
    const { starts, tornTails } = this.#attempts
    const { accepted, unknown } = this.#calls
    return { lives, scans, accepted, unknown, starts, tornTails, checkpoints }
  }

  get holds(): number {
    return this.#attempts.holds
  }

  /** A clock that says more than this is wrong. */
  believeClockUntil(wallMs: number): void {
    this.#book.believedUntilMs = wallMs
  }

  /** Something for the evidence. */
  note(text: string): void {
    this.#tail.push(`${this.lives} ${text}`)
  }

  violate(what: string): void {
    this.#book.violate(what)
  }

  /** Of the lines heard last, those about the tasks of the first violations, and where lives begin and end. */
  evidence(): string[] {
    const tags = this.violations.slice(0, 3).flatMap((text) => /\btask (\d+)/u.exec(text)?.slice(1) ?? [])
    const isAbout = (line: string): boolean => tags.some((tag) => new RegExp(`"tag":${tag}\\b`, 'u').test(line))
    const ids = this.#tail.filter(isAbout).flatMap((line) => /"id":"(\w{14})"/u.exec(line)?.slice(1) ?? [])
    return this.#tail
      .filter(
        (line) =>
          isAbout(line) ||
          ids.some((id) => line.includes(id)) ||
          /"t":"(?:born|opened|refused|closed|scanned|ready)"/u.test(line) ||
          isNote(line),
      )
      .map((line) => shortened(line, tags))
  }

  /** From here on the disk takes nothing any more: answers are no proof. */
  cut(): void {
    this.#book.isProof = false
  }

  born(): void {
    this.lives++
    this.end = undefined
    this.gaveUp = undefined
    this.#book.isProof = true
    this.#scan.begin()
  }

  /** The worker is gone; `died`: it was killed, or its engine failed. */
  gone(died: boolean): void {
    this.#calls.outlived()
    this.#attempts.outlived()
    for (const task of this.#book.tasks.values()) task.outlived(died)
    this.#wallMsBefore = this.#book.lastWallMs
    this.#checkpoints += this.#checkpointsInLife
    this.#checkpointsInLife = 0
  }

  hear(text: string): void {
    const book = this.#book
    book.line++
    this.#tail.push(`${this.lives} ${text}`)
    if (this.#tail.length > 2 * tailLinesMax) this.#tail.splice(0, tailLinesMax)
    const line = JSON.parse(text) as Line
    if ('wallMs' in line) book.lastWallMs = line.wallMs
    switch (line.t) {
      case 'listed':
        this.#scan.listed(line)
        return
      case 'stats':
        this.#scan.stats(line)
        return
      case 'scanned':
        this.#scan.end(line.wallMs, line.hours, this.#wallMsBefore)
        return
      case 'ready':
        this.#scan.settle()
        this.scans++
        return
      case 'submit':
        this.#calls.submitted(line.n, line.tasks)
        return
      case 'accepted':
        this.#calls.receipts(line.n, line.receipts)
        this.#attempts.idsLearned()
        return
      case 'cancel':
      case 'get':
      case 'redrive':
      case 'purge':
        this.#calls.called(line.t, line.n, line.tag, line.wallMs)
        return
      case 'move':
        this.#calls.called(line.t, line.n, line.tag, line.fireAt)
        return
      case 'pause':
      case 'resume':
        this.#calls.pauseCalled(line.t, line.n, line.queue)
        return
      case 'answer':
        this.#calls.answered(line)
        return
      case 'failed':
        this.#calls.failed(line.n, line.code, line.outcome)
        return
      case 'start':
        this.#attempts.started(line)
        return
      case 'end':
        this.#attempts.ended(line)
        return
      case 'event':
        this.#attempts.event(line)
        return
      default:
        this.#heardOfLife(line)
    }
  }

  #heardOfLife(line: Line): void {
    switch (line.t) {
      case 'tally':
        if (line.conservation !== 0) this.violate(`conservation is ${line.conservation}`)
        this.#checkpointsInLife = line.checkpoints
        return
      case 'drained':
        if (line.left > 0) this.violate(`D3: ${line.left} or more tasks are due and do not run`)
        return
      case 'verified':
        if (!line.sound) this.violate(`verify finds ${line.problems}`)
        return
      case 'closed':
        this.end = { reason: line.reason, code: line.code, message: line.message }
        return
      case 'refused':
        this.end = { reason: 'refused', code: line.code, message: line.message }
        return
      case 'given up':
        this.gaveUp = `${line.code}: ${line.message}`
        return
      case 'uncaught':
        this.violate(`an error that nobody handled: ${line.text}`)
        return
      default:
    }
  }

  /** What the worker is to be told after its scan: what is open, and some tasks to work on. */
  known(random: () => number): Known {
    const pair = (task: ExpectedTask): [number, string] => [task.asked.tag, task.id!]
    const listed = [...this.#scan.tasks]
    const sample = (state: number, max: number): [number, string][] => {
      const from = listed.filter((task) => task.states === state)
      return Array.from({ length: Math.min(max, from.length) }, () => pair(from[Math.floor(random() * from.length)]!))
    }
    return { ask: this.#scan.unclear.map(pair), live: sample(is.live, 40), dead: sample(is.dead, 20) }
  }

  /** Live tasks in the last listing. */
  get liveCount(): number {
    return this.#scan.tasks.size
  }
}

function isNote(line: string): boolean {
  return !/^\d+ \{/u.test(line)
}

/** Of a call with many tasks only those that are asked about. */
function shortened(line: string, tags: readonly string[]): string {
  if (line.length < 400) return line
  const kept =
    line.match(/\{"tag":[^}]*\}/gu)?.filter((task) => tags.some((tag) => task.startsWith(`{"tag":${tag},`))) ?? []
  return `${line.slice(0, 60)} ... ${kept.join(' ')} ... ${line.slice(-40)}`
}

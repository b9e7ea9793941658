/**
 * What an engine is doing, as it does it: a screen that is redrawn on a terminal, a line now and then elsewhere.
 *
 * It listens to the engine's events and asks for its counters; it changes nothing.
 */

import type { Engine } from '../model/engine.ts'
import type { CalendarHour, EngineEvents, Stats } from '../model/engine-reports.ts'
import { dayMs, hourMs } from '../model/units.ts'
import { showDuration } from './human-time.ts'
import { clean, colors, grouped } from './output.ts'

const refreshMs = 500
const plainEveryMs = 2_000
const notesMax = 8
const lastFiredMax = 2
const blocks = ' ▁▂▃▄▅▆▇█'
/** Two hours a column. */
const chartColumns = 36
const lateMsNoted = 5_000

export interface LiveViewOptions {
  /** Lines instead of a screen. */
  readonly plain: boolean
  readonly directory: string
  readonly openedInMs: number
  /** The last line of the screen. */
  readonly footer: string
  /** Said above the counters, such as how far an input was read. */
  readonly status?: () => string | undefined
}

export class LiveView {
  readonly #engine: Engine
  readonly #options: LiveViewOptions
  readonly #notes: string[] = []
  readonly #lastFired: string[] = []
  readonly #startedAt = Date.now()
  #timer: NodeJS.Timeout | undefined
  #fired = 0
  #retried = 0

  constructor(engine: Engine, options: LiveViewOptions) {
    this.#engine = engine
    this.#options = options
    for (const name of noted) {
      engine.on(name, (event: EngineEvents[typeof name]) => {
        const note = noteOf(name, event)
        if (note !== undefined) this.note(...note)
      })
    }
    engine.on('fired', ({ id, queue, attempt, lateMs }) => {
      this.#fired++
      if (attempt > 1) this.#retried++
      this.#lastFired.unshift(clean(`${queue} ${id} ${Math.round(lateMs)} ms late`))
      this.#lastFired.length = Math.min(this.#lastFired.length, lastFiredMax)
    })
  }

  start(): void {
    const draw = (): void => void this.#draw().catch(() => undefined)
    this.#timer = setInterval(draw, this.#options.plain ? plainEveryMs : refreshMs)
    if (!this.#options.plain) {
      process.stdout.write('\u001b[?25l\u001b[2J')
      // However the process ends, the cursor is seen again.
      process.on('exit', () => process.stdout.write('\u001b[?25h'))
    }
    draw()
  }

  /** Leaves what was last seen on the screen. */
  stop(last: string): void {
    clearInterval(this.#timer)
    if (!this.#options.plain) process.stdout.write('\u001b[?25h\n')
    console.log(`stopped after ${grouped(this.#fired)} attempts; ${last}`)
  }

  note(what: string, queue: string, id: string, text: string): void {
    const line = clean(`${clockTime()} ${what.padEnd(11)} ${queue.padEnd(11)} ${id} ${text}`)
    this.#notes.push(line)
    if (this.#options.plain) console.log(line)
    if (this.#notes.length > notesMax) this.#notes.shift()
  }

  async #draw(): Promise<void> {
    const stats = await this.#engine.stats()
    if (this.#options.plain) {
      console.log(`${clockTime()} ${plainLine(stats)}`)
      return
    }
    const calendar = await this.#engine.calendar()
    const width = Math.max(60, Math.min(process.stdout.columns ?? 100, 120))
    const lines = this.#screen(stats, calendar)
    const { bold } = colors(process.stdout)
    const [first, ...rest] = lines.map((line) => `${line.slice(0, width)}\u001b[K`)
    process.stdout.write(`\u001b[H${[bold(first), ...rest].join('\n')}\u001b[J`)
  }

  #screen(stats: Stats, calendar: readonly CalendarHour[]): string[] {
    const { directory, openedInMs, footer, status } = this.#options
    const { total, near, far, conservation, clock } = stats
    const said = status?.()
    const up = showDuration(Math.max(1_000, Date.now() - this.#startedAt))
    return [
      `hourwheel  ${directory}  opened in ${openedInMs.toFixed(0)} ms, up ${up}`,
      ...(clock.held ? [`  CLOCK HELD: ${clock.heldBecause ?? ''}`] : []),
      ...(said === undefined ? [] : [`  ${said}`]),
      '',
      `  accepted ${grouped(total.accepted)}   pending ${grouped(total.pending)} (${grouped(near)} near, ${grouped(far)} on disk)   running ${total.leased}`,
      `  succeeded ${grouped(total.succeeded)}   retried ${this.#retried}   dead ${total.dead}   expired ${total.expired}   conservation ${conservation}`,
      `  ${lateLine(stats)}`,
      '',
      `  ${'queue'.padEnd(13)}${'pending'.padStart(9)}${'running'.padStart(9)}${'done'.padStart(9)}${'dead'.padStart(6)}${'expired'.padStart(9)}`,
      ...queueLines(stats),
      '',
      `  pending by hour, the next three days:  ${chart(calendar)}`,
      `  later: ${later(calendar)}`,
      '',
      `  last fired: ${this.#lastFired.join(', ')}`,
      '',
      ...this.#notes.map((note) => `  ${note}`),
      '',
      `  ${footer}`,
    ]
  }
}

const noted = [
  'fired',
  'attemptFailed',
  'deadLettered',
  'expired',
  'clockJump',
  'tornTail',
  'damaged',
  'noConsumer',
] as const

type Note = [what: string, queue: string, id: string, text: string]

function noteOf<Name extends (typeof noted)[number]>(name: Name, event: EngineEvents[Name]): Note | undefined {
  const of = { [name]: event } as Partial<EngineEvents>
  if (of.fired !== undefined) {
    const { id, queue, lateMs } = of.fired
    return lateMs > lateMsNoted ? ['late', queue, id, `${showDuration(lateMs)} after its time`] : undefined
  }
  if (of.attemptFailed !== undefined) {
    const { id, queue, attempt, error, retryAt } = of.attemptFailed
    const next = retryAt === undefined ? '' : `, again in ${((retryAt - Date.now()) / 1_000).toFixed(1)} s`
    return ['failed', queue, id, `attempt ${attempt}: ${error}${next}`]
  }
  if (of.deadLettered !== undefined)
    return ['dead letter', of.deadLettered.queue, of.deadLettered.id, of.deadLettered.error]
  if (of.expired !== undefined) return ['expired', of.expired.queue, of.expired.id, 'was not run before its expiresAt']
  if (of.noConsumer !== undefined) return ['no handler', of.noConsumer.queue, '', `${of.noConsumer.due} tasks are due`]
  if (of.clockJump !== undefined) {
    const { byMs, held } = of.clockJump
    return [held ? 'clock held' : 'clock', '', '', `jumped by ${byMs} ms`]
  }
  if (of.tornTail !== undefined) {
    return ['torn tail', '', '', `${of.tornTail.bytes} unfinished bytes of ${of.tornTail.file} set aside`]
  }
  if (of.damaged !== undefined) {
    const { file, offset, tasks } = of.damaged
    return ['DAMAGED', '', '', `${file} at ${offset}: ${tasks} tasks`]
  }
  return undefined
}

function queueLines(stats: Stats): string[] {
  return Object.entries(stats.queues).map(
    ([name, queue]) =>
      `  ${name.padEnd(13)}${grouped(queue.pending).padStart(9)}${grouped(queue.running).padStart(9)}` +
      `${grouped(queue.succeeded).padStart(9)}${grouped(queue.dead).padStart(6)}${grouped(queue.expired).padStart(9)}` +
      (queue.paused ? '   paused' : queue.due > 0 && !queue.handled ? '   nobody handles it' : ''),
  )
}

function plainLine(stats: Stats): string {
  const { pending, leased, succeeded, dead, expired } = stats.total
  return `pending ${pending} running ${leased} succeeded ${succeeded} dead ${dead} expired ${expired} | ${lateLine(stats)}`
}

function lateLine({ lateness: { p50Ms, p99Ms, maxMs } }: Stats): string {
  return `late p50 ${p50Ms} ms, p99 ${p99Ms} ms, max ${Math.round(maxMs)} ms`
}

function clockTime(): string {
  return new Date().toISOString().slice(11, 19)
}

function chart(calendar: readonly CalendarHour[]): string {
  const from = Math.floor(Date.now() / hourMs)
  const counts = Array.from({ length: chartColumns }, () => 0)
  for (const { hour, pending } of calendar) {
    const column = Math.floor((hour / hourMs - from) / 2)
    if (column >= 0 && column < counts.length) counts[column]! += pending
  }
  const most = Math.max(1, ...counts.slice(1))
  return counts.map((count) => blocks[Math.min(8, Math.ceil((count / most) * 8))]).join('')
}

function later(calendar: readonly CalendarHour[]): string {
  const now = Date.now()
  const within = (days: number): string =>
    grouped(calendar.reduce((sum, { hour, pending }) => (hour < now + days * dayMs ? sum + pending : sum), 0))
  return `${within(7)} within a week, ${within(30)} within 30 days, ${within(Infinity)} in all`
}

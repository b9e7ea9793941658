/** The live view: a screen that is redrawn on a terminal, a line now and then elsewhere. */

const refreshMs = 500
const plainEveryMs = 2_000
const notesMax = 8
const bars = ' ▁▂▃▄▅▆▇█'

export class LiveView {
  #engine
  #plain
  #directory
  #openedInMs
  #timer
  #notes = []
  #firedByQueue = new Map()
  #retries = 0
  #startedAt = Date.now()

  constructor(engine, { plain, directory, openedInMs }) {
    this.#engine = engine
    this.#plain = plain
    this.#directory = directory
    this.#openedInMs = openedInMs
  }

  start() {
    const draw = () => void this.#draw().catch(() => undefined)
    this.#timer = setInterval(draw, this.#plain ? plainEveryMs : refreshMs)
    if (!this.#plain) process.stdout.write('\x1b[?25l\x1b[2J')
    draw()
  }

  stop() {
    clearInterval(this.#timer)
    if (!this.#plain) process.stdout.write('\x1b[?25h\n')
    const fired = [...this.#firedByQueue.values()].reduce((sum, count) => sum + count, 0)
    console.log(`stopped after ${fired} attempts; start again to go on from ${this.#directory}`)
  }

  fired(id, queue, attempt, lateMs) {
    this.#firedByQueue.set(queue, (this.#firedByQueue.get(queue) ?? 0) + 1)
    if (attempt > 1) this.#retries++
    if (lateMs > 5_000) this.note('late', queue, id, `${Math.round(lateMs / 1_000)} s: it was due while stopped`)
  }

  failed(id, queue, attempt, error, retryAt) {
    const next = retryAt === undefined ? '' : `, again in ${((retryAt - Date.now()) / 1_000).toFixed(1)} s`
    this.note('failed', queue, id, `attempt ${attempt}: ${error}${next}`)
  }

  note(what, queue, id, text) {
    this.#notes.push(`${clockTime()} ${what.padEnd(11)} ${queue.padEnd(11)} ${id} ${text}`)
    if (this.#plain) console.log(this.#notes.at(-1))
    if (this.#notes.length > notesMax) this.#notes.shift()
  }

  async #draw() {
    const stats = await this.#engine.stats()
    const calendar = await this.#engine.calendar()
    const { total, lateness } = stats
    const late = `late p50 ${lateness.p50Ms} ms, p99 ${lateness.p99Ms} ms, max ${Math.round(lateness.maxMs)} ms`
    if (this.#plain) {
      console.log(
        `${clockTime()} pending ${total.pending} running ${total.leased} succeeded ${total.succeeded} ` +
          `dead ${total.dead} expired ${total.expired} | ${late}`,
      )
      return
    }
    const width = Math.max(60, Math.min(process.stdout.columns ?? 100, 120))
    const lines = [
      `hourwheel  ${this.#directory}  opened in ${this.#openedInMs.toFixed(0)} ms, up ${Math.round((Date.now() - this.#startedAt) / 1_000)} s`,
      '',
      `  accepted ${total.accepted}   pending ${total.pending} (${stats.near} near, ${stats.far} on disk)   running ${total.leased}`,
      `  succeeded ${total.succeeded}   retried ${this.#retries}   dead ${total.dead}   expired ${total.expired}   conservation ${stats.conservation}`,
      `  ${late}`,
      '',
      `  ${'queue'.padEnd(13)}${'pending'.padStart(8)}${'running'.padStart(8)}${'done'.padStart(8)}${'dead'.padStart(6)}${'expired'.padStart(9)}`,
      ...Object.entries(stats.queues).map(
        ([name, queue]) =>
          `  ${name.padEnd(13)}${String(queue.pending).padStart(8)}${String(queue.running).padStart(8)}` +
          `${String(queue.succeeded).padStart(8)}${String(queue.dead).padStart(6)}${String(queue.expired).padStart(9)}` +
          (queue.paused ? '   paused' : ''),
      ),
      '',
      `  pending by hour, the next three days:  ${chart(calendar)}`,
      `  later: ${later(calendar)}`,
      '',
      ...this.#notes.map((note) => `  ${note}`),
      '',
      '  Ctrl-C (or kill -9) and `npm start` again: it goes on where it was.',
    ]
    const screen = lines.map((line) => `${line.slice(0, width)}\x1b[K`).join('\n')
    process.stdout.write(`\x1b[H${screen}\x1b[J`)
  }
}

function clockTime() {
  return new Date().toISOString().slice(11, 19)
}

/** One column for two hours. */
function chart(calendar) {
  const from = Math.floor(Date.now() / 3_600_000)
  const counts = new Array(36).fill(0)
  for (const { hour, pending } of calendar) {
    const column = Math.floor((hour / 3_600_000 - from) / 2)
    if (column >= 0 && column < counts.length) counts[column] += pending
  }
  const most = Math.max(1, ...counts.slice(1))
  return counts.map((count) => bars[Math.min(8, Math.ceil((count / most) * 8))]).join('')
}

function later(calendar) {
  const now = Date.now()
  const within = (days) =>
    calendar.filter(({ hour }) => hour < now + days * 86_400_000).reduce((sum, { pending }) => sum + pending, 0)
  return `${within(7)} within a week, ${within(30)} within 30 days, ${within(400)} in all`
}

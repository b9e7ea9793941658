/**
 * Virtual time: one queue of events (timers, `soon`, completions of I/O), run in order of their instant, ties in the
 * order they were asked for. Time jumps from event to event, so that a simulated month costs only what happens in it.
 *
 * Invariant: before an event runs, every promise reaction that the one before set off has run, to the last link of the
 * chain. So a run is determined by the seed of those who schedule events, and by nothing of the real machine.
 *
 * How: an event runs in a `process.nextTick` callback that a microtask asked for. Node runs all microtasks, also those
 * that microtasks add, before the next tick, which takes 0.2 us where a turn of the real event loop takes 2 us or more.
 */

/** Real turns to wait for something outside the simulation (an import) when no event is left. */
const idleTurnsMax = 200
/** Events between two real turns, so that other users of the process (a test runner's time-outs) get theirs. */
const eventsPerTurn = 2000

/** As they were when this was loaded: a test may put fake ones in place of the global ones. */
const nextTurn = setImmediate
const microtask = queueMicrotask
const tick = process.nextTick.bind(process)

export interface LoopEvent {
  readonly atMs: number
  readonly order: number
  /** Undefined once run or cancelled. */
  run: (() => void) | undefined
}

export interface RunLimits {
  /** Events to run before giving up; ten million if not given. */
  readonly eventsMax?: number | undefined
}

export class SimulationLoop {
  #nowMs = 0
  #eventsRun = 0
  #order = 0
  #running = false
  /** A binary heap by (atMs, order). */
  readonly #heap: LoopEvent[] = []
  #cancelled = 0
  /** Told of an event that is due at once while nothing runs events. */
  whenDue: (() => void) | undefined

  /** Virtual milliseconds since the start, fractional. */
  get nowMs(): number {
    return this.#nowMs
  }

  get eventsRun(): number {
    return this.#eventsRun
  }

  /** Events that wait, cancelled ones not counted. */
  get eventsWaiting(): number {
    return this.#heap.length - this.#cancelled
  }

  /** The instant of the next event, Infinity if there is none. */
  get nextAtMs(): number {
    this.#dropCancelled()
    return this.#heap.length === 0 ? Infinity : this.#heap[0]!.atMs
  }

  schedule(afterMs: number, run: () => void): LoopEvent {
    return this.scheduleAt(this.#nowMs + afterMs, run)
  }

  scheduleAt(atMs: number, run: () => void): LoopEvent {
    if (!(atMs >= this.#nowMs)) throw new RangeError(`event at ${atMs} ms, and it is ${this.#nowMs}`)
    const event: LoopEvent = { atMs, order: this.#order++, run }
    this.#push(event)
    if (!this.#running && atMs === this.#nowMs) this.whenDue?.()
    return event
  }

  cancel(event: LoopEvent): void {
    if (event.run === undefined) return
    event.run = undefined
    this.#cancelled++
  }

  /** Lets time pass in which nothing runs, as a blocked thread or a suspended machine does. What is due runs late. */
  stall(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`stall of ${ms} ms`)
    this.#nowMs += ms
  }

  /** Runs events until `work` settles, and answers as it does. Throws if no event is left before that. */
  async run<T>(work: Promise<T> | (() => Promise<T>), limits: RunLimits = {}): Promise<T> {
    const promise = typeof work === 'function' ? work() : work
    let settled = false
    const settle = (): void => {
      settled = true
    }
    promise.then(settle, settle)
    await this.#pump(() => settled, true, limits)
    return promise
  }

  /** Runs events until `condition` holds; looked at before every event. Throws if no event is left before that. */
  async runUntil(condition: () => boolean, limits: RunLimits = {}): Promise<void> {
    await this.#pump(condition, true, limits)
  }

  /** Runs all events of the next `ms`, and moves the time on by exactly that. */
  async advanceBy(ms: number, limits: RunLimits = {}): Promise<void> {
    const untilMs = this.#nowMs + ms
    await this.#pump(() => this.nextAtMs > untilMs, false, limits)
    this.#nowMs = Math.max(this.#nowMs, untilMs)
  }

  /** Lets promise reactions run without running any event. */
  async drain(): Promise<void> {
    await this.#pump(() => true, false, {})
  }

  #pump(stop: () => boolean, mustStop: boolean, limits: RunLimits): Promise<void> {
    if (this.#running) throw new Error('the simulation is running already')
    this.#running = true
    const eventsEnd = this.#eventsRun + (limits.eventsMax ?? 10_000_000)
    let turnEnd = this.#eventsRun + eventsPerTurn
    let idleTurns = 0
    return new Promise<void>((resolve, reject) => {
      const nextTick = (): void => tick(step)
      const step = (): void => {
        try {
          if (stop()) return finish(resolve)
          if (this.#eventsRun >= eventsEnd) throw new Error(`still running after ${this.#eventsRun} events`)
          if (this.#eventsRun >= turnEnd) {
            turnEnd = this.#eventsRun + eventsPerTurn
            nextTurn(step)
            return
          }
          if (this.#runNext()) idleTurns = 0
          else if (!mustStop) return finish(resolve)
          else if (idleTurns++ < idleTurnsMax) {
            nextTurn(step)
            return
          } else throw new Error('no event is left, but what was waited for has not happened')
        } catch (error) {
          return finish(() => reject(error))
        }
        microtask(nextTick)
      }
      const finish = (settle: () => void): void => {
        this.#running = false
        settle()
      }
      microtask(nextTick)
    })
  }

  #runNext(): boolean {
    this.#dropCancelled()
    const event = this.#pop()
    if (event === undefined) return false
    if (event.atMs > this.#nowMs) this.#nowMs = event.atMs
    this.#eventsRun++
    const run = event.run!
    event.run = undefined
    run()
    return true
  }

  #dropCancelled(): void {
    while (this.#heap.length > 0 && this.#heap[0]!.run === undefined) {
      this.#pop()
      this.#cancelled--
    }
  }

  #push(event: LoopEvent): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (isBefore(heap[parent]!, event)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = event
  }

  #pop(): LoopEvent | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (isBefore(last, heap[child]!)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return first
  }
}

function isBefore(a: LoopEvent, b: LoopEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

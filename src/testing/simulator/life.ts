/**
 * One life of the engine in the simulator: makes calls without waiting for them, runs handlers of every temper, and tells
 * the checker what was asked, answered and started. Once the life is over nothing it hears counts.
 */

import type { Engine } from '../../engine/engine.ts'
import type { Receipt } from '../../model/hourwheel.ts'
import { HourwheelError } from '../../model/errors.ts'
import type { Checker } from '../checker.ts'
import type { SeenAnswer } from './checker-core.ts'
import { Handling } from './handling.ts'
import { state } from './belief.ts'
import type { IdCall } from './id-call-checks.ts'
import { Pulling } from './pulling.ts'
import { isKnown, type CallById } from './repeating.ts'
import type { Submission, TaskModel } from './task-model.ts'
import { drawInstant, drawKey, drawTask, queueNames, seenOf, type DrawnFor, type DrawnTask } from './workload.ts'
import type { LifeSide, World } from './world.ts'

export class Life implements LifeSide {
  readonly engine: Engine
  readonly world: World
  readonly handling: Handling
  readonly pulling: Pulling
  /** Handlers succeed at once. */
  healthy: boolean
  over = false
  closing = false
  checkpoints = 0
  merges = 0
  tornTails = 0

  constructor(engine: Engine, world: World, healthy: boolean) {
    this.engine = engine
    this.world = world
    this.handling = new Handling(this)
    this.pulling = new Pulling(this)
    this.healthy = healthy
    for (const name of ['succeeded', 'attemptFailed', 'deadLettered', 'cancelled', 'expired'] as const) {
      engine.on(name, (event: { id: string }) => {
        if (!this.over) world.checker.event(name, event)
      })
    }
    engine.on('damaged', ({ file, tasks }) => {
      if (!this.over) world.checker.violate('D6 damage', undefined, `${file}: ${tasks} tasks are said to be damaged`)
    })
    engine.on('tornTail', () => {
      this.tornTails++
    })
  }

  get #checker(): Checker {
    return this.world.checker
  }

  #now(): number {
    return this.world.machine.platform.clock.wallMs()
  }

  /** Counts, as far as they are known now. */
  sample(): void {
    void this.engine.stats().then(
      (stats) => {
        this.checkpoints = stats.checkpoints
        this.merges = stats.merges
        if (!this.over && stats.conservation !== 0) {
          this.#checker.violate('conservation', undefined, `the sum is ${stats.conservation}`)
        }
      },
      () => undefined,
    )
  }

  draw(drawnFor?: DrawnFor): DrawnTask {
    const { world } = this
    return drawTask(world.random, world.run, world.hot, this.#now(), `t${world.nextTag++}`, drawnFor)
  }

  // Calls

  /** Makes one random call. */
  act(): void {
    const { random } = this.world
    this.world.calls++
    const kind = random.below(100)
    if (kind < 38) this.schedule(1, false)
    else if (kind < 44) this.pulling.pull()
    else if (kind < 45) this.pulling.again()
    else if (kind < 50) this.schedule(random.between(1, 12), true)
    else if (kind < 60) this.#cancel()
    else if (kind < 74) this.#reschedule()
    else if (kind < 82) this.#get()
    else if (kind < 85) this.#redriveOrPurge()
    else if (kind < 88) this.#pause(random.pick(queueNames), random.chance(0.5))
    else if (kind < 91) this.#handlers()
    else if (kind < 92) this.#byKey()
    else if (kind < 93) this.#missing()
    else if (kind < 94) this.handling.killThread()
    else if (kind < 95) this.world.backups.make(this)
    else if (kind < 98 && this.world.run.keyedShare > 0) this.#race()
    else this.sample()
  }

  /** `plain`: without keys, so that nothing but the engine can be against it. */
  schedule(count: number, batch: boolean, plain = false): void {
    const drawn = Array.from({ length: count }, () => this.draw({ inBatch: count > 1 }))
    while (plain && drawn[0]!.spec.key !== undefined) drawn[0] = this.draw()
    this.#submit(drawn, batch)
  }

  /** Several callers on one key at once, often one of which an attempt runs. */
  #race(): void {
    const { random, checker } = this.world
    const running = [...checker.running].filter(({ task }) => task.spec.key !== undefined)
    const { queue, key } = running.length > 0 && random.chance(0.6) ? random.pick(running).task.spec : drawKey(random)
    const ref = { queue, key: key! }
    // Who has it, by id and token, while it is replaced.
    const holders = checker.tasksWith(queue, key!).filter((task) => isKnown(task) && task.now.allows(state.live))
    for (let calls = random.between(2, 4); calls > 0; calls--) {
      const holder = holders.length > 0 && random.chance(0.25) ? random.pick(holders) : undefined
      if (holder === undefined) {
        this.#submit([this.draw({ ref })], random.chance(0.2))
      } else if (random.chance(0.3)) this.pulling.again(holder)
      else {
        const kind = random.pick(['cancel', 'reschedule', 'get'] as const)
        if (kind === 'cancel') this.#cancel(holder)
        else if (kind === 'reschedule') this.#reschedule(holder)
        else this.#get(holder)
      }
    }
  }

  #submit(drawn: readonly DrawnTask[], batch: boolean): void {
    const { engine } = this
    const submission = this.#checker.submit(
      batch ? 'scheduleMany' : 'schedule',
      drawn.map(({ spec }) => spec),
    )
    const inputs = drawn.map(({ input }) => input)
    const [first] = drawn
    if (!batch) this.world.repeating.asked(submission.tasks[0]!, first!.input)
    this.#follow(
      submission,
      batch ? engine.scheduleMany(inputs) : engine.schedule(inputs[0]!).then((receipt) => [receipt]),
    )
  }

  /** Calls whose outcome a crash has left open are made again. */
  repeatUnanswered(): void {
    this.world.repeating.repeat({
      newTag: () => `t${this.world.nextTag++}`,
      again: (task, input) => {
        const work = this.engine.schedule(input).then((receipt) => [receipt])
        this.#follow(this.#checker.resubmit(task), work)
      },
      submit: (drawn) => this.#submit(drawn, false),
      call: (call) => this.#call(call),
    })
  }

  #follow(submission: Submission, work: Promise<Receipt[]>): void {
    work.then(
      (receipts) => {
        if (!this.over) this.#checker.accepted(submission, receipts)
      },
      (error: unknown) => {
        if (this.over) return
        const { code, outcome } = this.refusal(error)
        this.#checker.rejected(submission, code, outcome)
      },
    )
  }

  #pick(): TaskModel | undefined {
    const { checker, random } = this.world
    // Recent ones more often than old ones; only those whose id is known.
    const tasks = [...checker.byId.values()]
    if (tasks.length === 0) return undefined
    const back = Math.floor(random.unit() ** 2 * tasks.length)
    const task = tasks[tasks.length - 1 - back]!
    return isKnown(task) ? task : undefined
  }

  #cancel(task: TaskModel | undefined = this.#pick()): void {
    if (task !== undefined) this.#call({ kind: 'cancel', task })
  }

  #call(asked: CallById): void {
    const { task } = asked
    this.world.repeating.called(asked)
    if (asked.kind === 'cancel') {
      const call = this.#checker.cancelCalled(task)
      this.#settle(call, this.engine.cancel(task.id!), (answer) => this.#checker.cancelAnswered(call, answer), asked)
      return
    }
    const { at, ifGeneration } = asked
    const call = this.#checker.rescheduleCalled(task, at, at, ifGeneration)
    const answered = (answer: SeenAnswer): void => this.#checker.rescheduleAnswered(call, answer, ifGeneration)
    this.#settle(call, this.engine.reschedule(task.id!, { at, ifGeneration }), answered, asked)
  }

  #reschedule(task: TaskModel | undefined = this.#pick()): void {
    const { random, run, hot } = this.world
    if (task === undefined) return
    const now = this.#now()
    // Moves there and back are wanted: often to a time that it has had before.
    const at =
      random.chance(0.3) && task.spec.fireFromAt > now - 86_400_000
        ? task.spec.fireFromAt
        : drawInstant(random, run, hot, now)
    const ifGeneration = random.chance(0.3) ? random.between(0, Math.max(0, task.now.generationMax)) : undefined
    this.#call({ kind: 'reschedule', task, at, ifGeneration })
  }

  #get(task: TaskModel | undefined = this.#pick()): void {
    if (task === undefined) return
    const call = this.#checker.getCalled(task)
    this.#settle(call, this.engine.get(task.id!), (answer) => {
      if (answer === undefined) this.#checker.gone(call, { outcome: 'missing' })
      else if (answer.state === 'ended') this.#checker.gone(call, { outcome: 'ended', how: answer.how })
      else this.#checker.viewed(call, seenOf(answer))
    })
  }

  #byKey(): void {
    const { random } = this.world
    const ref = drawKey(random)
    const kind = random.chance(0.6) ? 'get' : 'cancel'
    const call = this.#checker.keyCalled(ref, kind)
    const work =
      kind === 'get'
        ? this.engine.get(ref).then((found) => ({
            text: found?.state ?? 'missing',
            id: found !== undefined && 'id' in found ? found.id : undefined,
          }))
        : this.engine.cancel(ref).then(({ outcome }) => ({ text: outcome, id: undefined }))
    work.then(
      ({ text, id }) => {
        if (!this.over) this.#checker.keyAnswered(ref, call, kind, text, id)
      },
      (error: unknown) => {
        if (this.over) return
        this.refusal(error)
        this.#checker.keyFailed(ref, call)
      },
    )
  }

  #redriveOrPurge(): void {
    const { random, checker } = this.world
    const dead = checker.mayBeDead()
    if (dead.length === 0) return
    const kind = random.chance(0.7) ? 'redrive' : 'purge'
    const chosen = random.pick(dead)
    const whole = random.chance(0.2)
    const tasks = whole ? dead.filter((task) => task.spec.queue === chosen.spec.queue) : [chosen]
    const target = whole ? { queue: chosen.spec.queue } : chosen.id!
    const calls = checker.deadCalled(kind, tasks)
    const { deadLetters } = this.engine
    const work: Promise<unknown> = kind === 'redrive' ? deadLetters.redrive(target) : deadLetters.purge(target)
    const done = (text: string): void => {
      if (!this.over) checker.deadAnswered(calls, text)
    }
    work.then(
      (answer) => done(`${kind}: ${JSON.stringify(answer)}`),
      (error: unknown) => {
        if (!this.over) done(`${kind}: ${this.refusal(error).code}`)
      },
    )
  }

  #pause(queue: string, paused: boolean): void {
    const { checker } = this.world
    checker.pauseCalled(queue, paused)
    const work = paused ? this.engine.pause(queue) : this.engine.resume(queue)
    work.then(
      () => {
        if (!this.over) checker.pauseAnswered(queue, paused, true)
      },
      (error: unknown) => {
        if (this.over) return
        this.refusal(error)
        checker.pauseAnswered(queue, paused, false)
      },
    )
  }

  resumeAll(): void {
    for (const queue of queueNames) this.#pause(queue, false)
  }

  redriveAll(): void {
    const { checker } = this.world
    const dead = checker.mayBeDead()
    const calls = checker.deadCalled('redrive', dead)
    void this.engine.deadLetters.redrive({}).then(() => checker.deadAnswered(calls, 'redrive'))
  }

  #handlers(): void {
    const { random } = this.world
    const queue = random.pick(queueNames)
    if (this.handling.has(queue)) this.handling.stop(queue)
    else {
      const concurrency = random.pick([1, 3, 50])
      this.handling.listen(queue, concurrency, this.drawThreads(concurrency))
    }
  }

  /** How many threads a handler is to have; none for one in the engine's thread. */
  drawThreads(concurrency: number): number | undefined {
    const { random } = this.world
    return random.chance(0.3) ? Math.min(concurrency, random.between(1, 2)) : undefined
  }

  /** An id that was never given. */
  #missing(): void {
    const { checker } = this.world
    const known = this.#pick()
    if (known === undefined) return
    const id = `${known.id!.slice(0, 4)}zzz${known.id!.slice(7)}`
    if (checker.byId.has(id)) return
    void this.engine.cancel(id).then(
      (answer) => {
        const retired = answer.outcome === 'ended' && answer.how === undefined
        if (!this.over && answer.outcome !== 'missing' && !retired) {
          checker.violate('state table', undefined, `an id never given: ${answer.outcome}`)
        }
      },
      (error: unknown) => {
        if (!this.over) this.refusal(error)
      },
    )
  }

  #settle<T>(call: IdCall, work: Promise<T>, answered: (answer: T) => void, asked?: CallById): void {
    work.then(
      (answer) => {
        if (this.over) return
        if (asked !== undefined) this.world.repeating.answered(asked)
        answered(answer)
      },
      (error: unknown) => {
        if (this.over) return
        const { code, outcome } = this.refusal(error)
        if (asked !== undefined && outcome !== 'unknown') this.world.repeating.answered(asked)
        this.#checker.callFailed(call, code, outcome)
      },
    )
  }

  /** Only refusals of hourwheel may reach a caller. */
  refusal(error: unknown): { code: string; outcome: string } {
    if (error instanceof HourwheelError) {
      const { code, outcome } = error
      const expected = [
        'HW_CLOSED',
        'HW_OVERLOADED',
        'HW_DISK_FULL',
        'HW_DISK_FAILED',
        'HW_OUTCOME_UNKNOWN',
        'HW_KEY_EXISTS',
      ]
      if (!expected.includes(code) || (code === 'HW_CLOSED' && !this.closing))
        this.#checker.violate('errors', undefined, `${code}: ${error.message}`)
      return { code, outcome }
    }
    const { code = '', stack = '' } = error as { code?: string; stack?: string }
    this.#checker.violate('errors', undefined, `not an error of hourwheel: ${code} ${String(error)} ${stack}`)
    return { code, outcome: 'unknown' }
  }
}

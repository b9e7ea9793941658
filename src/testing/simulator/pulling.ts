/**
 * Pullers of every temper: they lease tasks, alone or several at once, go away while they wait, answer in time, late, twice or
 * never, and try tokens of another life; the checker is told of all of it.
 */

import type { AckInput, LeasedTask, NackInput } from '../../model/hourwheel.ts'
import type { LeaseCall } from './lease-checks.ts'
import type { AttemptModel, TaskModel } from './task-model.ts'
import { headersText, payloadText, queueNames, tagOf } from './workload.ts'
import type { HeldLease, LifeSide } from './world.ts'

const heldMax = 40

export class Pulling {
  readonly #life: LifeSide
  /** Lease calls without an answer. */
  #open = 0

  constructor(life: LifeSide) {
    this.#life = life
  }

  /** Leases once; who was given tasks often comes again. */
  pull(queue: string = this.#life.world.random.pick(queueNames)): void {
    const { engine, world } = this.#life
    const { random, checker, machine } = world
    if (this.#open >= 6) return
    this.#open++
    const max = random.pick([1, 1, 3, 30])
    const leaseMs = random.pick([100, 400, 3_000, 20_000])
    const wait = random.pick([0, 0, 50, 2_000, 20_000])
    const aborter = random.chance(0.2) ? new AbortController() : undefined
    if (aborter !== undefined) machine.loop.schedule(random.below(300), () => aborter.abort())
    const call = checker.leaseCalled(queue)
    engine.lease(queue, { max, lease: leaseMs, wait, signal: aborter?.signal }).then(
      (tasks) => {
        this.#open--
        if (this.#life.over) return
        checker.leaseAnswered(call, max, tasks.length)
        this.#take(queue, leaseMs, tasks)
        if (tasks.length > 0 && !this.#life.healthy && random.chance(0.6)) this.pull(queue)
      },
      (error: unknown) => {
        this.#open--
        if (this.#life.over) return
        this.#life.refusal(error)
        checker.leaseAnswered(call, max, 0)
      },
    )
  }

  /** Answers a lease of any age once more, or one of this task. */
  again(of?: TaskModel): void {
    const { held, random } = this.#life.world
    const leases = of === undefined ? held : held.filter(({ attempt }) => attempt.task === of)
    if (leases.length === 0) return
    const lease = random.pick(leases)
    const kind = random.below(3)
    if (kind === 0) this.#ack(lease)
    else if (kind === 1) this.#nack(lease)
    else this.#extend(lease)
  }

  #take(queue: string, leaseMs: number, tasks: readonly LeasedTask[]): void {
    const { checker, random, held, machine } = this.#life.world
    const taken: HeldLease[] = []
    for (const task of tasks) {
      const attempt = checker.started({
        id: task.id,
        queue: task.queue,
        tag: tagOf(task.payload, task.headers),
        payload: payloadText(task.payload),
        headers: headersText(task.headers),
        attempt: task.attempt,
        fence: task.fence,
        scheduledFor: task.scheduledFor,
        lateMs: task.lateMs,
        by: 'lease',
        timeoutMs: task.leaseMs,
      })
      if (task.queue !== queue || task.leaseMs !== leaseMs) {
        checker.violate('same data', attempt?.task, `a lease of ${queue} for ${leaseMs} ms was answered otherwise`)
      }
      if (attempt === undefined) continue
      this.#noteDeadline(attempt)
      taken.push({ token: task.token, attempt })
    }
    for (const lease of taken) {
      held.push(lease)
      if (held.length > heldMax) held.shift()
    }
    if (taken.length > 1 && random.chance(0.3)) {
      machine.loop.schedule(random.below(60), () => this.#ackMany(taken))
      return
    }
    for (const lease of taken) this.#answer(lease)
  }

  #noteDeadline(attempt: AttemptModel): void {
    const { machine, checker } = this.#life.world
    machine.loop.schedule(Math.max(0, attempt.deadlineMs - machine.loop.nowMs), () => {
      if (!this.#life.over) checker.overdue(attempt)
    })
  }

  #answer(lease: HeldLease): void {
    const { random } = this.#life.world
    const { timeoutMs } = lease.attempt
    const temper = this.#life.healthy ? 0 : random.below(100)
    if (temper < 25) this.#ack(lease)
    else if (temper < 45) this.#later(random.below(100), () => this.#ack(lease))
    else if (temper < 60) this.#later(random.below(50), () => this.#nack(lease))
    else if (temper < 72) {
      this.#later(timeoutMs * 0.7, () => {
        this.#extend(lease)
        this.#later(timeoutMs * 0.7, () => this.#ack(lease))
      })
    } else if (temper < 84) this.#later(timeoutMs + random.between(-3, 1_500), () => this.#ack(lease))
    else if (temper < 88) {
      this.#ack(lease)
      this.#nack(lease)
    } else if (temper < 90) this.#later(random.below(20_000), () => this.#nack(lease))
  }

  #later(ms: number, run: () => void): void {
    this.#life.world.machine.loop.schedule(ms, () => {
      if (!this.#life.over) run()
    })
  }

  #ack(lease: HeldLease): void {
    const { checker } = this.#life.world
    const { call, input } = this.#ackCalled(lease)
    this.#settle(call, this.#life.engine.ack(lease.token, input), (answer) => checker.ackAnswered(call, answer))
  }

  #ackMany(leases: readonly HeldLease[]): void {
    if (this.#life.over) return
    const { checker } = this.#life.world
    const asked = leases.map((lease) => ({ token: lease.token, ...this.#ackCalled(lease) }))
    this.#life.engine.ackMany(asked.map(({ token, input }) => ({ token, ...input }))).then(
      (answers) => {
        if (this.#life.over) return
        asked.forEach(({ call }, index) => checker.ackAnswered(call, answers[index]!))
      },
      (error: unknown) => {
        if (this.#life.over) return
        // All answers or none: what became of each is not known.
        const { code } = this.#life.refusal(error)
        for (const { call } of asked) checker.leaseCallFailed(call, code)
      },
    )
  }

  #ackCalled({ attempt }: HeldLease): { call: LeaseCall; input: AckInput } {
    const { checker, random } = this.#life.world
    if (this.#life.healthy || random.chance(0.7)) return { call: checker.ackCalled(attempt, undefined), input: {} }
    const { input, spec } = this.#life.draw({ parent: attempt.task.spec })
    return { call: checker.ackCalled(attempt, spec), input: { next: input } }
  }

  #nack({ token, attempt }: HeldLease): void {
    const { checker, random, machine } = this.#life.world
    const input: NackInput = {}
    let delayMs: number | undefined
    const kind = random.below(6)
    if (kind === 0) input.delay = delayMs = random.pick([0, 10, 2_000, 3_600_000])
    else if (kind === 1 && !checker.clockIsDoubtful) {
      delayMs = random.below(10_000)
      input.retryAt = machine.platform.clock.wallMs() + delayMs
    } else if (kind === 2) input.dead = true
    const call = checker.nackCalled(attempt, input.dead === true, delayMs)
    this.#settle(call, this.#life.engine.nack(token, input), (answer) => checker.nackAnswered(call, answer))
  }

  #extend({ token, attempt }: HeldLease): void {
    const { checker, random } = this.#life.world
    const leaseMs = random.pick([100, 1_000, 5_000])
    const call = checker.extendCalled(attempt, leaseMs)
    this.#settle(call, this.#life.engine.extend(token, leaseMs), (answer) => {
      checker.extendAnswered(call, answer)
      if (answer.outcome === 'extended') this.#noteDeadline(attempt)
    })
  }

  #settle<T>(call: LeaseCall, work: Promise<T>, answered: (answer: T) => void): void {
    work.then(
      (answer) => {
        if (!this.#life.over) answered(answer)
      },
      (error: unknown) => {
        if (!this.#life.over) this.#life.world.checker.leaseCallFailed(call, this.#life.refusal(error).code)
      },
    )
  }
}

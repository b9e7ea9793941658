/**
 * A run of the whole engine, real code on a simulated machine, from one seed: several lives, each opened, scanned, put to
 * work and ended by a close, a kill, a power cut or a broken disk, with the clock stepping meanwhile. At the end
 * everything is made whole, time goes beyond the last fire time, and all that is owed must have been delivered.
 */

import { createRunner } from '../../engine/handler-thread.ts'
import { jobs } from '../../engine/jobs.ts'
import { openEngineOn } from '../../engine/open.ts'
import type { Engine } from '../../engine/engine.ts'
import { hourMs, secondMs } from '../../model/units.ts'
import { Checker } from '../checker.ts'
import { SeededRandom } from '../seeded-random.ts'
import { SimulatedMachine } from '../simulated-platform.ts'
import { Backups } from './backups.ts'
import { Disturbances } from './disturbances.ts'
import { Journal } from './journal.ts'
import { Life } from './life.ts'
import { ThreadModules } from './handling.ts'
import type { World } from './world.ts'
import { catchUp, eventsMax, untilEmpty } from './liveness.ts'
import { Repeating } from './repeating.ts'
import { scan } from './scan.ts'
import type { SimulationCounts, SimulationOptions, SimulationResult } from './simulation-result.ts'
import { makeProfile, queueNames } from './workload.ts'

const dayMs = 24 * hourMs

export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const simulation = new Simulation(options)
  await simulation.run()
  return simulation.result()
}

class Simulation {
  readonly #options: SimulationOptions
  readonly #random: SeededRandom
  readonly #machine: SimulatedMachine
  readonly #journal: Journal
  readonly #checker: Checker
  readonly #world: World
  readonly #disturbances: Disturbances
  readonly #backups: Backups
  readonly #modules: ThreadModules = new ThreadModules(
    () => this.#life?.handling,
    (handler) => void this.#machine.handlers.threads.get(handler)?.terminate('it exits'),
    (attempt) => this.#checker.threadDied(attempt),
  )
  readonly #counts: SimulationCounts = {
    lives: 0,
    kills: 0,
    powerCuts: 0,
    closes: 0,
    failures: 0,
    checkpoints: 0,
    merges: 0,
    firings: 0,
    calls: 0,
    tasks: 0,
    tornTails: 0,
    events: 0,
    backups: 0,
  }
  #life: Life | undefined

  constructor(options: SimulationOptions) {
    this.#options = options
    const random = new SeededRandom(`${options.seed}/simulation`)
    const drawn = makeProfile(random.fork('profile'), '/data')
    const profile = { ...drawn, keyedShare: options.keyedShare ?? drawn.keyedShare }
    this.#random = random.fork('choices')
    this.#machine = new SimulatedMachine({
      seed: options.seed,
      jobs,
      wallMs: profile.startMs,
      disk: options.disk,
      handlers: {
        createRunner,
        load: (href) => this.#modules.load(href),
        ended: (handler) => this.#modules.ended(handler),
      },
    })
    this.#journal = new Journal(() => this.#machine.loop.nowMs)
    const clock = { wallMs: () => this.#machine.clock.wallMs(), nowMs: () => this.#machine.loop.nowMs }
    this.#checker = new Checker(this.#journal, clock)
    this.#disturbances = new Disturbances(this.#machine, this.#checker, random.fork('disturbances'), '/data/keys.mdb')
    this.#backups = new Backups({
      machine: this.#machine,
      checker: this.#checker,
      random: random.fork('backups'),
      disturbances: this.#disturbances,
      crashSoon: (steps) => {
        if (options.ends !== 'close') this.#disturbances.crashAfter(steps, () => this.#crash(this.#drawCrash()))
      },
    })
    this.#world = {
      machine: this.#machine,
      checker: this.#checker,
      run: profile,
      random: random.fork('workload'),
      hot: [],
      held: [],
      repeating: new Repeating(this.#checker),
      backups: this.#backups,
      nextTag: 1,
      calls: 0,
    }
  }

  result(): SimulationResult {
    const { violations, firings } = this.#checker
    const counts = { ...this.#counts, firings, calls: this.#world.calls, tasks: this.#checker.tasks.size }
    counts.events = this.#machine.loop.eventsRun
    counts.backups = this.#backups.count
    const first = violations[0]
    const evidence = first === undefined ? [] : this.#journal.tail(first.tag, 60)
    return { seed: this.#options.seed, hash: this.#journal.hash, violations, evidence, counts }
  }

  get #failed(): boolean {
    return this.#checker.violations.length > 0
  }

  async run(): Promise<void> {
    try {
      const lives = this.#options.lives ?? this.#random.between(3, 6)
      for (let number = 1; number <= lives && !this.#failed; number++) await this.#liveOnce()
      if (!this.#failed) await this.#deliverAll()
    } catch (error) {
      this.#checker.violate(
        'simulation',
        undefined,
        error instanceof Error ? (error.stack ?? error.message) : String(error),
      )
    }
  }

  // Opening

  /** Opens the engine; crashes and faults may get in the way, and then it is opened again. */
  async #open(calm: boolean): Promise<Life | undefined> {
    const { loop } = this.#machine
    for (let tries = 0; tries < 20 && !this.#failed; tries++) {
      const disturb = !calm && tries < 6
      let crashed = false
      this.#disturbances.beginOpen(disturb, this.#options.soundDisk === true, () => {
        crashed = true
        this.#crash(this.#drawCrash())
      })
      const wrapped = this.#options.wrap?.(this.#machine.platform) ?? this.#machine.platform
      let outcome: { engine: Engine } | { error: unknown } | undefined
      openEngineOn(wrapped, this.#world.run.options).then(
        (engine) => {
          outcome = { engine }
        },
        (error: unknown) => {
          outcome = { error }
        },
      )
      await loop.runUntil(() => outcome !== undefined || crashed, { eventsMax })
      if (crashed) continue
      const disturbed = this.#disturbances.endOpen()
      if (outcome !== undefined && 'engine' in outcome) {
        this.#checker.opened()
        this.#counts.lives++
        this.#disturbances.opened()
        return new Life(outcome.engine, this.#world, calm)
      }
      const { error } = outcome as { error: Error & { code?: string } }
      this.#journal.note('', `open refused: ${error.message}`)
      if (!disturbed)
        this.#checker.violate('D6 opens', undefined, `refused to open: ${error.code} ${error.message} ${error.stack}`)
      // The process that could not open ends.
      if (this.#disturbances.needsPowerCut) this.#machine.crash('random')
      else this.#machine.kill()
    }
    return undefined
  }

  async #scan(life: Life): Promise<Awaited<ReturnType<typeof scan>> | undefined> {
    let found: Awaited<ReturnType<typeof scan>> | undefined
    let error: unknown
    let done = false
    scan(life.engine, this.#checker).then(
      (result) => {
        found = result
        done = true
      },
      (cause: unknown) => {
        error = cause
        done = true
      },
    )
    await this.#machine.loop.runUntil(() => done || life.over, { eventsMax })
    if (error !== undefined)
      this.#checker.violate('scan', undefined, error instanceof Error ? String(error.stack) : 'a scan failed')
    return found
  }

  // A life

  async #liveOnce(): Promise<void> {
    const random = this.#random
    const life = await this.#open(false)
    if (life === undefined) return
    this.#life = life
    await this.#scan(life)
    if (!life.over) life.repeatUnanswered()
    const { loop } = this.#machine
    for (const queue of queueNames) {
      if (!random.chance(queue === 'rare' ? 0.6 : 0.15)) {
        const concurrency = random.pick([1, 2, 10, 100])
        life.handling.listen(queue, concurrency, life.drawThreads(concurrency))
      }
    }
    let closed: { reason: string; error?: Error | undefined } | undefined
    void life.engine.closed.then((value) => {
      closed = value
    })
    const end = this.#options.ends ?? random.pick(['kill', 'powerCut', 'powerCut', 'close'] as const)
    const calls = random.between(20, 330)
    const crashAfter = end !== 'close' && random.chance(0.7) ? random.between(1, 800) : undefined
    this.#disturbances.beginLife(this.#options.soundDisk === true, crashAfter, () => this.#crash(end))
    const pace = random.pick([0.3, 2, 10, 40])
    for (let call = 0; call < calls && !life.over && closed === undefined && !this.#failed; call++) {
      life.act()
      if (call % 16 === 0) life.sample()
      if (random.chance(0.7)) await loop.advanceBy(random.unit() * pace, { eventsMax })
      if (random.chance(0.03)) await loop.advanceBy(random.pick([50, 900, 4_000, 20_000]), { eventsMax })
      if (random.chance(0.02)) this.#disturbances.stepClock()
      if (random.chance(0.02)) loop.stall(random.pick([3, 50, 2_000]))
    }
    if (this.#failed) return
    if (!life.over && closed === undefined) {
      if (random.chance(0.5)) await loop.advanceBy(random.pick([1, 30, 3_000]), { eventsMax })
      if (this.#disturbances.diskIsFull) {
        this.#disturbances.endFull()
        await this.#accepts(life, 'D8 resumes', 'the disk has room again')
      } else if (this.#disturbances.quiet && this.#backups.answered && random.chance(0.5)) {
        await this.#accepts(life, 'backup disturbs', 'a backup is done')
      }
    }
    if (!life.over && closed === undefined && this.#disturbances.quiet && random.chance(0.3)) await catchUp(life)
    if (!life.over && closed === undefined && !this.#failed) {
      if (end === 'close') await this.#close(life, () => closed)
      else this.#crash(end)
    }
    if (closed !== undefined && !life.over) await this.#stopped(life, closed)
    this.#machine.disk.capacityBytes = Infinity
    await this.#backups.judge(this.#world.run.options)
    this.#options.meddle?.(this.#checker)
    this.#disturbances.betweenLives()
  }

  /** What could be against new work is over: it is accepted without anyone's help. */
  async #accepts(life: Life, rule: string, why: string): Promise<void> {
    const { loop } = this.#machine
    await loop.advanceBy(5 * secondMs, { eventsMax })
    if (life.over) return
    const before = this.#checker.submissions.length
    life.schedule(1, false, true)
    await loop.advanceBy(5 * secondMs, { eventsMax })
    const submission = this.#checker.submissions[before]
    if (!life.over && submission !== undefined && submission.status !== 'accepted') {
      this.#checker.violate(rule, submission.tasks[0], `${why}, but a schedule is ${submission.status}`)
    }
  }

  async #close(life: Life, closed: () => unknown): Promise<void> {
    const { loop } = this.#machine
    const random = this.#random
    life.closing = true
    this.#checker.closing = true
    this.#journal.note('', 'close')
    this.#counts.closes++
    const crashes = random.chance(0.3)
    if (crashes) this.#disturbances.crashAfter(random.between(1, 25), () => this.#crash(this.#drawCrash()))
    void life.engine.close({ drain: random.pick([0, 100, 5_000]) })
    for (let i = random.below(4); i > 0; i--) life.act()
    await loop.runUntil(() => closed() !== undefined || life.over, { eventsMax })
  }

  /** The engine has stopped by itself, or closed. */
  async #stopped(life: Life, closed: { reason: string; error?: Error | undefined }): Promise<void> {
    const { loop } = this.#machine
    await loop.advanceBy(2 * secondMs, { eventsMax })
    if (life.over) return
    const { error } = closed
    if (closed.reason === 'failed') {
      this.#counts.failures++
      this.#journal.note('', `failed: ${String(error)}`)
      if (!this.#disturbances.mayFail) {
        this.#checker.violate('stays open', undefined, `stopped itself: ${error?.stack ?? String(error)}`)
      }
    } else if (this.#disturbances.mustFail) {
      this.#checker.violate('D7 failed sync', undefined, 'a sync failed, and the engine went on to an orderly close')
    }
    if (this.#checker.openCalls.length > 0) {
      this.#checker.violate(
        'answers',
        undefined,
        `no answer after the engine ${closed.reason}: ${this.#checker.openCalls.join(', ')}`,
      )
    }
    this.#end(life)
    if (closed.reason === 'failed') {
      this.#checker.died('the process ends')
      if (this.#random.chance(0.5) && !this.#disturbances.needsPowerCut) this.#machine.kill()
      else this.#machine.crash('random')
    } else {
      this.#checker.closed()
      if (this.#random.chance(0.5)) this.#machine.crash('random')
      else this.#machine.kill()
    }
  }

  #end(life: Life): void {
    life.over = true
    this.#modules.clear()
    this.#counts.checkpoints += life.checkpoints
    this.#counts.merges += life.merges
    this.#counts.tornTails += life.tornTails
    this.#life = undefined
  }

  #drawCrash(): 'kill' | 'powerCut' {
    if (this.#options.ends === 'kill' || this.#options.ends === 'powerCut') return this.#options.ends
    return this.#random.pick(['kill', 'powerCut'])
  }

  #crash(how: 'kill' | 'powerCut' | 'close'): void {
    if (this.#life !== undefined) this.#end(this.#life)
    if (how === 'powerCut') {
      this.#counts.powerCuts++
      this.#machine.crash(this.#random.pick(['random', 'random', 'random', 'loseAll', 'keepAll'] as const))
    } else {
      this.#counts.kills++
      this.#machine.kill()
    }
    this.#checker.died(how)
  }

  // The end

  /** Everything is whole, time goes past the last fire time, and nothing may be left. */
  async #deliverAll(): Promise<void> {
    const { loop, clock } = this.#machine
    this.#disturbances.calm()
    const wait = Math.max(0, this.#checker.lastFireAt(clock.wallMs() + 200 * dayMs) - clock.wallMs())
    this.#machine.clock.step(wait + 2 * hourMs)
    this.#checker.sampleWall()
    const life = await this.#open(true)
    if (life === undefined) return
    this.#life = life
    await this.#scan(life)
    for (const queue of queueNames) life.handling.listen(queue, 100)
    life.resumeAll()
    await untilEmpty(life)
    if (this.#failed) return
    life.redriveAll()
    await loop.advanceBy(3 * secondMs, { eventsMax })
    await untilEmpty(life)
    if (this.#failed) return
    // Answers that are still on their way to the disk.
    await loop.advanceBy(secondMs, { eventsMax })
    const last = await this.#scan(life)
    if (last !== undefined && last.dead > 0)
      this.#checker.violate('liveness', undefined, `${last.dead} dead letters are left`)
    life.sample()
    await loop.drain()
    this.#end(life)
  }
}

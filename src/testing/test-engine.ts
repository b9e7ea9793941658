/**
 * The engine for tests of one's own code: the real one, on a simulated machine where nothing takes time but what is told to.
 *
 * What is not named here is the engine's own member, of the life that is going on: calls reach the engine that `crash` has
 * opened meanwhile, handlers and listeners are registered there again.
 */

import type { Core } from '../engine/core.ts'
import { createRunner } from '../engine/handler-thread.ts'
import { jobs } from '../engine/jobs.ts'
import { openEngineOn } from '../engine/open.ts'
import { parseDuration, type Duration } from '../model/durations.ts'
import type { Engine, EngineOptions } from '../model/engine.ts'
import { refuse } from '../model/errors.ts'
import { checkFields, wholeIn } from '../model/fields.ts'
import type { EngineEvents } from '../model/engine-reports.ts'
import type { Handler, HandlerHandle, HandlerModule, InstantInput, ModuleOptions } from '../model/hourwheel.ts'
import { parseInstant } from '../model/instants.ts'
import type { AnyQueues, QueueMap } from '../model/typed-queues.ts'
import type { CrashPolicy } from './disk-model.ts'
import { HandlerRuns } from './handler-runs.ts'
import { PendingCalls } from './pending-calls.ts'
import { SimulatedMachine } from './simulated-platform.ts'
import { VirtualTime } from './virtual-time.ts'

export interface TestEngineOptions<Queues extends QueueMap = QueueMap> {
  /** As for openEngine. */
  queues?: EngineOptions<Queues>['queues']
  /** Where virtual time begins. Default 2027-01-15T08:00:00Z. */
  start?: InstantInput | undefined
  /** Determines all chance there is, such as the jitter of retries. Default 1. */
  seed?: number | string | undefined
  /** How long, in real time, a handler may keep virtual time waiting. Default 3 s. */
  handlerWait?: Duration | undefined
  /** How many handlers may start while time moves on once: an endless chain of tasks ends here. Default 100,000. */
  firingsMax?: number | undefined
  /**
   * Imports the module of a handler, by its URL, into this thread. `(url) => import(url)` in a test makes it the test runner's
   * import, which may know TypeScript where Node does not.
   */
  importModule?: ((url: string) => Promise<unknown>) | undefined
  payloadBytesMax?: number | undefined
  clock?: EngineOptions['clock']
}

/** What a test engine has beside the members of every engine. */
export interface TestKit {
  /** The virtual time, epoch milliseconds. */
  readonly now: number
  /** Moves time on, and resolves when all that came due on the way, retries and successors included, has ended or waits for later. */
  advanceBy(duration: Duration): Promise<void>
  /** The same up to an instant; refused when it has passed. */
  advanceTo(instant: InstantInput): Promise<void>
  /** For handlers: waits in virtual time, which goes on meanwhile. */
  sleep(duration: Duration): Promise<void>
  /** Moves the wall clock alone, either way, as an operator does; resolves when what is due by it has ended. */
  stepClock(ms: number): Promise<void>
  /**
   * A power cut: everything that was not synced is lost (or as the policy says), calls under way fail, then the engine is
   * opened again. Handlers and listeners are registered again.
   */
  crash(policy?: CrashPolicy): Promise<void>
  /** The machine below: its disk can be given faults and limits. */
  readonly machine: SimulatedMachine
}

export type TestEngine<Queues = AnyQueues> = Engine<Queues> & TestKit

interface Registered {
  readonly queue: string
  readonly handler: Handler | HandlerModule
  readonly options: ModuleOptions | undefined
  handle: HandlerHandle
}

interface Listening {
  readonly name: keyof EngineEvents
  readonly listener: (event: EngineEvents[keyof EngineEvents]) => void
  stop: () => void
}

const directory = '/timers'
const optionNames = ['queues', 'start', 'seed', 'handlerWait', 'firingsMax', 'importModule', 'payloadBytesMax', 'clock']

/** Opens an engine in memory, with a time of its own that moves when it is told to. */
export async function openTestEngine<Queues extends QueueMap = AnyQueues>(
  options: TestEngineOptions<Queues> = {},
): Promise<TestEngine<Queues>> {
  checkFields(options, optionNames, 'openTestEngine')
  const { queues, start, seed = 1, handlerWait = '3s', importModule, payloadBytesMax, clock } = options
  const wallMs = start === undefined ? undefined : parseInstant(start, 'start')
  const runs = new HandlerRuns(wholeIn(options.firingsMax ?? 100_000, 1, 10_000_000, 'firingsMax'))
  const machine = new SimulatedMachine({
    seed,
    wallMs,
    jobs,
    instant: true,
    handlers: {
      load: importModule,
      createRunner: (start) => createRunner({ ...start, handler: runs.wrap(start.handler as Handler) }),
    },
  })
  const time = new VirtualTime({
    loop: machine.loop,
    runs,
    handlerWaitMs: parseDuration(handlerWait, 'handlerWait'),
    look: () => core.ticker.poke(),
  })
  const calls = new PendingCalls()
  const handlers: Set<Registered> = new Set()
  const listeners: Set<Listening> = new Set()
  let core!: Core
  let engine!: Engine
  let isOpen = false

  const open = async (): Promise<void> => {
    const all = { dir: directory, queues, payloadBytesMax, clock, ahead: '1d', walFileBytes: 1 << 20 }
    engine = await openEngineOn(machine.platform, all, undefined, (opened) => {
      core = opened
    })
    for (const listening of listeners) listening.stop = engine.on(listening.name, listening.listener)
    for (const one of handlers) one.handle = await engine.handle(one.queue, one.handler, one.options)
    isOpen = true
  }

  /** Until all that was done is on disk, as it would be a few milliseconds later. */
  const settle = async (move: () => Promise<void>): Promise<void> => {
    await move()
    await core.log.whenSynced(core.log.appendedLsn).catch(() => undefined)
  }

  const kit = {
    machine,
    get now(): number {
      return machine.clock.wallMs()
    },
    async advanceBy(duration: Duration): Promise<void> {
      await settle(() => time.advance(parseDuration(duration, 'duration')))
    },
    async advanceTo(instant: InstantInput): Promise<void> {
      const ms = parseInstant(instant, 'instant') - machine.clock.wallMs()
      if (ms < 0) throw refuse('HW_INVALID_TIME', `time cannot go back, and it is ${-ms} ms later; see stepClock`)
      await settle(() => time.advance(ms))
    },
    async stepClock(ms: number): Promise<void> {
      if (!Number.isSafeInteger(ms)) throw refuse('HW_INVALID_TIME', `a clock steps by whole milliseconds, not ${ms}`)
      machine.clock.step(ms)
      core.ticker.poke()
      await settle(() => time.advance(0))
    },
    sleep(duration: Duration): Promise<void> {
      const ms = parseDuration(duration, 'duration')
      return runs.sleep(new Promise((resolve) => void machine.loop.schedule(ms, resolve)))
    },
    async crash(policy: CrashPolicy = 'loseAll'): Promise<void> {
      isOpen = false
      machine.crash(policy)
      runs.forget()
      calls.rejectAll(refuse('HW_OUTCOME_UNKNOWN', 'the machine crashed before the answer', { outcome: 'unknown' }))
      await open()
    },
    async handle(queue: string, handler: Handler | HandlerModule, options?: ModuleOptions): Promise<HandlerHandle> {
      const wrapped = typeof handler === 'function' ? runs.wrap(handler) : handler
      const handle = await calls.add(engine.handle(queue, wrapped, options))
      const one: Registered = { queue, handler: wrapped, options, handle }
      handlers.add(one)
      return {
        stop: () => {
          handlers.delete(one)
          return calls.add(one.handle.stop())
        },
      }
    },
    on(name: keyof EngineEvents, listener: Listening['listener']): () => void {
      const listening: Listening = { name, listener, stop: engine.on(name, listener) }
      listeners.add(listening)
      return () => {
        listeners.delete(listening)
        listening.stop()
      }
    },
    async close(options?: { drain?: Duration | undefined }): Promise<void> {
      if (!isOpen) return
      isOpen = false
      const closing = engine.close(options)
      await time.until(closing)
      await closing
    },
    [Symbol.asyncDispose](): Promise<void> {
      return kit.close()
    },
  }

  await open()
  return new Proxy(kit, {
    get(_, name): unknown {
      if (name in kit) return Reflect.get(kit, name)
      const member: unknown = Reflect.get(engine, name, engine)
      if (typeof member !== 'function') return member
      return (...values: unknown[]): unknown => {
        const answer: unknown = Reflect.apply(member, engine, values)
        return answer instanceof Promise ? calls.add(answer) : answer
      }
    },
  }) as unknown as TestEngine<Queues>
}

/** The places where designs like this one lose tasks, one by one and by name. */

import { describe, expect, test } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'
import type { Task } from '../../src/model/hourwheel.ts'
import type { SimulatedMachine } from '../../src/testing/simulated-platform.ts'
import { checkpoints, contradictions, hourMs, listAll, openIn, place, startMs } from './stage.ts'

const minuteMs = 60_000

/** Ids in the order in which handlers get them. */
async function deliveries(machine: SimulatedMachine, engine: Engine, queue = 'mail'): Promise<string[]> {
  const ids: string[] = []
  await machine.loop.run(
    engine.handle(queue, (task: Task) => {
      ids.push(task.id)
    }),
  )
  return ids
}

/** Lets wall and monotonic time pass. */
async function pass(machine: SimulatedMachine, ms: number): Promise<void> {
  await machine.loop.advanceBy(ms)
}

/** The wall clock goes on while nothing runs. */
async function reopenAfter(
  machine: SimulatedMachine,
  ms: number,
  how: 'kill' | 'loseAll' = 'loseAll',
): Promise<Engine> {
  if (how === 'kill') machine.kill()
  else machine.crash('loseAll')
  machine.clock.step(ms)
  return openIn(machine)
}

describe('between log and memory', () => {
  test('a far task still only in the log is delivered when its hour is promoted', async () => {
    const machine = await place()
    const engine = await openIn(machine)
    const { id } = await machine.loop.run(engine.schedule({ queue: 'mail', at: startMs + 2 * hourMs, payload: 'log' }))
    const ids = await deliveries(machine, engine)
    machine.clock.step(2 * hourMs - 30_000)
    await pass(machine, 29_000)
    expect(ids).toEqual([])
    await pass(machine, 2_000)
    expect(ids).toEqual([id])
    expect(await contradictions(machine, engine)).toEqual([])
  })

  test('a far task whose log file went into a segment is delivered', async () => {
    const machine = await place()
    const engine = await openIn(machine)
    const { id } = await machine.loop.run(engine.schedule({ queue: 'mail', at: startMs + 2 * hourMs, payload: 'seg' }))
    await checkpoints(machine, engine, 3)
    const ids = await deliveries(machine, engine)
    machine.clock.step(2 * hourMs)
    await pass(machine, 2_000)
    expect(ids).toEqual([id])
  })

  test('a schedule at the very instant of the boundary of promotion is delivered', async () => {
    const machine = await place()
    const engine = await openIn(machine, { ahead: '10s' })
    const ids = await deliveries(machine, engine)
    const expected: string[] = []
    for (let round = 0; round < 40; round++) {
      for (const offset of [-1, 0, 1]) {
        const at = machine.clock.wallMs() + 10_000 + offset
        const { id } = await machine.loop.run(engine.schedule({ queue: 'mail', at }))
        expected.push(id)
      }
      await pass(machine, 500 + (round % 7) * 83)
    }
    await pass(machine, 12_000)
    expect([...ids].sort()).toEqual([...expected].sort())
  })

  test('tasks that come while their hour is being promoted are delivered', async () => {
    const machine = await place()
    let engine = await openIn(machine)
    const expected: string[] = []
    const at = startMs + 2 * hourMs
    for (let n = 0; n < 60; n++) {
      const { id } = await machine.loop.run(engine.schedule({ queue: 'mail', at: at + n, payload: 'x'.repeat(300) }))
      expected.push(id)
    }
    engine = await reopenAfter(machine, 2 * hourMs - 5 * minuteMs)
    const ids = await deliveries(machine, engine)
    // Promotion has begun, in steps of a few milliseconds.
    for (let n = 0; n < 60; n++) {
      void engine.schedule({ queue: 'mail', at: at + n }).then(({ id }) => expected.push(id))
      await pass(machine, 0.2)
    }
    await pass(machine, 6 * minuteMs)
    expect(expected.length).toBe(120)
    expect([...ids].sort()).toEqual([...expected].sort())
  })

  test('promotion and a checkpoint at the same time lose nothing', async () => {
    const machine = await place()
    const engine = await openIn(machine)
    const expected: string[] = []
    const at = startMs + 3 * hourMs
    for (let n = 0; n < 150; n++) {
      const { id } = await machine.loop.run(
        engine.schedule({ queue: 'mail', at: at + n * 10, payload: 'x'.repeat(200) }),
      )
      expected.push(id)
    }
    const ids = await deliveries(machine, engine)
    machine.clock.step(3 * hourMs - 9 * minuteMs)
    await checkpoints(machine, engine, 6)
    await pass(machine, 10 * minuteMs)
    expect([...ids].sort()).toEqual([...expected].sort())
    expect(await contradictions(machine, engine)).toEqual([])
  })
})

describe('moves', () => {
  test.each(['kill', 'loseAll'] as const)(
    'a task moved away while its older copy waits in an older file, then %s',
    async (how) => {
      const machine = await place()
      let engine = await openIn(machine)
      const { id } = await machine.loop.run(engine.schedule({ queue: 'mail', at: startMs + 5 * hourMs, payload: 1 }))
      // The older copy is in a sealed file when the task moves.
      const filler = Array.from({ length: 40 }, () => ({ queue: 'filler', delay: '300d', payload: 'x'.repeat(100) }))
      await machine.loop.run(engine.scheduleMany(filler))
      await machine.loop.run(engine.reschedule(id, { at: startMs + 2 * hourMs }))
      await checkpoints(machine, engine, 3)
      engine = await reopenAfter(machine, 2 * hourMs, how)
      const ids = await deliveries(machine, engine)
      await pass(machine, 5_000)
      expect(ids).toEqual([id])
      machine.clock.step(4 * hourMs)
      await pass(machine, 5_000)
      expect(ids).toEqual([id])
    },
  )

  test('there and back again: the copy of the first stay does not count', async () => {
    const machine = await place()
    let engine = await openIn(machine)
    const first = startMs + 5 * hourMs
    const { id } = await machine.loop.run(engine.schedule({ queue: 'mail', at: first, payload: 1 }))
    await checkpoints(machine, engine, 2)
    await machine.loop.run(engine.reschedule(id, { at: startMs + 9 * hourMs }))
    await checkpoints(machine, engine, 2)
    await machine.loop.run(engine.reschedule(id, { at: first + 20 * minuteMs }))
    await checkpoints(machine, engine, 2)
    engine = await reopenAfter(machine, 5 * hourMs + minuteMs)
    const [seen] = await listAll(machine, engine)
    expect(seen).toMatchObject({ id, fireAt: first + 20 * minuteMs, generation: 2 })
    const ids = await deliveries(machine, engine)
    await pass(machine, 5_000)
    expect(ids).toEqual([])
    machine.clock.step(20 * minuteMs)
    await pass(machine, 5_000)
    expect(ids).toEqual([id])
    machine.clock.step(6 * hourMs)
    await pass(machine, 5_000)
    expect(ids).toEqual([id])
    expect(await contradictions(machine, engine)).toEqual([])
  })

  test.each(['reschedule', 'retry', 'dead letter'])(
    'the home hour is retired while the task lives on by %s',
    async (by) => {
      const machine = await place()
      const queues = {
        mail: { retry: { attempts: by === 'dead letter' ? 1 : 3, delay: '50h', maxDelay: '50h', jitter: 0 } },
      }
      let engine = await openIn(machine, { queues })
      const { id } = await machine.loop.run(engine.schedule({ queue: 'mail', delay: '1s', payload: { by } }))
      if (by === 'reschedule') await machine.loop.run(engine.reschedule(id, { at: startMs + 50 * hourMs }))
      else {
        const handle = await machine.loop.run(
          engine.handle('mail', () => {
            throw new Error('not yet')
          }),
        )
        await pass(machine, 3_000)
        await machine.loop.run(handle.stop())
      }
      // Two days on, in steps that are believed, with checkpoints that retire hours.
      for (let hours = 0; hours < 48; hours += 16) {
        machine.clock.step(16 * hourMs)
        await pass(machine, 1_500)
        await checkpoints(machine, engine, 2)
      }
      machine.crash('loseAll')
      machine.clock.step(3 * hourMs)
      engine = await openIn(machine, { queues })
      expect(await machine.loop.run(engine.get(id))).toMatchObject({ state: by === 'dead letter' ? 'dead' : 'pending' })
      const ids = await deliveries(machine, engine)
      if (by === 'dead letter') {
        expect(await machine.loop.run(engine.deadLetters.redrive(id))).toEqual({ redriven: 1 })
      }
      await pass(machine, 5_000)
      expect(ids).toEqual([id])
      expect(await machine.loop.run(engine.get(id))).toMatchObject({ state: 'ended' })
      expect(await contradictions(machine, engine)).toEqual([])
    },
  )
})

describe('ends', () => {
  test('a cancel that was applied but not synced while a checkpoint dropped the task is whole or absent', async () => {
    for (let steps = 1; steps <= 40; steps++) {
      const machine = await place({ seed: steps })
      let engine = await openIn(machine)
      const { id } = await machine.loop.run(engine.schedule({ queue: 'mail', at: startMs + 5 * hourMs, payload: 1 }))
      let answered = false
      let left = steps
      machine.disk.calls.onDone = () => {
        if (--left === 0) machine.crash('loseAll')
      }
      const { calls } = machine.disk
      void engine.cancel(id).then(() => {
        answered = true
      })
      // The batches fill the file, so that it is sealed and checkpointed while the cancel is on its way.
      for (let n = 0; n < 8; n++) {
        void engine.scheduleMany(
          Array.from({ length: 10 }, () => ({ queue: 'filler', delay: '300d', payload: 'x'.repeat(100) })),
        )
      }
      const untilMs = machine.loop.nowMs + 500
      await machine.loop.runUntil(() => calls.ended || machine.loop.nowMs > untilMs)
      if (!calls.ended) machine.crash('loseAll')
      engine = await openIn(machine)
      const state = (await machine.loop.run(engine.get(id)))?.state
      if (answered) expect(state).toBe('ended')
      else expect(['pending', 'ended']).toContain(state)
      expect(await contradictions(machine, engine)).toEqual([])
    }
  })

  test('a dead letter that is redriven and dies again while it is checkpointed is kept', async () => {
    const machine = await place()
    const queues = { mail: { retry: { attempts: 1 } } }
    let engine = await openIn(machine, { queues })
    await machine.loop.run(
      engine.handle('mail', () => {
        throw new Error('no')
      }),
    )
    const { id } = await machine.loop.run(engine.schedule({ queue: 'mail', delay: 0, payload: 1 }))
    await pass(machine, 2_000)
    for (let round = 0; round < 30; round++) {
      void engine.scheduleMany(
        Array.from({ length: 12 }, () => ({ queue: 'filler', delay: '300d', payload: 'x'.repeat(100) })),
      )
      void engine.deadLetters.redrive(id)
      await pass(machine, 3 + (round % 5))
    }
    await checkpoints(machine, engine, 3)
    expect(await machine.loop.run(engine.get(id))).toMatchObject({ state: 'dead' })
    machine.crash('loseAll')
    engine = await openIn(machine, { queues })
    expect(await machine.loop.run(engine.get(id))).toMatchObject({ state: 'dead', payload: 1 })
  })

  test('files that come back after their unlink are nobody’s', async () => {
    const machine = await place()
    let engine = await openIn(machine)
    const { id } = await machine.loop.run(engine.schedule({ queue: 'mail', at: startMs + 5 * hourMs, payload: 1 }))
    const gone = new Map<string, Uint8Array>()
    for (let n = 0; n < 4; n++) {
      for (const path of machine.disk.model.files()) gone.set(path, machine.disk.contents(path))
      await checkpoints(machine, engine, 1)
    }
    await machine.loop.run(engine.cancel(id))
    await checkpoints(machine, engine, 3)
    await machine.loop.run(engine.close())
    machine.kill()
    for (const [path, bytes] of gone) {
      const isThere = machine.disk.model.find(path) !== undefined
      if (!isThere && !path.endsWith('.tmp')) machine.disk.install(path, bytes)
    }
    engine = await openIn(machine)
    expect(await machine.loop.run(engine.get(id))).toMatchObject({ state: 'ended', how: 'cancelled' })
    expect(await listAll(machine, engine)).toEqual([])
    expect(await contradictions(machine, engine)).toEqual([])
  })
})

describe('a crash between any two disk operations of a checkpoint', () => {
  test.each(['loseAll', 'keepAll', 'random'] as const)(
    '%s: nothing is lost, nothing comes back',
    async (policy) => {
      const build = async (): Promise<{
        machine: SimulatedMachine
        engine: Engine
        kept: string[]
        cancelled: string[]
      }> => {
        const machine = await place()
        const engine = await openIn(machine)
        const kept: string[] = []
        const cancelled: string[] = []
        for (let n = 0; n < 40; n++) {
          const at = startMs + (1 + (n % 7)) * hourMs
          const { id } = await machine.loop.run(engine.schedule({ queue: 'mail', at, payload: { n } }))
          if (n % 3 === 0) cancelled.push(id)
          else kept.push(id)
          if (n % 5 === 1) await machine.loop.run(engine.reschedule(id, { at: at + 2 * hourMs }))
        }
        for (const id of cancelled) await machine.loop.run(engine.cancel(id))
        return { machine, engine, kept, cancelled }
      }
      const fill = (engine: Engine): void => {
        for (let n = 0; n < 6; n++) {
          void engine.scheduleMany(
            Array.from({ length: 10 }, () => ({ queue: 'filler', delay: '300d', payload: 'x'.repeat(100) })),
          )
        }
      }
      const { machine, engine, kept, cancelled } = await build()
      fill(engine)
      const before = machine.disk.calls.done
      const forks: SimulatedMachine[] = []
      machine.disk.calls.onDone = () => void forks.push(machine.fork(policy))
      await checkpoints(machine, engine, 2)
      expect(machine.disk.calls.done - before).toBeGreaterThan(60)
      for (const fork of forks) {
        const opened = await openIn(fork)
        const listed = await listAll(fork, opened)
        expect(listed.map(({ id }) => id).sort()).toEqual([...kept].sort())
        for (const id of cancelled.slice(0, 3)) {
          expect(await fork.loop.run(opened.get(id))).toEqual({ state: 'ended', how: 'cancelled' })
        }
        expect(await contradictions(fork, opened)).toEqual([])
      }
    },
    120_000,
  )
})

test('a disk error that stops the engine while a checkpoint runs takes nothing along', async () => {
  const machine = await place()
  const engine = await openIn(machine)
  const expected: string[] = []
  for (let n = 0; n < 60; n++) {
    const at = startMs + 2 * hourMs + n
    const { id } = await machine.loop.run(engine.schedule({ queue: 'mail', at, payload: 'x'.repeat(200) }))
    expected.push(id)
  }
  await checkpoints(machine, engine, 2)
  // The checkpoint is slow, and promotion meets a bad segment meanwhile.
  const { faults } = machine.disk
  faults.add({ on: 'sync', path: /snap-/, delayMs: 5_000 })
  for (let n = 0; n < 6; n++) {
    const filler = Array.from({ length: 12 }, () => ({ queue: 'filler', delay: '300d', payload: 'x'.repeat(100) }))
    engine.scheduleMany(filler).catch(() => undefined)
    await pass(machine, 20)
  }
  expect(faults.hits).toBe(1)
  faults.add({ on: ['read', 'open'], path: /seg-/, code: 'EIO', times: Infinity })
  machine.clock.step(2 * hourMs - 9 * minuteMs)
  await pass(machine, 8_000)
  expect((await engine.closed).reason).toBe('failed')
  machine.kill()
  const again = await openIn(machine)
  expect((await listAll(machine, again)).map(({ id }) => id).sort()).toEqual([...expected].sort())
  expect(await contradictions(machine, again)).toEqual([])
})

describe('the clock', () => {
  test('set back into a retired hour: tasks scheduled there are delivered, on time', async () => {
    const machine = await place()
    const engine = await openIn(machine)
    const ids = await deliveries(machine, engine)
    // Ahead by two days, in steps that are believed, so that today is retired.
    for (let step = 0; step < 4; step++) {
      machine.clock.step(16 * hourMs)
      await pass(machine, 1_500)
      await checkpoints(machine, engine, 2)
    }
    machine.clock.step(-60 * hourMs)
    await pass(machine, 1_500)
    const { id } = await machine.loop.run(engine.schedule({ queue: 'mail', delay: '20s' }))
    await pass(machine, 19_000)
    expect(ids).toEqual([])
    await pass(machine, 2_500)
    expect(ids).toEqual([id])
    expect(await contradictions(machine, engine)).toEqual([])
  })

  test('a start with the clock ten years ahead fires nothing, again and again, until the clock is repaired', async () => {
    const tenYearsMs = 3_650 * 24 * hourMs
    const machine = await place()
    let engine = await openIn(machine)
    const { id } = await machine.loop.run(engine.schedule({ queue: 'mail', delay: '2h', payload: 1 }))
    machine.crash('loseAll')
    machine.clock.step(tenYearsMs)
    let ids: string[] = []
    for (const end of ['kill', 'loseAll', 'close'] as const) {
      engine = await openIn(machine)
      ids = await deliveries(machine, engine)
      await checkpoints(machine, engine, 3)
      await pass(machine, 10_000)
      expect(ids).toEqual([])
      expect((await machine.loop.run(engine.stats())).clock.held).toBe(true)
      if (end === 'close') await machine.loop.run(engine.close())
      if (end === 'loseAll') machine.crash('loseAll')
      else machine.kill()
    }
    engine = await openIn(machine)
    ids = await deliveries(machine, engine)
    await pass(machine, 3_000)
    machine.clock.step(-tenYearsMs)
    await pass(machine, 3_000)
    expect((await machine.loop.run(engine.stats())).clock.held).toBe(false)
    expect(ids).toEqual([])
    machine.clock.step(2 * hourMs)
    await pass(machine, 3_000)
    expect(ids).toEqual([id])
    expect(await contradictions(machine, engine)).toEqual([])
  })

  test.each([
    ['stays', 30 * hourMs, 0],
    ['is over before the next look', 30 * hourMs, -30 * hourMs + 2_000],
  ])('a jump ahead that nobody has looked at yet and that %s starts nothing', async (_, aheadMs, backMs) => {
    const machine = await place()
    const engine = await openIn(machine)
    const ids = await deliveries(machine, engine)
    await machine.loop.run(engine.pause('mail'))
    const { id } = await machine.loop.run(engine.schedule({ queue: 'mail', delay: '100ms', payload: 1 }))
    await pass(machine, 1_000)
    machine.clock.step(-1_500)
    await pass(machine, 10)
    // Due by the clock that is too far ahead, not by the one before.
    machine.clock.step(aheadMs)
    const resumed = engine.resume('mail')
    await machine.loop.run(resumed)
    expect(ids).toEqual([])
    if (backMs === 0) {
      await pass(machine, 3_000)
      expect(ids).toEqual([])
      machine.clock.step(-aheadMs + 2_000)
    } else machine.clock.step(backMs)
    await pass(machine, 3_000)
    expect(ids).toEqual([id])
  })
})

test('a backlog beyond memory is delivered although memory is held by tasks to come', async () => {
  const machine = await place()
  const engine = await openIn(machine, { nearBytesMax: 64 << 10, ahead: '3h' })
  const soon = Array.from({ length: 60 }, (_, n) => ({
    queue: 'mail',
    at: startMs + 2 * hourMs + n,
    payload: 'x'.repeat(250),
  }))
  await machine.loop.run(engine.scheduleMany(soon))
  await pass(machine, 1_500)
  machine.clock.step(-4 * hourMs)
  await pass(machine, 1_500)
  const expected: string[] = []
  for (let n = 0; n < 80; n++) {
    const { id } = await machine.loop.run(engine.schedule({ queue: 'mail', delay: '3s', payload: 'y'.repeat(250) }))
    expected.push(id)
  }
  const ids = await deliveries(machine, engine)
  await pass(machine, 30_000)
  expect([...ids].sort()).toEqual([...expected].sort())
})

/** The twin of threads in a simulated machine, and the runner by itself: what cannot be waited for with real threads. */

import { describe, expect, it } from 'vitest'
import { BatchRunner } from '../../src/delivery/batch-runner.ts'
import { makeBatch, mark, recordBytesOf, type TaskBatch } from '../../src/delivery/task-batch.ts'
import { createRunner } from '../../src/engine/handler-thread.ts'
import type { Handler, Task } from '../../src/model/hourwheel.ts'
import { writeNew } from '../../src/model/record-writers.ts'
import { Rig } from '../engine/rig.ts'
import { SimulatedMachine } from '../../src/testing/simulated-platform.ts'

const start = Date.UTC(2026, 5, 1)

interface Bench {
  readonly machine: SimulatedMachine
  readonly runner: BatchRunner
  readonly said: unknown[]
  readonly seen: Task[]
  readonly batchOf: (fireAts: readonly number[]) => TaskBatch
}

function bench(handler: Handler = () => undefined, lanes = 1): Bench {
  const machine = new SimulatedMachine({ seed: 1, wallMs: start })
  const said: unknown[] = []
  const seen: Task[] = []
  const runner = new BatchRunner({
    setup: { queue: 'q', incarnation: 1, payloadBytesMax: 1_000, lanes },
    handler: (task, context) => {
      seen.push(task)
      return handler(task, context)
    },
    clock: machine.clock,
    say: (message) => void said.push(message),
    encodeNext: () => {
      throw new Error('none here')
    },
  })
  const batchOf = (fireAts: readonly number[]): TaskBatch => {
    const members = fireAts.map((fireAt, ordinal) => {
      const bytes = Buffer.alloc(200)
      writeNew(bytes, 0, Math.floor(fireAt / 3_600_000), ordinal, 0, fireAt, JSON.stringify(ordinal), undefined)
      const source = { bytes, at: 0 }
      return { source, recordBytes: recordBytesOf(source), fence: 7 }
    })
    return makeBatch(members, (bytes) => new SharedArrayBuffer(bytes))
  }
  return { machine, runner, said, seen, batchOf }
}

describe('the runner in a thread', () => {
  it('starts no task before its time, although the clock was right when it was sent', async () => {
    const { machine, runner, seen, batchOf } = bench()
    const batch = batchOf([start - 1, start, start + 1])
    await machine.loop.run(() => runner.receive({ kind: 'batch', batch: 1, buffer: batch.buffer }))
    expect([...batch.marks]).toEqual([mark.succeeded, mark.succeeded, mark.notDue])
    expect([...batch.startedAt]).toEqual([start, start, 0])
    expect(seen.map(({ payload }) => payload)).toEqual([0, 1])
  })

  it('leaves alone what was taken back', async () => {
    const { machine, runner, seen, batchOf } = bench()
    const batch = batchOf([start, start, start])
    expect(batch.claim(1, mark.withdrawn)).toBe(true)
    expect(batch.claim(1, mark.withdrawn)).toBe(false)
    await machine.loop.run(() => runner.receive({ kind: 'batch', batch: 1, buffer: batch.buffer }))
    expect([...batch.marks]).toEqual([mark.succeeded, mark.withdrawn, mark.succeeded])
    expect(seen.map(({ payload }) => payload)).toEqual([0, 2])
  })

  it('says what there is to say of an attempt before it is marked', async () => {
    const marks: number[][] = []
    const made = bench(() => {
      throw new TypeError('no')
    })
    const batch = made.batchOf([start, start])
    made.said.push = (message: unknown) => {
      marks.push([...batch.marks])
      expect(message).toEqual({ batch: 9, index: marks.length - 1, error: { name: 'TypeError', message: 'no' } })
      return 0
    }
    await made.machine.loop.run(() => made.runner.receive({ kind: 'batch', batch: 9, buffer: batch.buffer }))
    expect(marks).toEqual([
      [mark.running, mark.waiting],
      [mark.answered, mark.running],
    ])
    expect([...batch.marks]).toEqual([mark.answered, mark.answered])
  })

  it('runs as many at once as it has lanes, and goes on when one is left', async () => {
    const signals: AbortSignal[] = []
    const { machine, runner, seen, batchOf } = bench((_task, { signal }) => {
      signals.push(signal)
      return new Promise(() => undefined)
    }, 2)
    const batch = batchOf([start, start, start])
    void runner.receive({ kind: 'batch', batch: 1, buffer: batch.buffer })
    expect(seen).toHaveLength(2)
    const leave = { kind: 'abort', batch: 1, index: 1, reason: 'too long', isOver: true } as const
    await machine.loop.run(() => runner.receive(leave))
    await machine.loop.advanceBy(1)
    expect(signals[1]!.reason).toEqual(new Error('too long'))
    expect(seen).toHaveLength(3)
    expect([...batch.marks]).toEqual([mark.running, mark.left, mark.running])
    // A cancel aborts and waits on.
    await machine.loop.run(() => runner.receive({ ...leave, index: 0, isOver: false }))
    expect(signals[0]!.aborted).toBe(true)
    expect(batch.marks[0]).toBe(mark.running)
  })
})

describe('the twin of threads', () => {
  const reports: unknown[] = []
  const modules: Record<string, unknown> = {
    'file:///echo.ts': {
      default: (async (task, context) => {
        if (task.payload === 'fail' && context.attempt === 1) throw new Error('first')
        reports.push([task.payload, context.attempt, context.lateMs])
        context.scheduleNext({ queue: 'next', delay: '1h', payload: task.payload })
      }) satisfies Handler,
    },
  }
  const load = (module: string): Promise<unknown> =>
    module in modules ? Promise.resolve(modules[module]) : Promise.reject(new Error(`there is no ${module}`))

  it('runs modules in this thread, with records, retries and successors as ever', async () => {
    const rig = await Rig.open({}, { handlers: { createRunner, load } })
    await rig.run(() => rig.engine.handle('work', { module: 'file:///echo.ts' }, { concurrency: 3, threads: 2 }))
    await rig.run(() => rig.engine.schedule({ queue: 'work', delay: '1h', payload: 'pass' }))
    await rig.run(() => rig.engine.schedule({ queue: 'work', delay: '2h', payload: 'fail' }))
    const next: unknown[] = []
    await rig.run(() => rig.engine.handle('next', ({ payload }) => void next.push(payload)))
    await rig.advance(4 * 3_600_000)
    expect(reports).toEqual([
      ['pass', 1, expect.any(Number)],
      ['fail', 2, expect.any(Number)],
    ])
    expect(next).toEqual(['pass', 'fail'])
    const { total, conservation } = await rig.run(() => rig.engine.stats())
    expect({ conservation, succeeded: total.succeeded, pending: total.pending }).toEqual({
      conservation: 0,
      succeeded: 4,
      pending: 0,
    })
    await rig.close()
  })

  it('refuses a module that does not load', async () => {
    const rig = await Rig.open({}, { handlers: { createRunner, load } })
    const refused = rig.run(() => rig.engine.handle('work', { module: 'file:///none.ts' }))
    await expect(refused).rejects.toMatchObject({ code: 'HW_HANDLER_INVALID', message: /there is no file:/ })
    await rig.close()
  })
})

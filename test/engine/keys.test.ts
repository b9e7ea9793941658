/** Keys, live and over power cuts: every mode against every state of the task that has the key. */

import { describe, expect, test } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'
import type { GetAnswer, Receipt, TaskInput, TaskView } from '../../src/model/hourwheel.ts'
import { Rig } from './rig.ts'

const minute = 60_000
const day = 86_400_000
const ref = { queue: 'q', key: 'order-1' }

const modes = ['keep', 'reject', 'replace', 'earliest', 'latest'] as const
type Mode = (typeof modes)[number]

/** Where the task that has the key is when another one is scheduled with it. */
const places = ['near', 'far', 'in a segment'] as const

function at(rig: Rig, ms: number): number {
  return rig.now + ms
}

async function schedule(rig: Rig, task: Partial<TaskInput>): Promise<Receipt> {
  const due = task.at === undefined ? { delay: 0 } : {}
  return rig.run(() => rig.engine.schedule({ queue: 'q', key: 'order-1', ...due, ...task }))
}

async function get(rig: Rig, target: string | typeof ref = ref): Promise<GetAnswer | undefined> {
  return rig.run(() => rig.engine.get(target))
}

async function live(rig: Rig, target: string | typeof ref = ref): Promise<TaskView> {
  const answer = await get(rig, target)
  if (answer === undefined || answer.state === 'ended') throw new Error(`it is ${answer?.state ?? 'missing'}`)
  return answer
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: unknown) => String((error as { code?: unknown }).code),
  )
}

/** Nothing is lost or found by a power cut. */
async function powerCut(rig: Rig): Promise<void> {
  rig.machine.crash('random')
  await rig.reopen()
}

async function conserved(rig: Rig): Promise<void> {
  expect((await rig.run(() => rig.engine.stats())).conservation).toBe(0)
}

/** Writes until what was scheduled before is in segments, and its log files are gone. */
async function toSegments(rig: Rig): Promise<void> {
  const { checkpoints } = await rig.run(() => rig.engine.stats())
  for (let round = 0; round < 50; round++) {
    const tasks = Array.from({ length: 20 }, () => ({
      queue: 'filler',
      delay: '40d' as const,
      payload: 'x'.repeat(80),
    }))
    await rig.run(() => rig.engine.scheduleMany(tasks))
    await rig.advance(20)
    if ((await rig.run(() => rig.engine.stats())).checkpoints >= checkpoints + 3) return
  }
  throw new Error('no checkpoint came')
}

async function placed(place: (typeof places)[number], payload: unknown): Promise<{ rig: Rig; first: Receipt }> {
  const rig = await Rig.open()
  const first = await schedule(rig, { at: at(rig, place === 'near' ? 5 * minute : 20 * day), payload })
  if (place === 'in a segment') await toSegments(rig)
  return { rig, first }
}

/** What the handler does is told by the test. */
async function handled(rig: Rig, run: () => unknown): Promise<void> {
  await rig.run(() => rig.engine.handle('q', run))
}

async function leased(): Promise<{ rig: Rig; first: Receipt; finish: () => void }> {
  const rig = await Rig.open()
  let finish = (): void => undefined
  await handled(rig, () => new Promise<void>((resolve) => (finish = resolve)))
  const first = await schedule(rig, { payload: 'first' })
  await rig.advance(10)
  expect((await live(rig)).state).toBe('leased')
  return { rig, first, finish: () => finish() }
}

describe.each(places)('a key of a task that is %s', (place) => {
  describe.each(['live', 'after a power cut'] as const)('%s', (when) => {
    async function begin(): Promise<{ rig: Rig; first: Receipt }> {
      const begun = await placed(place, { n: 1 })
      if (when !== 'live') await powerCut(begun.rig)
      return begun
    }

    test('keep keeps it', async () => {
      const { rig, first } = await begin()
      const second = await schedule(rig, { delay: '1h', payload: { n: 2 } })
      expect(second).toEqual({
        id: first.id,
        fireAt: first.fireAt,
        outcome: 'kept',
        generation: 0,
        state: 'pending',
      })
      await powerCut(rig)
      expect(await live(rig)).toMatchObject({ id: first.id, key: 'order-1', fireAt: first.fireAt, payload: { n: 1 } })
      await conserved(rig)
    })

    test('reject refuses', async () => {
      const { rig, first } = await begin()
      expect(await codeOf(schedule(rig, { onConflict: 'reject', payload: { n: 2 } }))).toBe('HW_KEY_EXISTS')
      expect(await live(rig)).toMatchObject({ id: first.id, fireAt: first.fireAt, payload: { n: 1 } })
    })

    test('replace replaces all but the id', async () => {
      const { rig, first } = await begin()
      const fireAt = at(rig, 3 * day)
      const second = await schedule(rig, {
        at: fireAt,
        payload: { n: 2 },
        headers: { a: 'b' },
        onConflict: 'replace',
      })
      expect(second).toEqual({ id: first.id, fireAt, outcome: 'replaced', generation: 1 })
      const expected = { id: first.id, fireAt, generation: 1, attempt: 0, payload: { n: 2 }, headers: { a: 'b' } }
      expect(await live(rig)).toMatchObject(expected)
      await powerCut(rig)
      expect(await live(rig)).toMatchObject(expected)
      expect((await rig.run(() => rig.engine.stats())).queues['q']).toMatchObject({
        accepted: 2,
        replaced: 1,
        pending: 1,
      })
      await conserved(rig)
    })

    test.each([
      ['earliest', -1, true],
      ['earliest', 1, false],
      ['latest', 1, true],
      ['latest', -1, false],
    ] as const)('%s with a time on side %i moves it: %s', async (onConflict, side, moves) => {
      const { rig, first } = await begin()
      const fireAt = first.fireAt + side * minute
      const second = await schedule(rig, { at: fireAt, payload: { n: 2 }, onConflict })
      expect(second).toMatchObject({
        id: first.id,
        fireAt: moves ? fireAt : first.fireAt,
        outcome: moves ? 'replaced' : 'kept',
        generation: moves ? 1 : 0,
      })
      await powerCut(rig)
      expect(await live(rig)).toMatchObject({
        fireAt: moves ? fireAt : first.fireAt,
        payload: { n: 1 },
        key: 'order-1',
      })
      await conserved(rig)
    })

    test('cancel and reschedule find it by its key', async () => {
      const { rig, first } = await begin()
      const fireAt = at(rig, 2 * day)
      expect(await rig.run(() => rig.engine.reschedule(ref, { at: fireAt }))).toMatchObject({ outcome: 'rescheduled' })
      expect((await live(rig)).fireAt).toBe(fireAt)
      expect(await rig.run(() => rig.engine.cancel(ref))).toMatchObject({ outcome: 'cancelled', generation: 1 })
      await powerCut(rig)
      expect(await rig.run(() => rig.engine.cancel(ref))).toEqual({ outcome: 'ended', how: 'cancelled' })
      expect(await schedule(rig, { delay: '1h' })).toEqual({
        id: first.id,
        fireAt,
        outcome: 'kept',
        generation: 1,
        state: 'ended',
      })
      await conserved(rig)
    })
  })
})

describe('a key of a task that waits for a retry', () => {
  test.each(modes)('%s', async (onConflict) => {
    const rig = await Rig.open()
    await handled(rig, () => {
      throw new Error('not yet')
    })
    const first = await schedule(rig, { payload: 1, retry: { backoff: 'fixed', delay: '1h', jitter: 0 } })
    await rig.advance(10)
    const waiting = await live(rig)
    expect(waiting).toMatchObject({ state: 'pending', attempt: 1, key: 'order-1' })
    await powerCut(rig)
    const fireAt = at(rig, onConflict === 'latest' ? 2 * day : 1_000)
    if (onConflict === 'reject') {
      expect(await codeOf(schedule(rig, { at: fireAt, payload: 2, onConflict }))).toBe('HW_KEY_EXISTS')
      return
    }
    const second = await schedule(rig, { at: fireAt, payload: 2, onConflict })
    expect(second.id).toBe(first.id)
    expect(second.outcome).toBe(onConflict === 'keep' ? 'kept' : 'replaced')
    await powerCut(rig)
    const isReplaced = onConflict === 'replace'
    expect(await live(rig)).toMatchObject({
      attempt: isReplaced ? 0 : 1,
      payload: isReplaced ? 2 : 1,
      fireAt: onConflict === 'keep' ? waiting.fireAt : fireAt,
    })
    expect((await live(rig)).lastError).toBe(isReplaced ? undefined : 'not yet')
    await conserved(rig)
  })
})

describe('a key of a task whose attempt runs', () => {
  test('keep keeps it, reject refuses', async () => {
    const { rig, first } = await leased()
    expect(await schedule(rig, { delay: '1h' })).toMatchObject({ id: first.id, outcome: 'kept', state: 'leased' })
    expect(await codeOf(schedule(rig, { onConflict: 'reject' }))).toBe('HW_KEY_EXISTS')
  })

  test.each(['replace', 'earliest', 'latest'] as const)(
    '%s makes a new task that takes the key',
    async (onConflict) => {
      const { rig, first, finish } = await leased()
      const second = await schedule(rig, { delay: '1h', payload: 'second', onConflict })
      expect(second).toMatchObject({ outcome: 'created', running: first.id, generation: 0 })
      expect(second.id).not.toBe(first.id)
      expect((await live(rig)).id).toBe(second.id)
      expect((await live(rig, first.id)).key).toBeUndefined()
      // The key is that of a pending task now.
      expect(await schedule(rig, { delay: '2h' })).toMatchObject({ id: second.id, outcome: 'kept', state: 'pending' })
      finish()
      await rig.advance(50)
      expect(await get(rig, first.id)).toMatchObject({ state: 'ended', how: 'succeeded' })
      // The end of the first does not free what is the second's.
      expect(await live(rig)).toMatchObject({ id: second.id, payload: 'second' })
      await powerCut(rig)
      expect(await live(rig)).toMatchObject({ id: second.id, payload: 'second', key: 'order-1' })
      await conserved(rig)
    },
  )

  test('one that lost its key and fails does not get it back', async () => {
    const rig = await Rig.open()
    let fail = (): void => undefined
    await handled(rig, () => new Promise<void>((_, reject) => (fail = () => reject(new Error('no')))))
    const first = await schedule(rig, { retry: { attempts: 2, backoff: 'fixed', delay: '1h', jitter: 0 } })
    await rig.advance(10)
    const second = await schedule(rig, { delay: '20d', onConflict: 'replace' })
    fail()
    await rig.advance(10)
    expect(await live(rig, first.id)).toMatchObject({ state: 'pending', attempt: 1, key: undefined })
    expect((await live(rig)).id).toBe(second.id)
    await powerCut(rig)
    expect((await live(rig)).id).toBe(second.id)
    expect((await live(rig, first.id)).key).toBeUndefined()
  })

  test('a cancel by key stops it', async () => {
    const { rig } = await leased()
    expect(await rig.run(() => rig.engine.cancel(ref))).toMatchObject({ outcome: 'leased', attempt: 1 })
    await powerCut(rig)
    expect(await rig.run(() => rig.engine.cancel(ref))).toEqual({ outcome: 'ended', how: 'cancelled' })
    expect(await schedule(rig, {})).toMatchObject({ outcome: 'kept', state: 'ended' })
  })
})

describe('a key of a task that has ended', () => {
  async function ended(options: object = {}): Promise<{ rig: Rig; first: Receipt }> {
    const rig = await Rig.open(options)
    await handled(rig, () => undefined)
    const first = await schedule(rig, { payload: 1 })
    await rig.advance(50)
    return { rig, first }
  }

  test.each(modes)('%s within the window', async (onConflict) => {
    const { rig, first } = await ended()
    await powerCut(rig)
    await rig.advance(23 * 3_600_000)
    if (onConflict === 'reject') {
      expect(await codeOf(schedule(rig, { onConflict }))).toBe('HW_KEY_EXISTS')
    } else if (onConflict === 'keep') {
      const kept = { id: first.id, fireAt: first.fireAt, outcome: 'kept', generation: 0, state: 'ended' }
      expect(await schedule(rig, { onConflict })).toEqual(kept)
      expect(await get(rig)).toMatchObject({ state: 'ended', how: 'succeeded' })
    } else {
      const second = await schedule(rig, { delay: '1h', onConflict })
      expect(second).toMatchObject({ outcome: 'created' })
      expect(second.id).not.toBe(first.id)
    }
    await conserved(rig)
  })

  test.each(modes)('%s after the window makes a new task', async (onConflict) => {
    const { rig, first } = await ended({ keyWindow: '1h' })
    await powerCut(rig)
    await rig.advance(3_600_000 + 100)
    expect(await get(rig)).toBeUndefined()
    const second = await schedule(rig, { delay: '1h', onConflict })
    expect(second.outcome).toBe('created')
    expect(second.id).not.toBe(first.id)
    await powerCut(rig)
    expect((await live(rig)).id).toBe(second.id)
  })

  test('each queue has a window of its own', async () => {
    const { rig } = await ended({ queues: { q: { keyWindow: 0 } } })
    expect((await schedule(rig, { delay: '1h' })).outcome).toBe('created')
  })

  test('nothing is remembered for ever', async () => {
    const rig = await Rig.open({ keyWindow: '10m' })
    await handled(rig, () => undefined)
    for (let round = 0; round < 12; round++) {
      const tasks = Array.from({ length: 20 }, (_, n) => ({ queue: 'q', key: `${round}-${n}`, delay: 0 }))
      await rig.run(() => rig.engine.scheduleMany(tasks))
      await rig.advance(20 * minute)
    }
    const { entries } = rig.machine.keys.contents('/data/keys.mdb')
    expect(entries.size).toBeLessThan(100)
  })
})

describe('a key of a dead letter', () => {
  async function dead(): Promise<{ rig: Rig; first: Receipt }> {
    const rig = await Rig.open({ keyWindow: '1h' })
    await handled(rig, () => {
      throw new Error('never')
    })
    const first = await schedule(rig, { payload: 1, retry: { attempts: 1 } })
    await rig.advance(50)
    expect((await live(rig)).state).toBe('dead')
    return { rig, first }
  }

  test.each(modes)('%s: it has ended', async (onConflict) => {
    const { rig, first } = await dead()
    await powerCut(rig)
    if (onConflict === 'reject') {
      expect(await codeOf(schedule(rig, { onConflict }))).toBe('HW_KEY_EXISTS')
    } else if (onConflict === 'keep') {
      expect(await schedule(rig, {})).toMatchObject({ id: first.id, outcome: 'kept', state: 'dead' })
    } else expect(await schedule(rig, { onConflict, delay: '1h' })).toMatchObject({ outcome: 'created' })
  })

  test('it is found by its key as long as it is kept', async () => {
    const { rig, first } = await dead()
    await rig.advance(day)
    await powerCut(rig)
    expect(await live(rig)).toMatchObject({ id: first.id, state: 'dead', key: 'order-1' })
    expect(await rig.run(() => rig.engine.deadLetters.purge(ref))).toEqual({ purged: 1 })
    expect(await get(rig)).toBeUndefined()
  })

  test('redriven it takes its key back, if that is free', async () => {
    const { rig, first } = await dead()
    await rig.advance(day)
    await powerCut(rig)
    expect(await rig.run(() => rig.engine.deadLetters.redrive(ref))).toEqual({ redriven: 1 })
    expect(await live(rig)).toMatchObject({ id: first.id, state: 'pending', key: 'order-1' })
    await powerCut(rig)
    expect(await schedule(rig, {})).toMatchObject({ id: first.id, outcome: 'kept', state: 'pending' })
  })

  test('redriven it runs unnamed, and that is said, if another task has its key', async () => {
    const { rig, first } = await dead()
    const second = await schedule(rig, { delay: '20d', onConflict: 'replace' })
    await powerCut(rig)
    expect(await rig.run(() => rig.engine.deadLetters.redrive(first.id))).toEqual({ redriven: 1, unnamed: 1 })
    expect(await live(rig, first.id)).toMatchObject({ state: 'pending', key: undefined })
    expect((await live(rig)).id).toBe(second.id)
    await powerCut(rig)
    expect((await live(rig)).id).toBe(second.id)
    expect((await live(rig, first.id)).key).toBeUndefined()
  })
})

describe('a successor', () => {
  async function handleParents(rig: Rig, next: Partial<TaskInput>): Promise<void> {
    await rig.run(() =>
      rig.engine.handle('q', (task, context) => {
        if (task.payload === 'parent') context.scheduleNext({ queue: 'q', delay: '1h', ...next })
      }),
    )
  }

  async function chain(next: Partial<TaskInput>): Promise<{ rig: Rig; first: Receipt }> {
    const rig = await Rig.open()
    await handleParents(rig, next)
    const first = await schedule(rig, { payload: 'parent' })
    return { rig, first }
  }

  test("takes over its parent's key", async () => {
    const { rig, first } = await chain({ key: 'order-1', payload: 'child' })
    await rig.advance(50)
    const child = await live(rig)
    expect(child).toMatchObject({ state: 'pending', payload: 'child', key: 'order-1' })
    expect(child.id).not.toBe(first.id)
    await powerCut(rig)
    expect(await live(rig)).toMatchObject({ id: child.id, key: 'order-1' })
    await conserved(rig)
  })

  test('is dropped when another task has its key', async () => {
    const rig = await Rig.open()
    const other = await schedule(rig, { key: 'other', delay: '20d', payload: 'other' })
    await handleParents(rig, { key: 'other', payload: 'child' })
    await schedule(rig, { payload: 'parent' })
    await rig.advance(50)
    expect(await live(rig, { queue: 'q', key: 'other' })).toMatchObject({ id: other.id, payload: 'other' })
    expect((await rig.run(() => rig.engine.stats())).queues['q']).toMatchObject({
      accepted: 2,
      succeeded: 1,
      pending: 1,
    })
    await conserved(rig)
  })

  test('keeps what its key names: other modes are refused at once', async () => {
    const { rig } = await chain({ key: 'other', onConflict: 'replace' })
    await rig.advance(50)
    expect(await live(rig)).toMatchObject({ attempt: 1 })
  })
})

describe('a batch', () => {
  const task = (key: string | undefined, payload: unknown, onConflict?: Mode): TaskInput => ({
    queue: 'q',
    delay: '20d',
    key,
    payload,
    onConflict,
  })

  test('the same key twice: the second sees the first', async () => {
    const rig = await Rig.open()
    const receipts = await rig.run(() =>
      rig.engine.scheduleMany([
        task('a', 1),
        task('a', 2),
        task(undefined, 0),
        task('b', 1),
        task('b', 2, 'replace'),
        { ...task('b', 3, 'latest'), delay: '21d' },
        task('b', 4),
      ]),
    )
    expect(receipts.map(({ outcome }) => outcome)).toEqual([
      'created',
      'kept',
      'created',
      'created',
      'replaced',
      'replaced',
      'kept',
    ])
    expect(receipts.map(({ generation }) => generation)).toEqual([0, 0, 0, 0, 1, 2, 2])
    await powerCut(rig)
    expect(await live(rig, { queue: 'q', key: 'a' })).toMatchObject({ payload: 1, id: receipts[0]!.id })
    const b = await live(rig, { queue: 'q', key: 'b' })
    expect(b).toMatchObject({ payload: 2, id: receipts[3]!.id, generation: 2, fireAt: receipts[5]!.fireAt })
    await conserved(rig)
  })

  test('is refused as a whole when one of it is', async () => {
    const rig = await Rig.open()
    await rig.run(() => rig.engine.schedule(task('taken', 1)))
    const batch = [task('new', 1), task('taken', 2, 'reject')]
    await expect(rig.run(() => rig.engine.scheduleMany(batch))).rejects.toMatchObject({
      code: 'HW_KEY_EXISTS',
      index: 1,
    })
    const twice = [task('new', 1), task('new', 2, 'reject')]
    await expect(rig.run(() => rig.engine.scheduleMany(twice))).rejects.toMatchObject({
      code: 'HW_KEY_EXISTS',
      index: 1,
    })
    expect(await get(rig, { queue: 'q', key: 'new' })).toBeUndefined()
  })

  test('reads first what is only on disk', async () => {
    const rig = await Rig.open()
    await rig.run(() => rig.engine.scheduleMany([task('a', 1), task('b', 1), task('c', 1)]))
    await toSegments(rig)
    await powerCut(rig)
    const receipts = await rig.run(() =>
      rig.engine.scheduleMany([
        task('a', 2),
        task('b', 2, 'replace'),
        { ...task('c', 2, 'earliest'), delay: '1d' },
        task('b', 3, 'replace'),
      ]),
    )
    expect(receipts.map(({ outcome }) => outcome)).toEqual(['kept', 'replaced', 'replaced', 'replaced'])
    await powerCut(rig)
    expect(await live(rig, { queue: 'q', key: 'b' })).toMatchObject({ payload: 3, generation: 2 })
    expect(await live(rig, { queue: 'q', key: 'c' })).toMatchObject({ payload: 1, fireAt: receipts[2]!.fireAt })
  })
})

describe('the view', () => {
  test('there is none until the first key, and it is forgotten that there was none', async () => {
    const rig = await Rig.open()
    await rig.run(() => rig.engine.schedule({ queue: 'q', delay: '1d' }))
    await toSegments(rig)
    expect(rig.machine.keys.writeCount).toBe(0)
    expect(await get(rig)).toBeUndefined()
    const first = await schedule(rig, { delay: '1d' })
    await powerCut(rig)
    expect(await schedule(rig, { delay: '2d' })).toMatchObject({ id: first.id, outcome: 'kept' })
  })

  async function many(rig: Rig): Promise<Receipt[]> {
    const tasks = Array.from({ length: 200 }, (_, n) => ({
      queue: 'q',
      key: `k${n}`,
      delay: `${1 + (n % 30)}d` as const,
    }))
    const receipts = await rig.run(() => rig.engine.scheduleMany(tasks))
    await toSegments(rig)
    await rig.run(() => rig.engine.cancel({ queue: 'q', key: 'k7' }))
    await rig.run(() => rig.engine.schedule({ queue: 'q', key: 'k8', delay: '33d', onConflict: 'replace' }))
    return receipts
  }

  async function allKept(engine: Engine, rig: Rig, receipts: readonly Receipt[]): Promise<void> {
    const tasks = receipts.map((_, n) => ({ queue: 'q', key: `k${n}`, delay: '50d' as const }))
    const again = await rig.run(() => engine.scheduleMany(tasks))
    expect(again.map(({ id, outcome }) => `${id} ${outcome}`)).toEqual(receipts.map(({ id }) => `${id} kept`))
  }

  test('lost, it is made anew from the tasks and the log', async () => {
    const rig = await Rig.open()
    const receipts = await many(rig)
    rig.machine.crash('random')
    rig.machine.keys.remove('/data/keys.mdb')
    await allKept(await rig.reopen(), rig, receipts)
  })

  test('put back from another moment, it is made anew', async () => {
    const rig = await Rig.open()
    await schedule(rig, { delay: '1d' })
    await rig.close()
    await rig.reopen()
    const restore = rig.machine.keys.copy('/data/keys.mdb')
    const receipts = await many(rig)
    rig.machine.crash('random')
    restore()
    await allKept(await rig.reopen(), rig, receipts)
  })

  test('is not made anew by a normal open', async () => {
    const rig = await Rig.open()
    const receipts = await many(rig)
    await rig.close()
    const { writeCount } = rig.machine.keys
    const engine = await rig.reopen()
    expect(rig.machine.keys.writeCount).toBe(writeCount)
    await allKept(engine, rig, receipts)
  })
})

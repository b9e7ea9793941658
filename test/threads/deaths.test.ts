import { describe, expect, it } from 'vitest'
import { sleep, ThreadsRig, until } from './rig.ts'

/** The one that ends its thread among others that are due together and wait for one lane. */
async function among(rig: ThreadsRig, deed: unknown): Promise<{ culprit: string; others: string[] }> {
  const quiet = (count: number): unknown[] => Array.from({ length: count }, () => ({ do: 'nothing' }))
  const ids = await rig.workMany([...quiet(10), deed, ...quiet(20)])
  const [culprit] = ids.splice(10, 1)
  return { culprit: culprit!, others: ids }
}

async function expectUntouched(rig: ThreadsRig, others: readonly string[]): Promise<void> {
  const done = (): Set<string> => new Set(rig.told.succeeded.map(({ id }) => id))
  await until(() => others.every((id) => done().has(id)), 'the others')
  for (const id of others) expect(rig.told.succeeded.find((event) => event.id === id)).toMatchObject({ attempt: 1 })
  expect(rig.told.attemptFailed.filter(({ id }) => others.includes(id))).toEqual([])
}

describe('the death of a thread uses up an attempt of the task that ran, and of no other', () => {
  it('process.exit() in a handler', async () => {
    const rig = await ThreadsRig.open({ attempts: 2 })
    await rig.handle({ concurrency: 1, threads: 1 })
    const { culprit, others } = await among(rig, { do: 'exit' })
    await until(() => rig.told.deadLettered.length === 1, 'the end')
    const text = 'its thread died: it ended itself with code 7, as process.exit() does'
    expect(rig.errorsOf(culprit)).toEqual([text, text])
    await expectUntouched(rig, others)
  })

  it('an error thrown outside of the handler’s promise', async () => {
    const rig = await ThreadsRig.open({ attempts: 1 })
    await rig.handle({ concurrency: 1, threads: 1 })
    const { culprit, others } = await among(rig, { do: 'throwOutside' })
    await until(() => rig.told.deadLettered.length === 1, 'the end')
    expect(rig.errorsOf(culprit)[0]).toMatch(
      /its thread died: .*outside of any handler's promise: .*nobody catches this/,
    )
    await expectUntouched(rig, others)
  })

  it('no memory left', async () => {
    const rig = await ThreadsRig.open({ attempts: 1 })
    await rig.handle({ concurrency: 1, threads: 1, resourceLimits: { maxOldGenerationSizeMb: 24 } })
    const { culprit, others } = await among(rig, { do: 'eat' })
    await until(() => rig.told.deadLettered.length === 1, 'the end')
    expect(rig.errorsOf(culprit)[0]).toMatch(/its thread died: it ran out of memory/)
    await expectUntouched(rig, others)
  })

  it('a loop without end, at its time-out', async () => {
    const rig = await ThreadsRig.open({ attempts: 2 })
    await rig.handle({ concurrency: 1, threads: 1, timeout: '200ms' })
    const { culprit, others } = await among(rig, { do: 'loopOnce' })
    await until(() => rig.told.succeeded.some(({ id }) => id === culprit), 'the second attempt')
    expect(rig.errorsOf(culprit)).toEqual(['the attempt took longer than its time-out of 200 ms'])
    await expectUntouched(rig, others)
  })

  it('with several running at once, all of those', async () => {
    const rig = await ThreadsRig.open({ attempts: 5 })
    await rig.handle({ concurrency: 3, threads: 1 })
    const beside = await rig.work({ do: 'sleep', ms: 1_500 })
    await until(() => rig.told.fired.length === 1, 'the start')
    const { culprit, others } = await among(rig, { do: 'exitOnce' })
    await until(() => rig.told.succeeded.length === others.length + 2, 'all')
    expect(rig.errorsOf(culprit)).toHaveLength(1)
    expect(rig.errorsOf(beside)).toHaveLength(1)
    await expectUntouched(rig, others)
  })

  it('an idle thread is replaced, and nobody is to blame', async () => {
    const rig = await ThreadsRig.open()
    await rig.handle({ concurrency: 1, threads: 1 })
    await rig.work({ do: 'throwOutsideLater' })
    await until(() => rig.told.succeeded.length === 1, 'the first')
    await sleep(150)
    await rig.work({ do: 'echo' })
    await until(() => rig.reports.length === 1, 'the second')
    expect(rig.told.attemptFailed).toEqual([])
  })

  it('answers given before it count, with their successors', async () => {
    const rig = await ThreadsRig.open({ attempts: 1 })
    await rig.handle({ concurrency: 1, threads: 1 })
    await rig.workMany([{ do: 'echo' }, { do: 'echo' }, { do: 'fail', text: 'mine' }, { do: 'exit' }])
    await until(() => rig.reports.length === 2 && rig.told.deadLettered.length === 2, 'all')
    expect(rig.told.deadLettered.map(({ error }) => error).sort()).toEqual([
      'its thread died: it ended itself with code 7, as process.exit() does',
      'mine',
    ])
    expect(rig.told.fired.filter(({ queue }) => queue === 'work')).toHaveLength(4)
  })
})

describe('a time-out', () => {
  it('counts from the start of the task itself, however long it waited in line', async () => {
    const rig = await ThreadsRig.open()
    await rig.handle({ concurrency: 1, threads: 1, timeout: '500ms' })
    await rig.workMany(Array.from({ length: 12 }, () => ({ do: 'sleep', ms: 80 })))
    await until(() => rig.told.succeeded.length === 12, 'all')
    expect(rig.told.attemptFailed).toEqual([])
  })

  it('aborts the signal, and the lane goes on although the handler does not end', async () => {
    const rig = await ThreadsRig.open({ attempts: 1 })
    await rig.handle({ concurrency: 1, threads: 1, timeout: '100ms' })
    const [stuck] = await rig.workMany([
      { do: 'untilAbort', ends: 'never' },
      { do: 'threadOf', ms: 1 },
    ])
    await until(() => rig.reports.length === 1, 'the next one')
    expect(rig.errorsOf(stuck!)).toEqual(['the attempt took longer than its time-out of 100 ms'])
    await rig.work({ do: 'threadOf', ms: 1 })
    await until(() => rig.reports.length === 2, 'another one')
    // The thread is still the same.
    expect(new Set(rig.reports).size).toBe(1)
  })

  it('makes a later answer stale', async () => {
    const rig = await ThreadsRig.open({ attempts: 2, retryDelay: '1h' })
    await rig.handle({ concurrency: 2, threads: 1 })
    const id = await rig.work({ do: 'untilAbort', ends: 'well' }, { timeout: '50ms' })
    await until(() => rig.told.attemptFailed.length === 1, 'the time-out')
    await sleep(100)
    expect(rig.told.succeeded).toEqual([])
    expect(await rig.engine.get(id)).toMatchObject({ state: 'pending', attempt: 1 })
  })

  it('of a task that blocks for less than a second more leaves the thread as it is', async () => {
    const rig = await ThreadsRig.open({ attempts: 1 })
    await rig.handle({ concurrency: 1, threads: 1 })
    await rig.work({ do: 'threadOf', ms: 1 })
    const blocked = await rig.work({ do: 'block', ms: 500 }, { timeout: '100ms' })
    await until(() => rig.told.attemptFailed.length === 1, 'the time-out')
    await rig.work({ do: 'threadOf', ms: 1 })
    await until(() => rig.reports.length === 2, 'the reports')
    expect(rig.errorsOf(blocked)).toHaveLength(1)
    expect(new Set(rig.reports).size).toBe(1)
  })
})

describe('closing', () => {
  it('lets what runs end and gives back what waits', async () => {
    const rig = await ThreadsRig.open()
    await rig.handle({ concurrency: 1, threads: 1 })
    await rig.workMany(Array.from({ length: 10 }, () => ({ do: 'sleep', ms: 150 })))
    await until(() => rig.told.fired.length === 1, 'the start')
    const startedAt = Date.now()
    await rig.engine.close({ drain: '10s' })
    expect(Date.now() - startedAt).toBeLessThan(5_000)
    expect(rig.told.succeeded.length).toBeGreaterThan(0)
    expect(rig.told.succeeded.length).toBeLessThan(10)
    expect(rig.told.attemptFailed).toEqual([])
  })

  it('ends what does not end by itself, without using up its attempt', async () => {
    const rig = await ThreadsRig.open()
    await rig.handle({ concurrency: 1, threads: 1 })
    await rig.work({ do: 'loopOnce' })
    await until(() => rig.told.fired.length === 1, 'the start')
    const startedAt = Date.now()
    await rig.engine.close({ drain: '100ms' })
    expect(Date.now() - startedAt).toBeLessThan(5_000)
    expect(rig.told.attemptFailed).toEqual([])
  })
})

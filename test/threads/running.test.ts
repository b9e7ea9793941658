import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { moduleUrl, sleep, ThreadsRig, until } from './rig.ts'

describe('handlers in threads', () => {
  it('see their task and context as handlers in the engine’s thread do', async () => {
    const rig = await ThreadsRig.open()
    await rig.handle()
    const at = Date.now()
    const id = await rig.work({ do: 'echo', list: [1, { a: null }] }, { at, delay: undefined, headers: { trace: 'x' } })
    await until(() => rig.reports.length === 1, 'the report')
    expect(rig.reports[0]).toMatchObject({
      id,
      queue: 'work',
      payload: { do: 'echo', list: [1, { a: null }] },
      headers: { trace: 'x' },
      attempt: 1,
      scheduledFor: at,
      isMainThread: false,
    })
    const { fence, lateMs } = rig.reports[0] as { fence: number; lateMs: number }
    expect(fence).toBeGreaterThan(2 ** 32)
    expect(lateMs).toBeGreaterThanOrEqual(0)
    expect(rig.told.fired.find((event) => event.id === id)).toMatchObject({ attempt: 1, lateMs })
    expect(await rig.engine.get(id)).toEqual({ state: 'ended', how: 'succeeded' })
  })

  it('take bytes and tasks without payload', async () => {
    const rig = await ThreadsRig.open()
    await rig.handle(undefined, 'plain.mjs')
    await rig.work(new Uint8Array([0, 255, 7]))
    await rig.work(undefined)
    await until(() => rig.reports.length === 2, 'the reports')
    expect(rig.reports).toEqual([{ bytes: [0, 255, 7] }, { none: true }])
  })

  it.each([
    ['common.cjs', 'common x'],
    ['transpiled.cjs', 'transpiled x'],
  ])('may be CommonJS: %s', async (module, report) => {
    const rig = await ThreadsRig.open()
    await rig.handle(undefined, module)
    await rig.work({ text: 'x' })
    await until(() => rig.reports.length === 1, 'the report')
    expect(rig.reports).toEqual([report])
  })

  it('fail with the text of what was thrown, are retried, and end as dead letters', async () => {
    const rig = await ThreadsRig.open({ attempts: 2 })
    await rig.handle()
    const thrown = await rig.work({ do: 'fail', text: 'out of range' })
    const rejected = await rig.work({ do: 'reject', text: 'only text' })
    const second = await rig.work({ do: 'failThenEcho' })
    await until(() => rig.told.deadLettered.length === 2 && rig.reports.length === 1, 'the ends')
    expect(rig.errorsOf(thrown)).toEqual(['out of range', 'out of range'])
    expect(rig.errorsOf(rejected)).toEqual(['only text', 'only text'])
    expect(rig.reports[0]).toMatchObject({ id: second, attempt: 2 })
  })

  it('say themselves when to retry, and give up', async () => {
    const rig = await ThreadsRig.open({ retryDelay: '1h' })
    await rig.handle()
    const retried = await rig.work({ do: 'retry', delay: '30ms' })
    const given = await rig.work({ do: 'deadLetter', text: 'no such address' })
    await until(() => rig.reports.length === 1 && rig.told.deadLettered.length === 1, 'the ends')
    expect(rig.reports[0]).toMatchObject({ id: retried, attempt: 2 })
    expect(rig.told.deadLettered).toEqual([{ id: given, queue: 'work', reason: 'asked', error: 'no such address' }])
  })

  it('learn at once that a successor is not valid', async () => {
    const rig = await ThreadsRig.open({ attempts: 1 })
    await rig.handle()
    const id = await rig.work({ do: 'badNext' })
    await until(() => rig.told.deadLettered.length === 1, 'the end')
    expect(rig.errorsOf(id)[0]).toMatch(/delay: "soon" is no duration/)
  })

  it('run more at once than there are threads, and never more than allowed', async () => {
    const rig = await ThreadsRig.open()
    await rig.handle({ concurrency: 6, threads: 2 })
    await rig.workMany(Array.from({ length: 24 }, () => ({ do: 'atOnce', ms: 40 })))
    await until(() => rig.reports.length === 24, 'the reports')
    // Each of the two threads counts its own.
    expect(Math.max(...(rig.reports as number[]))).toBe(3)
  })

  it('use all threads', async () => {
    const rig = await ThreadsRig.open()
    await rig.handle({ concurrency: 4, threads: 2 })
    await rig.untilThreads(2)
  })

  it('do not wait behind a slow task of another', async () => {
    const rig = await ThreadsRig.open()
    await rig.handle({ concurrency: 2, threads: 2, timeout: '30s' })
    const before = await rig.untilThreads(2)
    const [slow, ...quick] = await rig.workMany([
      { do: 'block', ms: 2_000 },
      ...Array.from({ length: 40 }, () => ({ do: 'nothing' })),
    ])
    await until(() => rig.told.succeeded.length >= before + quick.length, 'the quick ones')
    expect(rig.told.succeeded.map(({ id }) => id)).not.toContain(slow)
    await until(() => rig.told.succeeded.length === before + quick.length + 1, 'all')
    expect(rig.told.attemptFailed).toEqual([])
  })

  it('are told of a cancel by their signal; the answer still counts', async () => {
    const rig = await ThreadsRig.open()
    await rig.handle({ concurrency: 4, threads: 1 })
    const well = await rig.work({ do: 'untilAbort', ends: 'well' })
    const badly = await rig.work({ do: 'untilAbort', ends: 'badly' })
    await until(() => rig.told.fired.length === 2, 'the starts')
    expect(await rig.engine.cancel(well)).toMatchObject({ outcome: 'leased', attempt: 1 })
    expect(await rig.engine.cancel(badly)).toMatchObject({ outcome: 'leased', attempt: 1 })
    await until(() => rig.told.succeeded.length === 1 && rig.told.cancelled.length === 1, 'the ends')
    expect(rig.told.succeeded[0]!.id).toBe(well)
    expect(rig.told.cancelled[0]!.id).toBe(badly)
  })

  it('are cancelled at once while they wait behind another', async () => {
    const rig = await ThreadsRig.open()
    await rig.handle({ concurrency: 1, threads: 1 })
    await rig.work({ do: 'block', ms: 300 })
    await until(() => rig.told.fired.length === 1, 'the start')
    const waiting = await rig.work({ do: 'echo' })
    await until(async () => (await rig.engine.get(waiting))?.state === 'leased', 'the lease')
    await rig.engine.cancel(waiting)
    await until(() => rig.told.cancelled.length === 1, 'the end')
    await until(() => rig.told.succeeded.length === 1, 'the end of the first')
    expect(rig.reports).toEqual([])
  })

  it('start no more once their queue is paused, and go on afterwards', async () => {
    const rig = await ThreadsRig.open()
    await rig.handle({ concurrency: 1, threads: 1 })
    await rig.workMany(Array.from({ length: 20 }, () => ({ do: 'block', ms: 20 })))
    await until(() => rig.told.succeeded.length > 0, 'the first')
    await rig.engine.pause('work')
    const { running, leased } = (await rig.engine.stats()).queues['work']!
    expect(leased).toBeLessThanOrEqual(1)
    expect(running).toBeLessThanOrEqual(1)
    await rig.engine.resume('work')
    await until(() => rig.told.succeeded.length === 20, 'all')
    expect(rig.told.fired.every(({ attempt, queue }) => queue !== 'work' || attempt === 1)).toBe(true)
  })

  it('stop when they are told: what runs ends, what waits goes back, and another handler may follow', async () => {
    const rig = await ThreadsRig.open()
    const first = await rig.handle({ concurrency: 1, threads: 1 })
    await rig.workMany(Array.from({ length: 30 }, () => ({ do: 'block', ms: 10 })))
    await until(() => rig.told.succeeded.length > 1, 'a few')
    await first.stop()
    // Events wait for the disk.
    await sleep(100)
    const done = rig.told.succeeded.length
    await sleep(100)
    expect(rig.told.succeeded.length).toBe(done)
    expect((await rig.engine.stats()).queues['work']).toMatchObject({ leased: 0, handled: false, pending: 30 - done })
    await rig.handle({ concurrency: 2, threads: 1 })
    await until(() => rig.told.succeeded.length === 30, 'all')
  })

  it('start a lone task soon', async () => {
    const rig = await ThreadsRig.open()
    await rig.handle({ concurrency: 2, threads: 1 })
    const latest: number[] = []
    for (let i = 0; i < 20; i++) {
      const id = await rig.work({ do: 'nothing' }, { delay: 10 })
      await until(() => rig.told.succeeded.some((event) => event.id === id), 'the end')
      latest.push(rig.told.fired.find((event) => event.id === id)!.lateMs)
    }
    latest.sort((a, b) => a - b)
    // A few milliseconds on an idle machine.
    expect(latest[10]).toBeLessThan(100)
  })

  it('run 20,000 short tasks in two threads, each once', async () => {
    const rig = await ThreadsRig.open()
    await rig.handle({ concurrency: 4, threads: 2 })
    for (let batch = 0; batch < 20; batch++) {
      await rig.workMany(Array.from({ length: 1_000 }, () => ({ do: 'nothing' })))
    }
    await until(() => rig.told.succeeded.length === 20_000, 'all')
    expect(rig.told.fired).toHaveLength(20_000)
    expect(new Set(rig.told.succeeded.map(({ id }) => id)).size).toBe(20_000)
    const { conservation, total } = await rig.engine.stats()
    expect({ conservation, succeeded: total.succeeded }).toEqual({ conservation: 0, succeeded: 20_000 })
  })

  it.each([
    ['closed', 'await engine.close()', ''],
    ['left open with ref: false', '', 'ref: false,'],
  ])('leave nothing behind that keeps the process running: %s', (_how, end, option) => {
    const dist = new URL('../../dist/index.js', import.meta.url).href
    const source = `import { openEngine } from ${JSON.stringify(dist)}
      import { mkdtempSync, rmSync } from 'node:fs'
      const dir = mkdtempSync(process.argv[1])
      const engine = await openEngine({ dir, ${option} })
      await engine.handle('work', { module: ${JSON.stringify(moduleUrl('handler.mjs').href)} }, { threads: 1 })
      const succeeded = new Promise((resolve) => engine.on('succeeded', resolve))
      await engine.schedule({ queue: 'work', delay: 0, payload: { do: 'nothing' } })
      await succeeded
      ${end}
      process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
      console.log('done')`
    const rig = new ThreadsRig()
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', source, `${rig.directory}/x`], {
      encoding: 'utf8',
      timeout: 20_000,
    })
    expect({ status: child.status, stdout: child.stdout, stderr: child.stderr }).toEqual({
      status: 0,
      stdout: 'done\n',
      stderr: '',
    })
  })
})

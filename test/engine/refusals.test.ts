/** Bad input: each is refused with its code, and nothing is lost, changed or half done. */

import { describe, expect, it } from 'vitest'
import { errorCatalogue, HourwheelError, type ErrorCode } from '../../src/model/errors.ts'
import type { TaskInput } from '../../src/model/hourwheel.ts'
import { Rig, smallOptions } from './rig.ts'

class Point {
  readonly x = 1
}

const cyclic: { self?: unknown } = {}
cyclic.self = cyclic

const task = (fields: object): TaskInput => ({ queue: 'q', delay: 1, ...fields })

const badTasks: [string, unknown, ErrorCode][] = [
  ['no object', 'soon', 'HW_INVALID_OPTIONS'],
  ['null', null, 'HW_INVALID_OPTIONS'],
  ['an array', [], 'HW_INVALID_OPTIONS'],
  ['an unknown field', task({ dely: 5 }), 'HW_UNKNOWN_FIELD'],
  ['no queue', { delay: 1 }, 'HW_INVALID_QUEUE'],
  ['a queue name with a slash', task({ queue: '../etc' }), 'HW_INVALID_QUEUE'],
  ['an empty queue name', task({ queue: '' }), 'HW_INVALID_QUEUE'],
  ['a queue name too long', task({ queue: 'q'.repeat(129) }), 'HW_INVALID_QUEUE'],
  ['neither at nor delay', { queue: 'q' }, 'HW_INVALID_TIME'],
  ['at and delay', task({ at: Date.now() }), 'HW_INVALID_TIME'],
  ['seconds for milliseconds', { queue: 'q', at: 1_800_000_000 }, 'HW_TIME_LOOKS_LIKE_SECONDS'],
  ['NaN', { queue: 'q', at: Number.NaN }, 'HW_INVALID_TIME'],
  ['Infinity', { queue: 'q', at: Infinity }, 'HW_INVALID_TIME'],
  ['an invalid Date', { queue: 'q', at: new Date('x') }, 'HW_INVALID_TIME'],
  ['a date without zone', { queue: 'q', at: '2027-01-01T09:00' }, 'HW_INVALID_TIME'],
  ['30 February', { queue: 'q', at: '2027-02-30T09:00Z' }, 'HW_INVALID_TIME'],
  ['the year 2100', { queue: 'q', at: '2100-01-01T00:00:00Z' }, 'HW_TIME_OUT_OF_RANGE'],
  ['a delay beyond the horizon', task({ delay: '30000d' }), 'HW_TIME_OUT_OF_RANGE'],
  ['a negative delay', task({ delay: -1 }), 'HW_INVALID_DURATION'],
  ['a delay in months', task({ delay: '1 month' }), 'HW_INVALID_DURATION'],
  ['a cyclic payload', task({ payload: cyclic }), 'HW_INVALID_PAYLOAD'],
  ['a function in the payload', task({ payload: { run: () => 1 } }), 'HW_INVALID_PAYLOAD'],
  ['a class instance in the payload', task({ payload: { at: new Point() } }), 'HW_INVALID_PAYLOAD'],
  ['a Date in the payload', task({ payload: { at: new Date() } }), 'HW_INVALID_PAYLOAD'],
  ['a bigint in the payload', task({ payload: 1n }), 'HW_INVALID_PAYLOAD'],
  ['NaN in the payload', task({ payload: [Number.NaN] }), 'HW_INVALID_PAYLOAD'],
  ['a huge payload', task({ payload: 'x'.repeat(70_000) }), 'HW_PAYLOAD_TOO_LARGE'],
  ['huge bytes', task({ payload: new Uint8Array(70_000) }), 'HW_PAYLOAD_TOO_LARGE'],
  ['retry with an unknown field', task({ retry: { tries: 3 } }), 'HW_UNKNOWN_FIELD'],
  ['no attempts', task({ retry: { attempts: 0 } }), 'HW_INVALID_RETRY'],
  ['a time-out of nothing', task({ timeout: 0 }), 'HW_INVALID_OPTIONS'],
  ['a time-out of a week', task({ timeout: '7d' }), 'HW_INVALID_OPTIONS'],
  ['an expiry before the fire time', task({ delay: '2h', expiresAt: Date.now() }), 'HW_INVALID_TIME'],
  ['headers that are no text', task({ headers: { a: 1 } }), 'HW_INVALID_HEADERS'],
]

async function refusalOf(work: () => Promise<unknown>): Promise<HourwheelError> {
  try {
    await work()
  } catch (error) {
    if (error instanceof HourwheelError) return error
    throw error
  }
  throw new Error('it was not refused')
}

describe('bad tasks', () => {
  it.each(badTasks)('%s is refused', async (_name, input, code) => {
    const rig = await Rig.open({}, { wallMs: Date.now() })
    const error = await rig.run(() => refusalOf(() => rig.engine.schedule(input as TaskInput)))
    expect(error.code).toBe(code)
    expect(error.outcome).toBe('not done')
    expect(Object.keys(errorCatalogue)).toContain(code)
    const good = { queue: 'q', delay: 1 }
    const inBatch = await rig.run(() => refusalOf(() => rig.engine.scheduleMany([good, input as TaskInput, good])))
    expect(inBatch).toMatchObject({ code, index: 1 })
    expect((await rig.run(() => rig.engine.stats())).total.accepted).toBe(0)
    await rig.close()
  })

  it('batches too large are refused whole', async () => {
    const rig = await Rig.open()
    const many = Array.from({ length: 10_001 }, () => ({ queue: 'q', delay: 1 }))
    expect((await rig.run(() => refusalOf(() => rig.engine.scheduleMany(many)))).code).toBe('HW_BATCH_TOO_LARGE')
    const big = Array.from({ length: 140 }, () => ({ queue: 'q', delay: 1, payload: 'x'.repeat(64_000) }))
    expect((await rig.run(() => refusalOf(() => rig.engine.scheduleMany(big)))).code).toBe('HW_BATCH_TOO_LARGE')
    const wide = Array.from({ length: 140 }, () => ({ queue: 'q', delay: 1, payload: 'é'.repeat(32_000) }))
    expect((await rig.run(() => refusalOf(() => rig.engine.scheduleMany(wide)))).code).toBe('HW_BATCH_TOO_LARGE')
    expect(await rig.run(() => rig.engine.scheduleMany([]))).toEqual([])
    expect((await rig.run(() => rig.engine.stats())).total.accepted).toBe(0)
    await rig.close()
  })
})

describe('large batches', () => {
  it.each([
    ['text, and as many tasks as there may be', 10_000, 'x'.repeat(700)],
    ['short text that takes three bytes a letter', 10_000, '\u20ac'.repeat(250)],
    ['long text', 125, 'x'.repeat(64_000)],
    ['bytes', 125, new Uint8Array(64_000)],
  ])('of up to 8 MiB are taken: %s', async (_name, count, payload) => {
    const rig = await Rig.open()
    const tasks = Array.from({ length: count }, () => ({ queue: 'q', delay: '1h', payload }))
    expect(await rig.run(() => rig.engine.scheduleMany(tasks))).toHaveLength(count)
    await rig.close()
  })
})

describe('bad calls', () => {
  it('malformed refs, options and handlers are refused', async () => {
    const rig = await Rig.open()
    const { engine } = rig
    const codes: [() => Promise<unknown>, ErrorCode][] = [
      [() => engine.cancel('nonsense'), 'HW_INVALID_REF'],
      [() => engine.cancel(undefined as never), 'HW_INVALID_REF'],
      [() => engine.get(7 as never), 'HW_INVALID_REF'],
      [() => engine.reschedule('00000000000000', {}), 'HW_INVALID_TIME'],
      [() => engine.reschedule('00000000000000', { delay: 1, when: 2 } as never), 'HW_UNKNOWN_FIELD'],
      [() => engine.handle('q', 'no function' as never), 'HW_HANDLER_INVALID'],
      [() => engine.handle('q', () => 1, { concurrency: 0 }), 'HW_INVALID_OPTIONS'],
      [() => engine.handle('q q', () => 1), 'HW_INVALID_QUEUE'],
      [() => engine.handle('q', () => 1, { threads: 2 }), 'HW_UNKNOWN_FIELD'],
      [() => engine.pause('-'), 'HW_INVALID_QUEUE'],
      [() => engine.calendar({ from: 1_800_000_000 }), 'HW_TIME_LOOKS_LIKE_SECONDS'],
      [() => engine.deadLetters.purge(7 as never), 'HW_INVALID_REF'],
      [() => engine.deadLetters.redrive({ name: 'q' } as never), 'HW_UNKNOWN_FIELD'],
      [() => engine.scheduleMany({} as never), 'HW_INVALID_OPTIONS'],
    ]
    for (const [call, code] of codes) {
      const error = await rig.run(() => refusalOf(async () => call()))
      expect([error.code, call.toString()]).toEqual([code, call.toString()])
    }
    await rig.run(() => engine.handle('q', () => 1))
    expect((await rig.run(() => refusalOf(() => engine.handle('q', () => 1)))).code).toBe('HW_HANDLER_EXISTS')
    await rig.close()
    expect((await rig.run(() => refusalOf(() => engine.schedule({ queue: 'q', delay: 1 })))).code).toBe('HW_CLOSED')
    await rig.close()
  })

  it('an id of another history is missing, not an error', async () => {
    const rig = await Rig.open()
    const other = await Rig.open({}, { seed: 2 })
    const receipt = await other.run(() => other.engine.schedule({ queue: 'q', delay: 1 }))
    await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 1 }))
    expect(await rig.run(() => rig.engine.cancel(receipt.id))).toEqual({ outcome: 'missing' })
    expect(await rig.run(() => rig.engine.get(receipt.id))).toBe(undefined)
    await rig.close()
    await other.close()
  })
})

describe('bad directories', () => {
  const codeOf = async (rig: Rig, options: object = {}): Promise<ErrorCode> =>
    (await refusalOf(() => rig.reopen(options))).code

  it('one that another engine owns', async () => {
    const rig = await Rig.open()
    expect(await codeOf(rig)).toBe('HW_DIRECTORY_LOCKED')
    await rig.close()
    await rig.reopen()
    await rig.close()
  })

  it('one with other things in it', async () => {
    const rig = new Rig()
    await rig.run(() => rig.machine.platform.disk.makeDirectory('/data'))
    rig.machine.disk.install('/data/holiday.jpg', Buffer.from('jpg'))
    expect(await codeOf(rig)).toBe('HW_DIRECTORY_UNUSABLE')
    rig.machine.disk.install('/data/holiday.jpg', undefined)
    await rig.reopen()
    await rig.close()
  })

  it('one that is a file', async () => {
    const rig = new Rig()
    await rig.run(() => rig.machine.platform.disk.makeDirectory('/elsewhere'))
    rig.machine.disk.install('/elsewhere/file', Buffer.from('x'))
    expect(await codeOf(rig, { dir: '/elsewhere/file' })).toBe('HW_DIRECTORY_UNUSABLE')
  })

  it('one whose manifest is gone', async () => {
    const rig = await Rig.open()
    await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 1 }))
    await rig.close()
    rig.machine.disk.install('/data/MANIFEST', undefined)
    expect(await codeOf(rig)).toBe('HW_CORRUPT')
  })

  it('one half created is completed', async () => {
    const rig = new Rig()
    await rig.run(() => rig.machine.platform.disk.makeDirectory('/data'))
    rig.machine.disk.install('/data/MANIFEST.tmp', Buffer.from('half'))
    await rig.reopen()
    await rig.close()
  })

  it('options that make no sense', async () => {
    const rig = new Rig()
    expect(await codeOf(rig, { dir: '' })).toBe('HW_INVALID_OPTIONS')
    expect(await codeOf(rig, { walFileBytes: 5 })).toBe('HW_INVALID_OPTIONS')
    expect(await codeOf(rig, { queue: {} })).toBe('HW_UNKNOWN_FIELD')
    expect(await codeOf(rig, { queues: { 'a b': {} } })).toBe('HW_INVALID_QUEUE')
    expect(await codeOf(rig, { queues: { a: { retries: 1 } } })).toBe('HW_UNKNOWN_FIELD')
    expect(smallOptions.dir).toBe('/data')
  })
})

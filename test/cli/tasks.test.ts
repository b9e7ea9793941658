/** Scheduling, looking and changing on a data directory, as typed: with good and bad input for each command. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { builtEngine, hourwheel, objectsOf, scratch, typed } from './hourwheel.ts'

const directory = scratch()
const dir = join(directory, 'data')
let id = ''

beforeAll(async () => {
  const engine = await builtEngine(dir)
  const tasks = Array.from({ length: 5 }, (_, n) => ({ queue: 'email', delay: `${n + 1}d`, payload: { n } }))
  const receipts = await engine.scheduleMany(tasks)
  id = receipts[0]!.id
  const letters = ['a', 'b', 'c', 'd'].map((key) => ({ queue: key === 'd' ? 'other' : 'dying', delay: 0, key }))
  await engine.scheduleMany(letters)
  for (const queue of ['dying', 'other']) {
    const leased = await engine.lease(queue, { max: 10, wait: '5s' })
    for (const { token } of leased) await engine.nack(token, { dead: true, error: 'no such\u001b[31m address' })
  }
  await engine.close()
})

describe('schedule', () => {
  it('says what it understood, and in which zone', () => {
    const said = hourwheel(['schedule', 'email', '--dir', dir, '--at', '1 jul 2027 9am', '--payload', '{"to":"ada"}'])
    expect(said).toMatchObject({ code: 0, err: '' })
    expect(said.out).toMatch(/created +\S{14}\n/)
    expect(said.out).toContain('2027-07-01 09:00:00 +02:00 (Europe/Berlin), in ')
  })

  it('takes all that a task has', () => {
    const file = join(directory, 'payload.json')
    writeFileSync(file, '{"from":"a file"}')
    const retry = ['--attempts', '3', '--backoff', 'fixed', '--retry-delay', '5 min', '--retry-jitter', '0']
    const rest = ['--timeout', '90s', '--expires', 'in 40 days', '--header', 'trace=4711', '--header', 'a=b=c']
    const all = ['--in', '30 days', '--payload', `@${file}`, '--key', 'k1', ...retry, ...rest, '--json']
    const [receipt] = objectsOf(hourwheel(['schedule', 'all', '--dir', dir, ...all]))
    expect(receipt).toMatchObject({ outcome: 'created', queue: 'all' })
    expect(Date.parse(receipt!['at'] as string)).toBe(receipt!['fireAt'])

    const [found] = objectsOf(hourwheel(['get', '--queue', 'all', '--key', 'k1', '--dir', dir, '--json']))
    expect(found).toMatchObject({
      id: receipt!['id'],
      payload: { from: 'a file' },
      headers: { trace: '4711', a: 'b=c' },
      key: 'k1',
    })
    expect((found!['expiresAt'] as number) - (found!['fireAt'] as number)).toBeGreaterThan(9 * 86_400_000)

    expect(hourwheel(['schedule', 'all', '--dir', dir, '--in', '1h', '--key', 'k1']).out).toContain('kept')
    const again = hourwheel(['schedule', 'all', '--dir', dir, '--in', '1h', '--key', 'k1', '--on-conflict', 'reject'])
    expect(again.code).toBe(1)
    expect(again.err).toContain('HW_KEY_EXISTS')
    expect(again.err).toContain('try: hourwheel get')
  })

  it('takes bytes from standard input, and gives them back as base64; makes a directory that is not there', () => {
    const input = Buffer.from([0, 255, 10, 128])
    const said = typed(['schedule', 'raw', '--dir', dir, '--in', '1h', '--bytes', '-', '--key', 'r', '--json'], {
      input,
    })
    expect(said.code).toBe(0)
    expect(objectsOf(hourwheel(['get', '--queue', 'raw', '--key', 'r', '--dir', dir, '--json']))[0]).toMatchObject({
      payloadBase64: input.toString('base64'),
    })
  })

  it.each([
    [['--payload', '{to: 1}', '--in', '1h'], 'is no JSON'],
    [['--payload', '{"id":12345678901234567890}', '--in', '1h'], 'would lose digits'],
    [['--payload', '@nowhere.json', '--in', '1h'], 'ENOENT'],
    [['--in', '1h', '--at', 'tomorrow 9am'], 'either --at or --in'],
    [[], 'either --at or --in'],
    [['--at', 'tomorrow'], 'no time of day'],
    [['--in', '5'], 'HW_INVALID_DURATION'],
    [['--in', '1h', '--header', 'novalue'], 'name=value'],
    [['--in', '1h', '--on-conflict', 'merge'], 'keep, reject, replace'],
    [['--in', '1h', '--retry-jitter', '2'], 'must be 0 to 1'],
    [['--in', '1h', '--attempts', '0'], 'HW_INVALID_RETRY'],
  ])('refuses %j and says why', (args, why) => {
    const said = hourwheel(['schedule', 'email', '--dir', dir, ...args])
    expect(said).toMatchObject({ code: 2, out: '' })
    expect(said.err).toContain(why)
  })
})

describe('get and list', () => {
  it('get shows one task, and exits with 1 when there is none', () => {
    expect(hourwheel(['get', id, '--dir', dir]).out).toMatch(/queue +email\nstate +pending\nfires +20\d\d-.*in 23 h/)
    const stranger = `${id.slice(0, 4)}zzzz0${id.slice(9)}`
    const said = hourwheel(['get', stranger, '--dir', dir])
    expect(said).toMatchObject({ code: 1, out: '' })
    expect(said.err).toContain('try: hourwheel list')
  })

  it('get refuses what names no task', () => {
    const said = hourwheel(['get', 'nonsense', '--dir', dir])
    expect(said.code).toBe(2)
    expect(said.err).toContain('HW_INVALID_REF')
    expect(hourwheel(['get', '--key', 'a', '--dir', dir]).err).toContain('give --queue, too')
  })

  it('list goes in fire order, page by page', () => {
    const all = objectsOf(hourwheel(['list', '--dir', dir, '--queue', 'email', '--json']))
    expect(all.slice(0, 5).map(({ payload }) => payload)).toEqual([0, 1, 2, 3, 4].map((n) => ({ n })))
    const page = hourwheel(['list', '--dir', dir, '--queue', 'email', '--limit', '2'])
    expect(page.out.trim().split('\n')).toHaveLength(2)
    const cursor = /--cursor (\S+)/.exec(page.err)![1]!
    const rest = objectsOf(hourwheel(['list', '--dir', dir, '--queue', 'email', '--cursor', cursor, '--json']))
    expect(rest.map((task) => task['id'])).toEqual(all.slice(2).map((task) => task['id']))
  })

  it('list takes a span of human times and says it', () => {
    const said = hourwheel(['list', '--dir', dir, '--from', 'in 36 hours', '--to', 'in 80 hours', '--queue', 'email'])
    expect(said.out.trim().split('\n')).toHaveLength(2)
    expect(said.err).toMatch(/from \d{4}-.*Europe\/Berlin[^]*to {3}\d{4}-/)
    expect(hourwheel(['list', '--dir', dir, '--from', 'soon'])).toMatchObject({ code: 2 })
    expect(hourwheel(['list', '--dir', dir, '--state', 'asleep']).err).toContain('pending, leased, dead')
    expect(hourwheel(['list', '--dir', dir, '--limit', 'many']).err).toContain('whole number')
  })
})

describe('cancel and reschedule', () => {
  it('cancel answers for every state', () => {
    const [receipt] = objectsOf(hourwheel(['schedule', 'email', '--dir', dir, '--in', '20d', '--json']))
    const doomed = receipt!['id'] as string
    expect(hourwheel(['cancel', doomed, '--dir', dir])).toMatchObject({ code: 0, out: `cancelled  ${doomed}\n` })
    const again = hourwheel(['cancel', doomed, '--dir', dir, '--json'])
    expect(again.code).toBe(1)
    expect(objectsOf(again)).toEqual([{ outcome: 'ended', how: 'cancelled' }])
    expect(hourwheel(['get', doomed, '--dir', dir]).out).toContain('ended: cancelled')
    expect(hourwheel(['cancel', '--queue', 'email', '--key', 'nobody', '--dir', dir])).toMatchObject({ code: 1 })
  })

  it('reschedule moves a task, unless it was changed since', () => {
    const ref = ['--queue', 'all', '--key', 'k1', '--dir', dir]
    const moved = hourwheel(['reschedule', ...ref, '--at', '2 aug 2027 17:30'])
    expect(moved.code).toBe(0)
    expect(moved.out).toContain('2027-08-02 17:30:00 +02:00')
    const stale = hourwheel(['reschedule', ...ref, '--in', '1h', '--if-generation', '0'])
    expect(stale.code).toBe(1)
    expect(stale.out).toMatch(/changed[^]*generation +1/)
    expect(hourwheel(['reschedule', ...ref]).err).toContain('either --at or --in')
  })
})

describe('pause, stats, calendar', () => {
  it('pause holds until resume', () => {
    expect(hourwheel(['pause', 'email', '--dir', dir]).out).toBe('paused  email\n')
    const [stats] = objectsOf(hourwheel(['stats', '--dir', dir, '--queue', 'email', '--json']))
    expect(stats).toMatchObject({ conservation: 0, queues: { email: { paused: true } } })
    expect(Object.keys(stats!['queues'] as object)).toEqual(['email'])
    expect(hourwheel(['resume', 'email', '--dir', dir, '--json']).out).toBe('{"queue":"email","paused":false}\n')
    expect(hourwheel(['stats', '--dir', dir]).out).toMatch(/^email\t\d+\t0\t.*\tactive$/m)
    expect(hourwheel(['pause', 'no/name', '--dir', dir]).err).toContain('HW_INVALID_QUEUE')
  })

  it('calendar is a chart, and lines for programs', () => {
    const hours = objectsOf(hourwheel(['calendar', '--dir', dir, '--from', 'now', '--to', 'in 6 days', '--json']))
    expect(hours.reduce((sum, hour) => sum + (hour['pending'] as number), 0)).toBeGreaterThanOrEqual(6)
    const chart = hourwheel(['calendar', '--dir', dir, '--to', 'in 6 days', '--by', 'day']).out
    expect(chart).toMatch(/^\d{4}-\d\d-\d\d {2}1 {2}█+$/m)
  })
})

describe('dead', () => {
  it('lists why, without letting the data reach the terminal', () => {
    const said = hourwheel(['dead', 'list', '--dir', dir])
    expect(said.out.trim().split('\n')).toHaveLength(4)
    expect(said.out).toContain('asked')
    expect(said.out).not.toContain('\u001b')
    expect(objectsOf(hourwheel(['dead', 'list', '--dir', dir, '--queue', 'other', '--json']))).toMatchObject([
      { key: 'd', reason: 'asked' },
    ])
  })

  it('redrives and purges one, a queue, or all, but never all by accident', () => {
    expect(hourwheel(['dead', 'purge', '--dir', dir]).err).toContain('say which')
    expect(hourwheel(['dead', 'redrive', '--dir', dir, '--queue', 'dying', '--key', 'a']).out).toBe('redriven  1\n')
    expect(hourwheel(['dead', 'purge', '--dir', dir, '--queue', 'dying', '--json']).out).toBe('{"purged":2}\n')
    expect(hourwheel(['dead', 'purge', '--dir', dir, '--all'])).toMatchObject({ code: 0, out: 'purged  1\n' })
    expect(hourwheel(['dead', 'redrive', '--dir', dir, '--all'])).toMatchObject({ code: 1, out: 'redriven  0\n' })
  })
})

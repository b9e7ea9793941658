/** hourwheel run: input, handlers, ends in good order and otherwise. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { loadHandlers } from '../../src/daemon/handler-module.ts'
import { HourwheelError } from '../../src/model/errors.ts'
import { hourwheel, objectsOf, scratch, start, typed } from './hourwheel.ts'

const directory = scratch()
const at = (name: string): string => join(directory, name)
const handlers = at('handlers.js')

beforeAll(() => {
  writeFileSync(
    handlers,
    `import { appendFileSync } from 'node:fs'
    import { isMainThread } from 'node:worker_threads'
    const note = (line) => appendFileSync(new URL('./done.txt', import.meta.url), line + '\\n')
    export default {
      email: (task) => note(task.queue + ' ' + task.payload.n + ' ' + isMainThread),
      failing: { handler: () => { throw new Error('not today') }, retry: { attempts: 2, delay: 1, jitter: 0 } },
      slow: { handler: () => new Promise((resolve) => setTimeout(resolve, 60_000)), concurrency: 1 },
      own: { module: './own.js', concurrency: 2, threads: 1 },
    }`,
  )
  writeFileSync(
    at('own.js'),
    `export default (task, context) => context.scheduleNext({ queue: 'email', delay: 0, payload: { n: 'next' } })`,
  )
})

function linesFile(name: string, tasks: readonly unknown[]): string {
  writeFileSync(at(name), tasks.map((task) => `${typeof task === 'string' ? task : JSON.stringify(task)}\n`).join(''))
  return at(name)
}

function done(): string[] {
  const lines = readFileSync(at('done.txt'), 'utf8').trim().split('\n')
  writeFileSync(at('done.txt'), '')
  return lines
}

it('schedules an input in order, runs it, and ends when nothing is left', () => {
  const emails = Array.from({ length: 6_000 }, (_, n) => ({ queue: 'email', delay: 0, payload: { n }, key: `k${n}` }))
  const input = linesFile('tasks.ndjson', [...emails, '', { queue: 'failing', delay: 0 }, { queue: 'own', delay: 0 }])
  const args = ['run', '--dir', at('data'), '--handlers', handlers, '--input', input, '--until-empty']
  const said = typed(args)
  expect(said).toMatchObject({ code: 0, err: '' })
  expect(said.out).toContain('6,003 lines read, 6,002 tasks created')
  expect(said.out).toMatch(/failed +failing +\S{14} attempt 1: not today/)
  expect(said.out).toMatch(/dead letter failing/)
  const lines = done()
  expect(lines).toHaveLength(6_001)
  expect(new Set(lines).size).toBe(6_001)
  expect(lines).toContain('email next true')

  // Again: those with a key are kept.
  expect(typed(args).out).toContain('2 tasks created, 6,000 kept')
  expect(done()).toEqual(['email next true'])
})

it('functions run in threads where that is asked for, and standard input is an input', () => {
  const input = `${JSON.stringify({ queue: 'email', delay: 0, payload: { n: 1 } })}\n{"queue":"email","delay":0,"payload":{"n":2}}`
  const args = [
    'run',
    '--dir',
    at('threads'),
    '--handlers',
    handlers,
    '--input',
    '-',
    '--threads',
    '1',
    '--until-empty',
  ]
  expect(typed(args, { input }).code).toBe(0)
  expect(done().sort()).toEqual(['email 1 false', 'email 2 false'])
})

describe('a bad line', () => {
  it('is refused by its number, and nothing of its batch is done', () => {
    const good = Array.from({ length: 5_000 }, (_, n) => ({ queue: 'later', delay: '1d', payload: n }))
    const dir = at('bad')
    const run = (name: string, lines: readonly unknown[], ...more: string[]): ReturnType<typeof typed> =>
      typed(['run', '--dir', dir, '--handlers', handlers, '--input', linesFile(name, lines), ...more])

    const said = run('first.ndjson', [...good, good[0], { queue: 'later', delay: 'soon' }])
    expect(said.code).toBe(1)
    expect(said.err).toContain('line 5002 is refused: HW_INVALID_DURATION')
    expect(said.err).toContain('Lines 1 to 5000 are done')
    expect(said.err).toContain('--skip 5000')
    const [stats] = objectsOf(hourwheel(['stats', '--dir', dir, '--json']))
    expect(stats).toMatchObject({ total: { accepted: 5_000 } })

    expect(run('second.ndjson', [...good, '{"queue":'], '--skip', '5000').err).toContain('line 5001 is no JSON')
    expect(run('third.ndjson', [{ queue: 'later', delay: 0, payload: 1, colour: 'red' }]).err).toContain(
      'HW_UNKNOWN_FIELD',
    )
  })
})

it('a signal lets running attempts end within --drain; a second one ends at once', async () => {
  const input = linesFile('slow.ndjson', [{ queue: 'slow', delay: 0, key: 'one' }])
  const args = ['run', '--dir', at('slow'), '--handlers', handlers, '--input', input]
  const first = start([...args, '--drain', '0s'])
  await first.until(/running 1/)
  first.child.kill('SIGTERM')
  expect(await first.ended).toBe(0)
  expect(first.said).toContain('ending: what runs may finish')

  const second = start(args)
  await second.until(/running 1/)
  second.child.kill('SIGINT')
  await second.until(/once more to end at once/)
  second.child.kill('SIGINT')
  expect(await second.ended).toBe(130)
  const [stats] = objectsOf(hourwheel(['stats', '--dir', at('slow'), '--json']))
  expect(stats).toMatchObject({ total: { accepted: 1, pending: 1 }, conservation: 0 })
})

it('kill -9 in the middle of an input loses and doubles nothing', async () => {
  const emails = Array.from({ length: 8_000 }, (_, n) => ({ queue: 'email', delay: 5, payload: { n }, key: `k${n}` }))
  const input = linesFile('many.ndjson', emails)
  const args = ['run', '--dir', at('killed'), '--handlers', handlers, '--input', input, '--until-empty']
  const killed = start(args)
  // Some are done, and more are not read yet.
  while (readFileSync(at('done.txt'), 'utf8').length < 1_000) await new Promise((resolve) => setTimeout(resolve, 5))
  killed.child.kill('SIGKILL')
  expect(await killed.ended).toBe(null)
  const said = typed(args)
  expect(said.code).toBe(0)
  expect(new Set(done()).size).toBe(8_000)
  const [stats] = objectsOf(hourwheel(['stats', '--dir', at('killed'), '--json']))
  expect(stats).toMatchObject({ total: { accepted: 8_000, succeeded: 8_000 }, conservation: 0 })
})

it.each([
  ['nowhere.js', undefined, 'there is no module'],
  ['broken.js', 'export default {', 'cannot be loaded'],
  ['empty.js', 'export const number = 5', 'has no handlers'],
  ['number.js', 'export default 5', 'the default export'],
  ['misspelt.js', 'export default { email: { handler: () => 1, concurency: 5 } }', 'has no field "concurency"'],
  ['both.js', "export default { email: { handler: () => 1, module: './own.js' } }", 'either a handler or a module'],
])('%s is no module of handlers', async (name, text, why) => {
  if (text !== undefined) writeFileSync(at(name), text)
  const error: unknown = await loadHandlers(at(name)).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(HourwheelError)
  expect((error as HourwheelError).message).toContain(why)
})

it('nothing is opened for a module that cannot be used', () => {
  const said = typed(['run', '--dir', at('refused'), '--handlers', at('nowhere.js')])
  expect(said).toMatchObject({ code: 2, out: '' })
  expect(said.err).toMatch(/HW_HANDLER_INVALID[^]*try: hourwheel run --help/)
  expect(existsSync(at('refused'))).toBe(false)
})

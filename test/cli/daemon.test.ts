/** The command line against a running daemon: targets, tokens, contexts, and what only a daemon can do. */

import { chmodSync, existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hourwheel, objectsOf, scratch, start, typed, type Running } from './hourwheel.ts'

const directory = scratch()
const dir = join(directory, 'data')
const socket = join(dir, 'hourwheel.sock')
const tokens = join(directory, 'tokens')
const tokenFile = join(directory, 'token')
const readToken = 'read-4711-read-4711'
const env = { XDG_CONFIG_HOME: join(directory, 'config'), HOURWHEEL_SOCKET: socket }
let daemon: Running

beforeAll(async () => {
  writeFileSync(tokens, `admin admin-0815-admin-0815\nread ${readToken}\n`, { mode: 0o600 })
  writeFileSync(tokenFile, 'admin-0815-admin-0815\n', { mode: 0o600 })
  daemon = start(['serve', '--dir', dir, '--token-file', tokens])
  while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 20))
})

afterAll(async () => {
  daemon.child.kill('SIGTERM')
  await daemon.ended
})

const asAdmin = (...args: string[]): ReturnType<typeof hourwheel> =>
  hourwheel([...args, '--token-file', tokenFile], { env })

describe('the target', () => {
  it('is a socket or a URL, by flag or environment; a token comes from a file or the environment', () => {
    expect(objectsOf(hourwheel(['stats', '--socket', socket, '--token-file', tokenFile, '--json']))).toMatchObject([
      { conservation: 0 },
    ])
    const refused = hourwheel(['stats'], { env })
    expect(refused).toMatchObject({ code: 2, out: '' })
    expect(refused.err).toMatch(/HW_UNAUTHORIZED[^]*try: --token-file, or HOURWHEEL_TOKEN/)
    expect(hourwheel(['stats'], { env: { ...env, HOURWHEEL_TOKEN: readToken } }).code).toBe(0)
    const forbidden = hourwheel(['pause', 'email'], { env: { ...env, HOURWHEEL_TOKEN: readToken } })
    expect(forbidden.err).toContain('HW_FORBIDDEN')
    const unreachable = hourwheel(['stats', '--url', 'http://127.0.0.1:9'], { env })
    expect(unreachable.err).toMatch(/HW_UNREACHABLE[^]*try: hourwheel serve/)
  })

  it('must be one, and is named where the directory is in use', () => {
    expect(hourwheel(['stats', '--dir', dir, '--socket', socket]).err).toContain('give one of --dir and --socket')
    const locked = hourwheel(['stats', '--dir', dir], { env })
    expect(locked.code).toBe(2)
    expect(locked.err).toContain(`--socket ${socket}`)
    expect(hourwheel(['tail', '--context', 'nowhere'], { env }).err).toContain('there is no context nowhere')
    expect(hourwheel(['lease', 'email'], { env: { XDG_CONFIG_HOME: directory } }).err).toContain('say what to work on')
  })

  it('is saved by name, for its owner only, with the place of the token and not the token', () => {
    const own = { XDG_CONFIG_HOME: join(directory, 'own') }
    const run = (...args: string[]): ReturnType<typeof hourwheel> => hourwheel(args, { env: own })
    chmodSync(tokenFile, 0o600)
    expect(run('context', 'add', 'local', '--socket', socket, '--token-file', tokenFile, '--use').code).toBe(0)
    expect(run('context', 'add', 'files', '--dir', dir).code).toBe(0)
    expect(run('context', 'add', 'bad').err).toContain('give one of')
    expect(run('context', 'add', '../x', '--dir', dir).code).toBe(2)
    const file = join(own.XDG_CONFIG_HOME, 'hourwheel', 'contexts.json')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(run('stats', '--json').code).toBe(0)
    expect(objectsOf(run('context', 'list', '--json'))).toEqual([
      { name: 'local', isUsed: true, socket, tokenFile },
      { name: 'files', isUsed: false, dir },
    ])
    expect(run('stats', '--context', 'files').err).toContain('HW_DIRECTORY_LOCKED')
    expect(run('context', 'remove', 'local').code).toBe(0)
    expect(run('context', 'use', 'local')).toMatchObject({ code: 2 })
    writeFileSync(file, 'garbage')
    expect(run('context', 'list').err).toContain('is not what hourwheel has written')
  })
})

describe('tasks', () => {
  it('are scheduled, leased and answered from a shell', () => {
    const args = ['schedule', 'mail', '--in', '0s', '--payload', '{"to":"ada"}', '--key', 'one', '--json']
    const [receipt] = objectsOf(asAdmin(...args))
    const [leased] = objectsOf(asAdmin('lease', 'mail', '--wait', '10s', '--lease', '1 min', '--json'))
    expect(leased).toMatchObject({ id: receipt!['id'], payload: { to: 'ada' }, attempt: 1 })
    const token = leased!['token'] as string
    expect(asAdmin('extend', token, '2 min').out).toContain('extended')
    expect(asAdmin('nack', token, '--error', 'busy', '--in', '0s').out).toContain('nacked')
    const [again] = objectsOf(asAdmin('lease', 'mail', '--wait', '10s', '--json'))
    expect(again).toMatchObject({ attempt: 2 })
    const answers = asAdmin('ack', again!['token'] as string, token, '--json')
    expect(answers.code).toBe(1)
    expect(objectsOf(answers).map(({ outcome }) => outcome)).toEqual(['acked', 'ended'])
    expect(asAdmin('lease', 'mail').code).toBe(1)
  })

  it('come in batches, whose bad lines are refused by number', () => {
    const line = (n: number): string => JSON.stringify({ queue: 'many', delay: '1d', payload: n, key: `k${n}` })
    const input = Array.from({ length: 12_000 }, (_, n) => `${line(n)}\n`).join('')
    const said = typed(['batch', '-', '--token-file', tokenFile, '--json'], { env, input })
    expect(objectsOf(said)).toEqual([{ lines: 12_000, created: 12_000, kept: 0, replaced: 0 }])
    const bad = typed(['batch', '-', '--token-file', tokenFile], {
      env,
      input: `${line(0)}\n{"queue":"no/name","delay":1}\n`,
    })
    expect(bad.code).toBe(1)
    expect(bad.err).toContain('line 2 is refused: HW_INVALID_QUEUE')
    expect(bad.err).toContain('Nothing is done')
    expect(hourwheel(['batch', 'nowhere.ndjson'], { env })).toMatchObject({ code: 2 })
  })

  it('are followed as they happen', async () => {
    const tail = start(['tail', '--type', 'cancelled', '--count', '2', '--json', '--token-file', tokenFile], { env })
    // It may not listen yet: again until it has seen two.
    let isOver = false
    void tail.ended.then(() => (isOver = true))
    while (!isOver) {
      const [receipt] = objectsOf(asAdmin('schedule', 'gone', '--in', '1d', '--json'))
      asAdmin('cancel', receipt!['id'] as string)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect(await tail.ended).toBe(0)
    const seen = tail.said
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text) as object)
    expect(seen).toHaveLength(2)
    expect(seen[0]).toMatchObject({ type: 'cancelled', queue: 'gone' })
    expect(hourwheel(['tail', '--type', 'nonsense'], { env }).err).toContain('Allowed choices are fired')
  })

  it('of a queue follow settings that the daemon keeps', () => {
    expect(JSON.parse(asAdmin('settings', 'mail', '--set', '{"timeout":"10s"}').out)).toMatchObject({ timeout: '10s' })
    expect(objectsOf(asAdmin('settings', 'mail', '--json'))).toMatchObject([{ timeout: '10s' }])
    expect(asAdmin('settings', 'mail', '--set', '5').err).toContain('no object')
    expect(asAdmin('settings', 'mail', '--set', '{"timeout":"soon"}').err).toContain('HW_INVALID_DURATION')
  })
})

it('doctor looks into a daemon, too', () => {
  const said = asAdmin('doctor')
  expect(said.code).toBe(0)
  expect(said.out).toMatch(/fine {5}conservation/)
})

it('what the daemon has kept for a queue holds for those who open its directory later', async () => {
  // The default would remember the key of a task that has ended for 24 hours.
  expect(asAdmin('settings', 'mail', '--set', '{"keyWindow":0}').code).toBe(0)
  daemon.child.kill('SIGTERM')
  expect(await daemon.ended).toBe(0)
  expect(hourwheel(['schedule', 'mail', '--in', '1d', '--key', 'one', '--dir', dir]).out).toContain('created')
})

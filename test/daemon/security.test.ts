/** Who gets in and who does not: sockets, Host, Origin, tokens and their scopes, rotation, TLS, what the log must not show. */

import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { callAt, program, serve, temporary, until, type Served } from './rig.ts'

const directory = temporary()
const running: Served[] = []
let count = 0

async function start(flags: readonly string[], environment?: Record<string, string>): Promise<Served> {
  const daemon = await serve(['--dir', join(directory.path, `data-${++count}`), '--drain', '0', ...flags], environment)
  running.push(daemon)
  return daemon
}

/** A daemon that does not start: its exit code and what it says. */
function refused(...flags: string[]): { code: number | null; err: string } {
  const { status, stderr, stdout } = spawnSync(process.execPath, [program, 'serve', ...flags], {
    encoding: 'utf8',
    timeout: 20_000,
  })
  return { code: status, err: stderr + stdout }
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((daemon) => daemon.end()))
})
afterAll(() => directory.remove())

const bearer = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` })
const tokens = { read: 'r'.repeat(20), write: 'w'.repeat(20), admin: 'a'.repeat(20) }
const tls = (name: string): string => fileURLToPath(new URL(`./tls/${name}`, import.meta.url))

describe('the socket', () => {
  it('is for its owner alone, in a directory for its owner alone', async () => {
    const socket = join(directory.path, 'run', 's')
    const daemon = await start(['--socket', socket])
    expect(statSync(socket).mode & 0o777).toBe(0o600)
    expect(statSync(join(directory.path, 'run')).mode & 0o777).toBe(0o700)
    await daemon.end()
    expect(existsSync(socket)).toBe(false)
  })

  it('of a daemon that was killed is taken over; one that answers is not', async () => {
    const socket = join(directory.path, 'stale')
    const first = await start(['--socket', socket])
    await first.end('SIGKILL')
    expect(existsSync(socket)).toBe(true)
    const second = await start(['--socket', socket])
    expect((await second.call('GET', '/healthz')).status).toBe(200)
    const third = refused('--dir', join(directory.path, 'other'), '--socket', socket)
    expect(third).toMatchObject({ code: 2, err: expect.stringContaining('HW_ADDRESS_UNUSABLE') as string })
    expect((await second.call('GET', '/healthz')).status).toBe(200)
  })

  it('is not put over a file, nor where everyone may write', () => {
    const file = join(directory.path, 'file')
    writeFileSync(file, 'mine')
    expect(refused('--dir', join(directory.path, 'd1'), '--socket', file).err).toContain('HW_ADDRESS_UNUSABLE')
    expect(readFileSync(file, 'utf8')).toBe('mine')
    const open = join(directory.path, 'open')
    mkdirSync(open)
    chmodSync(open, 0o777)
    expect(refused('--dir', join(directory.path, 'd2'), '--socket', join(open, 's')).err).toContain(
      'HW_ADDRESS_UNUSABLE',
    )
  })
})

describe('an address that others can reach', () => {
  it.each(['0.0.0.0:0', '[::]:0', '192.0.2.1:80', 'example.com:80'])('%s takes tokens and TLS', (listen) => {
    const flags = ['--dir', join(directory.path, 'wide'), '--listen', listen]
    expect(refused(...flags).err).toMatch(/HW_INVALID_CONFIG.*token/u)
    const file = join(directory.path, 'tokens-wide')
    writeFileSync(file, `admin ${tokens.admin}\n`)
    expect(refused(...flags, '--token-file', file).err).toMatch(/HW_INVALID_CONFIG.*TLS/u)
  })

  it('a port that is taken is refused', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await until(() => taken.listening)
    const { port } = taken.address() as { port: number }
    const { code, err } = refused('--dir', join(directory.path, 'taken'), '--listen', `127.0.0.1:${port}`)
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining('HW_ADDRESS_UNUSABLE') as string })
    taken.close()
  })

  it('is served over TLS with a token', async () => {
    const flags = ['--listen', '127.0.0.1:0', '--tls-cert', tls('cert.pem'), '--tls-key', tls('key.pem')]
    const daemon = await start(flags, { HOURWHEEL_TOKENS: `admin ${tokens.admin}` })
    expect(daemon.url).toMatch(/^https:/u)
    const get = (headers: Record<string, string>): Promise<number> =>
      new Promise((resolve, reject) => {
        const ca = readFileSync(tls('cert.pem'))
        const options = { host: '127.0.0.1', port: daemon.port, ca, path: '/v1/stats', headers }
        httpsRequest(options, (response) => resolve(response.resume().statusCode!))
          .on('error', reject)
          .end()
      })
    expect(await get({})).toBe(401)
    expect(await get(bearer(tokens.admin))).toBe(200)
  })
})

describe('web pages', () => {
  it('are kept out by Host and Origin', async () => {
    const daemon = await start(['--listen', '127.0.0.1:0', '--hosts', 'timers.internal'])
    const place = { port: daemon.port! }
    const status = async (headers: Record<string, string>, path = '/v1/stats'): Promise<number> =>
      (await callAt(place, 'GET', path, { headers })).status
    for (const host of ['localhost', `127.0.0.1:${daemon.port}`, '[::1]:1', 'LOCALHOST', 'timers.internal:80']) {
      expect(await status({ host }), host).toBe(200)
    }
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.nip.io', '0.0.0.0', 'localhost:x']) {
      expect(await status({ host }), host).toBe(403)
      expect(await status({ host }, '/healthz'), host).toBe(403)
    }
    for (const origin of ['http://localhost', 'null', `http://127.0.0.1:${daemon.port}`]) {
      expect(await status({ origin }), origin).toBe(403)
    }
    expect(await status({ 'sec-fetch-site': 'cross-site' })).toBe(403)
    expect(await status({ 'sec-fetch-site': 'none' })).toBe(200)
    const preflight = await callAt(place, 'OPTIONS', '/v1/tasks', { headers: { origin: 'http://evil.example' } })
    expect(preflight.status).toBe(403)
    expect(Object.keys(preflight.headers).filter((name) => name.startsWith('access-control'))).toEqual([])
    expect((await daemon.call('GET', '/v1/stats', { headers: { origin: 'null' } })).status).toBe(403)
  })
})

describe('tokens', () => {
  const task = { queue: 'q', delay: '1d' }

  it('reach as far as their scope', async () => {
    const file = join(directory.path, 'tokens')
    writeFileSync(
      file,
      Object.entries(tokens)
        .map(([scope, token]) => `${scope} ${token}`)
        .join('\n'),
      { mode: 0o600 },
    )
    const daemon = await start(['--token-file', file])
    const statuses = async (headers: Record<string, string>): Promise<number[]> => {
      const answers = [
        await daemon.call('GET', '/healthz', { headers }),
        await daemon.call('GET', '/v1/stats', { headers }),
        await daemon.call('POST', '/v1/tasks', { headers, body: task }),
        await daemon.call('POST', '/v1/queues/q/pause', { headers }),
      ]
      return answers.map(({ status }) => status)
    }
    expect(await statuses({})).toEqual([200, 401, 401, 401])
    expect(await statuses(bearer(tokens.read))).toEqual([200, 200, 403, 403])
    expect(await statuses(bearer(tokens.write))).toEqual([200, 200, 201, 403])
    expect(await statuses(bearer(tokens.admin))).toEqual([200, 200, 201, 200])
    for (const wrong of ['x'.repeat(20), tokens.read.slice(1), '', 'é'.repeat(10)]) {
      const headers = { authorization: `Bearer ${encodeURI(wrong)}` }
      expect((await daemon.call('GET', '/v1/stats', { headers })).status, wrong).toBe(401)
    }
    expect((await daemon.call('GET', `/v1/stats?token=${tokens.admin}`)).status).toBe(401)
    const basic = { authorization: `Basic ${Buffer.from(`x:${tokens.admin}`).toString('base64')}` }
    const refusal = await daemon.call('GET', '/v1/stats', { headers: basic })
    expect(refusal.headers['www-authenticate']).toBe('Bearer realm="hourwheel"')
    await daemon.end()
    for (const token of Object.values(tokens)) expect(daemon.log()).not.toContain(token)
  })

  it('are rotated by SIGHUP, two at a time', async () => {
    const file = join(directory.path, 'rotating')
    const [old, young] = ['o'.repeat(20), 'y'.repeat(20)]
    writeFileSync(file, `admin ${old}\n`)
    const daemon = await start(['--token-file', file])
    const statuses = async (): Promise<number[]> =>
      [
        await daemon.call('GET', '/v1/stats', { headers: bearer(old) }),
        await daemon.call('GET', '/v1/stats', { headers: bearer(young) }),
      ].map(({ status }) => status)
    expect(await statuses()).toEqual([200, 401])
    writeFileSync(file, `# both for a while\nadmin ${old}\nadmin ${young}\n`)
    daemon.signal('SIGHUP')
    await daemon.logged('"tokens":2')
    expect(await statuses()).toEqual([200, 200])
    writeFileSync(file, 'admin short\n')
    daemon.signal('SIGHUP')
    await daemon.logged('what held before holds')
    expect(await statuses()).toEqual([200, 200])
    writeFileSync(file, `admin ${young}\n`)
    daemon.signal('SIGHUP')
    await daemon.logged('"tokens":1')
    expect(await statuses()).toEqual([401, 200])
  })

  it.each([
    '',
    '# nothing',
    'admin',
    'root aaaaaaaaaaaaaaaaaaaa',
    'admin short',
    'open aaaaaaaaaaaaaaaaaaaa',
    'admin aaaaaaaaaaaaaaaa"aaaa',
  ])('of a file with %j are refused, without showing them', (text) => {
    const file = join(directory.path, 'wrong')
    writeFileSync(file, text)
    const { code, err } = refused('--dir', join(directory.path, 'wrong-data'), '--token-file', file)
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining('HW_INVALID_CONFIG') as string })
    expect(err).not.toContain('aaaaaaaa')
  })
})

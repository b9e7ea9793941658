/** What only a client meets: connections that fail before and after, tokens, proxies, events over a restart, settings. */

import { setMaxListeners } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { createServer as createSocketServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { connect, HourwheelError, type Client, type ClientEvent, type ConnectOptions } from '../../dist/client.js'
import { all, openServed, startHere, temporaryDirectory, until, type Served } from './rig.ts'

const closing: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

function client(options: ConnectOptions): Client {
  const made = connect(options)
  closing.push(() => made.close({ drain: 0 }))
  return made
}

async function served(settings: object = {}): Promise<Served> {
  const opened = await openServed(settings)
  closing.push(() => opened.close())
  return opened
}

async function listening(server: Server | ReturnType<typeof createSocketServer>): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    if ('closeAllConnections' in server) server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const task = { queue: 'q', delay: '1h' }

describe('no answer', () => {
  test('nobody there: not done', async () => {
    const directory = temporaryDirectory()
    closing.push(() => directory.remove())
    const socket = join(directory.path, 'none')
    const refusal: unknown = await client({ socket })
      .schedule(task)
      .catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(HourwheelError)
    expect(refusal).toMatchObject({
      code: 'HW_UNREACHABLE',
      outcome: 'not done',
      message: expect.stringContaining(socket),
    })
    const gone = createServer()
    const url = await listening(gone)
    await new Promise((resolve) => gone.close(resolve))
    await expect(client({ url }).schedule(task)).rejects.toMatchObject({ code: 'HW_UNREACHABLE' })
    await expect(client({ url }).stats()).rejects.toMatchObject({ code: 'HW_UNREACHABLE' })
  })

  test('the connection is lost once the request is sent: unknown for what changes something, not for what only reads', async () => {
    let requests = 0
    const url = await listening(
      createSocketServer((socket) => {
        socket.on('data', () => {
          requests++
          socket.destroy()
        })
      }),
    )
    const wheel = client({ url })
    await expect(wheel.schedule(task)).rejects.toMatchObject({ code: 'HW_OUTCOME_UNKNOWN', outcome: 'unknown' })
    await expect(wheel.cancel('0'.repeat(14))).rejects.toMatchObject({ outcome: 'unknown' })
    // Nothing is repeated that might be done twice.
    expect(requests).toBe(2)
    await expect(wheel.get('0'.repeat(14))).rejects.toMatchObject({ code: 'HW_UNREACHABLE', outcome: 'not done' })
    expect(requests).toBe(4)
  })

  test('an answer that is cut, one that does not come, and one that is not of hourwheel', async () => {
    let answer = (_response: ServerResponse): void => undefined
    const url = await listening(createServer((_request, response) => answer(response)))
    const wheel = client({ url, timeout: '100ms' })
    await expect(wheel.schedule(task)).rejects.toMatchObject({ code: 'HW_OUTCOME_UNKNOWN' })
    answer = (response) => {
      response.writeHead(201, { 'content-type': 'application/json', 'content-length': '100' })
      response.write('{"id":')
      setTimeout(() => response.destroy(), 5)
    }
    await expect(wheel.schedule(task)).rejects.toMatchObject({ code: 'HW_OUTCOME_UNKNOWN' })
    answer = (response) => void response.writeHead(502).end('<html>Bad gateway</html>')
    await expect(wheel.schedule(task)).rejects.toMatchObject({ code: 'HW_OUTCOME_UNKNOWN', details: { status: 502 } })
    answer = (response) => void response.writeHead(200).end('<html>Welcome</html>')
    await expect(wheel.schedule(task)).rejects.toBeInstanceOf(HourwheelError)
    answer = (response) => void response.writeHead(404).end('nothing here')
    await expect(wheel.schedule(task)).rejects.toMatchObject({ code: 'HW_NOT_FOUND', outcome: 'not done' })
  })

  test('overload says when to try again', async () => {
    const body = JSON.stringify({ code: 'HW_OVERLOADED', detail: 'much', outcome: 'not done', retryAfterMs: 250 })
    const url = await listening(createServer((_request, response) => void response.writeHead(429).end(body)))
    await expect(client({ url }).schedule(task)).rejects.toMatchObject({ code: 'HW_OVERLOADED', retryAfterMs: 250 })
  })
})

test('tokens: a function is asked each time; scopes are the daemon’s to hold; none is ever shown', async () => {
  const reader = 'r'.repeat(32)
  const writer = 'w'.repeat(32)
  const { socket } = await served({ tokens: `read ${reader}\nwrite ${writer}` })
  await expect(client({ socket }).stats()).rejects.toMatchObject({ code: 'HW_UNAUTHORIZED' })
  let token = reader
  const wheel = client({ socket, token: () => token })
  expect(await wheel.stats()).toMatchObject({ conservation: 0 })
  await expect(wheel.schedule(task)).rejects.toMatchObject({ code: 'HW_FORBIDDEN' })
  token = writer
  expect(await wheel.schedule(task)).toMatchObject({ outcome: 'created' })
  token = 'two\nlines'
  const refusal: unknown = await wheel.stats().catch((error: unknown) => error)
  expect(refusal).toMatchObject({ code: 'HW_INVALID_OPTIONS' })
  expect(String(refusal)).not.toContain('two')
})

test('over TCP, and below a path as behind a proxy', async () => {
  const { daemon, client: of } = await served({ listen: '127.0.0.1:0' })
  const { id } = await of({ url: daemon.url! }).schedule(task)
  const paths: string[] = []
  const proxy = createServer((request, response) => {
    paths.push(request.url!)
    void (async () => {
      const target = await fetch(`${daemon.url!}${request.url!.replace('/timers', '')}`)
      response.writeHead(target.status, { 'content-type': 'application/json' }).end(await target.text())
    })()
  })
  const wheel = client({ url: `${await listening(proxy)}/timers/` })
  expect(await wheel.get(id)).toMatchObject({ id })
  expect(paths).toEqual([`/timers/v1/tasks/${id}`])
})

test('waiting leases hold up no other calls', async () => {
  const { wheel } = await served()
  const giveUp = new AbortController()
  setMaxListeners(0, giveUp.signal)
  const waiting = Array.from({ length: 60 }, (_, n) => wheel.lease(`q${n}`, { wait: '60s', signal: giveUp.signal }))
  expect(await wheel.schedule(task)).toMatchObject({ outcome: 'created' })
  giveUp.abort()
  expect(await Promise.all(waiting)).toEqual(waiting.map(() => []))
})

test('settings of a queue', async () => {
  const { wheel } = await served({ webhookHosts: 'example.com' })
  const webhook = { url: 'https://example.com/hook' }
  const made = await wheel.setSettings('email', { retry: { attempts: 3 }, webhook })
  expect(made).toMatchObject({ webhook: { ...webhook, newSecret: expect.stringMatching(/^whsec_/) } })
  expect(await wheel.settings('email')).toMatchObject({ retry: { attempts: 3 }, webhook })
  await expect(wheel.setSettings('email', { webhook: { url: 'https://example.net/' } })).rejects.toMatchObject({
    code: 'HW_WEBHOOK_REFUSED',
  })
})

test('events, filtered, and on over a restart of the daemon', async () => {
  const directory = temporaryDirectory()
  closing.push(() => directory.remove())
  const settings = { dir: join(directory.path, 'd'), socket: join(directory.path, 's') }
  const first = await startHere(settings)
  const wheel = client({ socket: settings.socket })
  const seen: ClientEvent[] = []
  const leaving = new AbortController()
  const reading = (async () => {
    const input = { queue: 'q', types: ['succeeded', 'deadLettered'], signal: leaving.signal } as const
    for await (const event of wheel.events(input)) seen.push(event)
  })()
  const run = async (queue: string): Promise<string> => {
    const { id } = await wheel.schedule({ queue, delay: 0 })
    const [leased] = await wheel.lease(queue, { wait: '20s' })
    await wheel.ack(leased!.token)
    return id
  }
  // The reader may not have been there for the first.
  await until(async () => {
    await run('q')
    return seen.length > 0
  })
  await run('other')
  const known = seen.length
  const last = await run('q')
  await until(() => seen.length > known)
  expect(seen.at(-1)).toEqual({ type: 'succeeded', eventId: expect.any(String), id: last, queue: 'q', attempt: 1 })
  expect(new Set(seen.map((event) => event.type))).toEqual(new Set(['succeeded']))
  await first.close(0)
  const second = await startHere(settings)
  closing.push(() => second.close(0))
  await until(() => seen.some(({ type }) => type === 'gap'))
  const again = await run('q')
  await until(() => seen.some((event) => event.type === 'succeeded' && event.id === again))
  leaving.abort()
  await reading
})

test('a wrong question for events is refused, not asked again', async () => {
  const { wheel } = await served()
  await expect(all(wheel.events({ types: ['nonsense' as never] }))).rejects.toMatchObject({
    code: 'HW_INVALID_REQUEST',
  })
})

test('a handler outlives the daemon: what it was given before and after is run, once it is back', async () => {
  const directory = temporaryDirectory()
  closing.push(() => directory.remove())
  const settings = { dir: join(directory.path, 'd'), socket: join(directory.path, 's') }
  const first = await startHere(settings)
  const wheel = client({ socket: settings.socket })
  const done: unknown[] = []
  await wheel.handle('q', ({ payload }) => done.push(payload))
  await wheel.schedule({ queue: 'q', delay: 0, payload: 1 })
  await wheel.schedule({ queue: 'q', delay: '1s', payload: 2 })
  await until(() => done.includes(1))
  await first.close(0)
  const second = await startHere(settings)
  closing.push(() => second.close(0))
  await until(() => done.includes(2))
})

test.each([
  [{}],
  [{ url: 'http://a', socket: '/s' }],
  [{ url: 'ftp://a' }],
  [{ url: 'nonsense' }],
  [{ url: 'http://u:p@a' }],
  [{ url: 'http://a/?q=1' }],
  [{ socket: '' }],
  [{ url: 'http://a', token: 3 }],
  [{ url: 'http://a', timeout: '1ms' }],
  [{ url: 'http://a', tokn: 'x' }],
])('%j is refused', (options) => {
  expect(() => connect(options as ConnectOptions)).toThrow(HourwheelError)
})

test('the client loads nothing of the engine, and one package', () => {
  const dist = fileURLToPath(new URL('../../dist/', import.meta.url))
  const packages = new Set<string>()
  const files = new Set<string>()
  const visit = (path: string): void => {
    if (files.has(path)) return
    files.add(path)
    const text = readFileSync(path, 'utf8')
    for (const [, specifier] of text.matchAll(/^(?:import|export) [^;']*from '([^']+)';$/gm)) {
      if (specifier!.startsWith('.')) visit(join(path, '..', specifier!))
      else if (!specifier!.startsWith('node:')) packages.add(specifier!)
    }
  }
  visit(join(dist, 'client.js'))
  expect([...packages]).toEqual(['undici'])
  const folders = [...files].map((path) => path.slice(dist.length).split('/')[0])
  expect(new Set(folders)).toEqual(new Set(['client.js', 'client', 'model', 'protocol', 'delivery']))
  expect(files.size).toBeLessThan(40)
})

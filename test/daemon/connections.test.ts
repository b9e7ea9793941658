/** Connections of the daemon's HTTP: requests one behind the other, clients that do not wait, and those that say nothing. */

import { readFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allowSilence, endIdleConnections } from '../../src/daemon/http/idle-connections.ts'
import { serve, temporary, until, type Served } from './rig.ts'

const directory = temporary()
let daemon: Served

beforeAll(async () => {
  daemon = await serve(['--dir', `${directory.path}/data`, '--drain', '0'])
})

afterAll(async () => {
  await daemon.end()
  directory.remove()
})

function post(body: object, headers = ''): string {
  const text = JSON.stringify(body)
  return `POST /v1/tasks HTTP/1.1\r\nhost: l\r\n${headers}content-length: ${text.length}\r\n\r\n${text}`
}

const queued = async (queue: string): Promise<number> =>
  ((await daemon.call('GET', `/v1/tasks?queue=${queue}`)).json as { tasks: unknown[] }).tasks.length

describe('requests that are sent one behind the other', () => {
  it('are answered in their order', async () => {
    const socket = connect(daemon.socket)
    let text = ''
    socket.setEncoding('latin1').on('data', (chunk) => (text += String(chunk)))
    const requests = Array.from({ length: 12 }, (_, n) =>
      // Every third one needs no disk, and must not overtake those that do.
      n % 3 === 2
        ? `GET /healthz HTTP/1.1\r\nhost: l\r\nx-request-id: r${n}\r\n\r\n`
        : post({ queue: 'behind', delay: '1d', payload: n }, `x-request-id: r${n}\r\n`),
    )
    socket.write(requests.join(''))
    const ids = (): string[] => [...text.matchAll(/^x-request-id: (\w+)\r$/gimu)].map(([, id]) => id!)
    await until(() => ids().length === requests.length)
    socket.destroy()
    expect(ids()).toEqual(requests.map((_, n) => `r${n}`))
    expect([...text.matchAll(/HTTP\/1\.1 (\d+)/gu)].map(([, status]) => status)).toEqual(
      requests.map((_, n) => (n % 3 === 2 ? '200' : '201')),
    )
    expect(await queued('behind')).toBe(8)
  })

  it('are carried out when they came whole, though the client has gone', async () => {
    const socket = connect(daemon.socket)
    await new Promise<void>((resolve) => socket.end(post({ queue: 'gone', delay: '1d' }), resolve))
    socket.destroy()
    await until(async () => (await queued('gone')) === 1)
  })

  it('count for nothing when the client goes within one', async () => {
    const socket = connect(daemon.socket)
    const whole = post({ queue: 'cut', delay: '1d' })
    await new Promise<void>((resolve) => socket.write(whole.slice(0, -1), () => resolve()))
    socket.destroy()
    await until(async () => /hourwheel_http_connections 1\n/u.test((await daemon.call('GET', '/metrics')).text))
    expect(await queued('cut')).toBe(0)
  })
})

describe('connections over which nothing goes are ended, others are not', () => {
  const file = (name: string): Buffer => readFileSync(fileURLToPath(new URL(`tls/${name}.pem`, import.meta.url)))
  /** Those who ask for /long get no answer, and their connections may be silent until this is called. */
  let endSilence: () => void
  const answer: RequestListener = (request, response) => {
    if (request.url === '/long') endSilence = allowSilence(request.socket)
    else response.end('here')
  }
  const idleMs = 600

  it.each([
    ['plain', () => createServer(answer), (port: number): Socket => connect(port, '127.0.0.1')],
    [
      'TLS',
      () => createTlsServer({ cert: file('cert'), key: file('key') }, answer),
      (port: number): Socket => connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }),
    ],
  ])('%s', async (_name, makeServer: () => Server | TlsServer, open) => {
    const server = makeServer()
    server.keepAliveTimeout = 0
    endIdleConnections(server, idleMs)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const closed = new Set<Socket>()
    const [idle, asking, waiting] = [open(port), open(port), open(port)]
    for (const socket of [idle, asking, waiting]) {
      socket.resume()
      socket.on('close', () => closed.add(socket))
    }
    waiting.write('GET /long HTTP/1.1\r\nhost: l\r\n\r\n')
    const ask = (): boolean => asking.write('GET / HTTP/1.1\r\nhost: l\r\n\r\n')
    idle.write('GET / HTTP/1.1\r\nhost: l\r\n\r\n')
    const asks = setInterval(ask, idleMs / 50)
    await until(() => closed.size > 0)
    clearInterval(asks)
    expect([...closed]).toEqual([idle])
    await until(() => closed.has(asking))
    expect(closed.has(waiting)).toBe(false)
    endSilence()
    await until(() => closed.has(waiting))
    await new Promise((resolve) => server.close(resolve))
  })
})

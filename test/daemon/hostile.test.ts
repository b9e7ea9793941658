/** Clients that mean harm: refused, with bounded memory, while others are served. */

import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { serve, temporary, until, type Served } from './rig.ts'

const directory = temporary()
const sockets: Socket[] = []
let daemon: Served

beforeAll(async () => {
  daemon = await serve(['--dir', `${directory.path}/data`, '--drain', '0', '--body-bytes-in-flight-max', '16MiB'])
})

afterAll(async () => {
  for (const socket of sockets) socket.destroy()
  await daemon.end()
  directory.remove()
})

interface Raw {
  readonly socket: Socket
  text: string
  isClosed: boolean
}

function open(): Raw {
  const socket = connect(daemon.socket)
  sockets.push(socket)
  const raw: Raw = { socket, text: '', isClosed: false }
  socket.setEncoding('latin1')
  socket.on('data', (text) => (raw.text += String(text)))
  socket.on('error', () => undefined)
  socket.on('close', () => (raw.isClosed = true))
  return raw
}

async function answerTo(bytes: string | Uint8Array): Promise<string> {
  const raw = open()
  raw.socket.write(bytes)
  await until(() => raw.isClosed || /\r\n\r\n[^]*\}$/u.test(raw.text))
  raw.socket.destroy()
  return raw.text
}

const isServed = async (): Promise<boolean> =>
  (await daemon.call('POST', '/v1/tasks', { body: { queue: 'others', delay: '1d' } })).status === 201

function residentMiB(): number {
  const status = readFileSync(`/proc/${daemon.child.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/u.exec(status)?.[1]) / 1_024
}

describe('what is no HTTP', () => {
  it.each([
    ['noise', '\x00\x01\x02\r\n\r\n'],
    ['another protocol', 'SSH-2.0-OpenSSH_9.0\r\n'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['two lengths', 'POST /v1/tasks HTTP/1.1\r\nhost: l\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}'],
    [
      'length and chunks',
      'POST /v1/tasks HTTP/1.1\r\nhost: l\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a negative length', 'POST /v1/tasks HTTP/1.1\r\nhost: l\r\ncontent-length: -1\r\n\r\n'],
    ['a space before the colon', 'GET /healthz HTTP/1.1\r\nhost : l\r\n\r\n'],
    ['no host', 'GET /healthz HTTP/1.1\r\n\r\n'],
    ['a bare line feed in a header', 'GET /healthz HTTP/1.1\r\nhost: l\nx: y\r\n\r\n'],
    ['too large headers', `GET /healthz HTTP/1.1\r\nhost: l\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`],
  ])('%s ends with a 4xx and the connection', async (_name, bytes) => {
    expect(await answerTo(bytes)).toMatch(/^HTTP\/1\.1 4\d\d /u)
    expect(await isServed()).toBe(true)
  })

  it('too large headers are told so by their own name', async () => {
    const answer = await answerTo(`GET /healthz HTTP/1.1\r\nhost: l\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/u)
    expect(answer).toContain('"status":431')
  })
})

describe('paths', () => {
  it.each([
    '/v1/tasks/../../etc/passwd',
    '/v1/%2e%2e/%2e%2e/etc/passwd',
    '//v1/stats',
    '/v1/queues/%2e%2e%2f/settings',
    '/v1/queues/a%2fb/settings',
    '/v1/queues/%00/settings',
    '/v1/queues/%ff/settings',
    '/v1/queues/%/settings',
    `/v1/queues/${'a'.repeat(2_000)}/settings`,
    '/v1/queues/__proto__/pause',
    '/v1/errors/__proto__',
    '/v1/errors/constructor',
    'http://evil.example/v1/stats',
    '*',
  ])('%s names no file and breaks nothing', async (path) => {
    const text = await answerTo(`GET ${path} HTTP/1.1\r\nhost: l\r\nconnection: close\r\n\r\n`)
    expect(text).toMatch(/^HTTP\/1\.1 4\d\d /u)
    expect(text).not.toContain('root:')
  })
})

describe('bodies', () => {
  const post = (path: string, type: string, body: Uint8Array): Promise<string> =>
    daemon.call('POST', path, { body, headers: { 'content-type': type } }).then(({ status, json }) => {
      return `${status} ${(json as { code?: string }).code ?? ''}`
    })
  const deep = (byte: string, count: number): Uint8Array => Buffer.from(byte.repeat(count))

  it('that are nested without end are refused', async () => {
    expect(await post('/v1/tasks', 'application/json', deep('[', 1_000_000))).toBe('400 HW_MALFORMED_BODY')
    const nested = Buffer.from(`{"queue":"q","delay":1,"payload":${'['.repeat(400_000)}${']'.repeat(400_000)}}`)
    expect(await post('/v1/tasks', 'application/json', nested)).toMatch(
      /^4\d\d HW_(INVALID_PAYLOAD|PAYLOAD_TOO_LARGE)$/u,
    )
    expect(await post('/v1/tasks/batch', 'application/msgpack', new Uint8Array(1_000_000).fill(0x91))).toBe(
      '400 HW_MALFORMED_BODY',
    )
    const huge = Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff, 0xdd, 0xff, 0xff, 0xff, 0xff])
    expect(await post('/v1/tasks/batch', 'application/msgpack', huge)).toBe('400 HW_MALFORMED_BODY')
    expect(await isServed()).toBe(true)
  })

  it('that are too large are refused before they are read', async () => {
    const head = (path: string, bytes: number): string =>
      `POST ${path} HTTP/1.1\r\nhost: l\r\ncontent-type: application/json\r\ncontent-length: ${bytes}\r\n\r\n`
    expect(await answerTo(head('/v1/tasks', 1_048_577))).toMatch(/^HTTP\/1\.1 413 [^]*HW_BODY_TOO_LARGE/u)
    expect(await answerTo(head('/v1/tasks/batch', 16_777_217))).toMatch(/^HTTP\/1\.1 413 [^]*HW_BODY_TOO_LARGE/u)
    const chunk = `${(1 << 20).toString(16)}\r\n${'x'.repeat(1 << 20)}\r\n`
    const chunked = 'POST /v1/tasks HTTP/1.1\r\nhost: l\r\ntransfer-encoding: chunked\r\n\r\n'
    expect(await answerTo(chunked + chunk + chunk)).toMatch(/^HTTP\/1\.1 413 [^]*HW_BODY_TOO_LARGE/u)
  })

  it('are asked for only when they are wanted', async () => {
    const body = '{"queue":"others","delay":"1d"}'
    const head = (bytes: number): string =>
      `POST /v1/tasks HTTP/1.1\r\nhost: l\r\nexpect: 100-continue\r\ncontent-length: ${bytes}\r\n\r\n`
    const wanted = open()
    wanted.socket.write(head(body.length))
    await until(() => wanted.text.startsWith('HTTP/1.1 100 '))
    wanted.socket.write(body)
    await until(() => wanted.text.includes('HTTP/1.1 201 '))
    const unwanted = open()
    unwanted.socket.write(head(2_000_000))
    await until(() => unwanted.isClosed)
    expect(unwanted.text).toMatch(/^HTTP\/1\.1 413 /u)
  })

  it('that many send at once and never end leave room for others, and memory is bounded', async () => {
    const before = residentMiB()
    const head =
      'POST /v1/tasks/batch HTTP/1.1\r\nhost: l\r\ncontent-type: application/json\r\ncontent-length: 16000000\r\n\r\n'
    const megabyte = 'x'.repeat(1 << 20)
    // 200 senders of 2 MiB each: 400 MiB, of which 16 are taken.
    const senders = Array.from({ length: 200 }, () => {
      const raw = open()
      raw.socket.write(head)
      raw.socket.write(megabyte)
      raw.socket.write(megabyte)
      return raw
    })
    await until(() => senders.filter(({ text }) => text.includes('HW_OVERLOADED')).length > 150)
    expect(senders.find(({ text }) => text.includes('429'))!.text).toMatch(/retry-after: 1\r\n/u)
    expect(await isServed()).toBe(true)
    expect(residentMiB() - before).toBeLessThan(200)
    for (const { socket } of senders) socket.destroy()
    await until(async () => /hourwheel_http_body_bytes 0\n/u.test((await daemon.call('GET', '/metrics')).text))
  })
})

describe('connections', () => {
  it('beyond the limit are dropped, and slow ones time out; those that are there are served', async () => {
    // Whoever is there before them stays.
    expect(await isServed()).toBe(true)
    const slow = open()
    slow.socket.write('GET /healthz HTTP/1.1\r\nhost: l\r\nx-slow: ')
    const before = residentMiB()
    const many = Array.from({ length: 1_500 }, open)
    await until(() => many.filter(({ isClosed }) => isClosed).length >= 1_500 - 1_024)
    expect(await isServed()).toBe(true)
    expect(residentMiB() - before).toBeLessThan(150)
    for (const { socket } of many) socket.destroy()
    // One more byte now and then does not help.
    const drip = setInterval(() => slow.socket.write('x'), 500)
    await until(() => slow.isClosed)
    clearInterval(drip)
    expect(slow.text).toMatch(/^HTTP\/1\.1 408 [^]*HW_REQUEST_TIMEOUT/u)
    await until(isServed)
  })

  it('that ask again and again without waiting are served in turn, and cut off beyond a few', async () => {
    const polite = open()
    polite.socket.write('GET /healthz HTTP/1.1\r\nhost: l\r\n\r\n'.repeat(10))
    await until(() => polite.text.split('HTTP/1.1 200').length === 11)
    const rude = open()
    rude.socket.write(`POST /v1/queues/q/leases HTTP/1.1\r\nhost: l\r\ncontent-length: 14\r\n\r\n{"wait":"60s"}`)
    rude.socket.write('GET /healthz HTTP/1.1\r\nhost: l\r\n\r\n'.repeat(100))
    await until(() => rude.isClosed)
    expect(rude.text).toBe('')
  })

  it('that ask and do not read the answers do not fill the memory', async () => {
    const tasks = Array.from({ length: 60 }, (_, n) => ({
      queue: 'large',
      delay: '9d',
      payload: 'y'.repeat(60_000) + n,
    }))
    for (let n = 0; n < 60; n += 15) {
      await daemon.call('POST', '/v1/tasks/batch', { body: tasks.slice(n, n + 15) })
    }
    const before = residentMiB()
    const deaf = Array.from({ length: 60 }, () => {
      const raw = open()
      raw.socket.pause()
      raw.socket.write('GET /v1/tasks?queue=large&limit=1000 HTTP/1.1\r\nhost: l\r\n\r\n'.repeat(10))
      return raw
    })
    const answered = async (): Promise<number> =>
      [
        ...(await daemon.call('GET', '/metrics')).text.matchAll(
          /http_requests_total\{route="list",status="[24]xx"\} (\d+)/gu,
        ),
      ]
        .map(([, count]) => Number(count))
        .reduce((sum, count) => sum + count, 0)
    await until(async () => (await answered()) >= 60)
    expect(await isServed()).toBe(true)
    // Some 16 answers of 1 MiB, not 600.
    expect(residentMiB() - before).toBeLessThan(200)
    for (const { socket } of deaf) socket.destroy()
  })
})

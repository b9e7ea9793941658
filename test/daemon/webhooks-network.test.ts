/** Names and certificates: one resolution, only allowed addresses, TLS by the name. */

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import type { LookupAddress } from 'node:dns'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent } from 'undici'
import { afterAll, afterEach, expect, test } from 'vitest'
import { AllowList } from '../../src/daemon/webhooks/allow-list.ts'
import { guardedConnector, sharedLookup } from '../../src/daemon/webhooks/guarded-connector.ts'
import { post } from '../../src/daemon/webhooks/request.ts'
import type { Verdict } from '../../src/daemon/webhooks/reply.ts'
import { Receiver } from './webhook-receiver.ts'

const directory = mkdtempSync(join(tmpdir(), 'hourwheel-tls-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const closing: { close(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const one of closing.splice(0).toReversed()) await one.close()
})

/** Answers each question with the next of these, and counts. */
function resolver(...answers: string[][]): { lookup: (host: string) => Promise<LookupAddress[]>; asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    lookup: (host) => {
      asked.push(host)
      const found = answers[Math.min(asked.length, answers.length) - 1]!
      return Promise.resolve(found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })))
    },
  }
}

type Send = (url: string) => Promise<Verdict>

function sender(
  hosts: string[],
  lookup: (host: string) => Promise<LookupAddress[]>,
  ca?: string,
  timeout = 2_000,
): Send {
  const agent = new Agent({
    connect: guardedConnector(new AllowList(hosts), lookup, { timeout, ...(ca === undefined ? {} : { ca }) }),
  })
  closing.push(agent)
  return (url) =>
    post(
      { url: new URL(url), timeoutMs: 5_000, dispatcher: agent },
      { headers: {}, body: 'x' },
      new AbortController().signal,
    )
}

async function receiver(tls?: { key: string; cert: string }): Promise<Receiver> {
  const opened = await Receiver.open(undefined, tls)
  closing.push(opened)
  return opened
}

test('a listed name that points at this machine reaches nothing', async () => {
  const target = await receiver()
  for (const addresses of [['127.0.0.1'], ['::ffff:127.0.0.1'], ['::1', '127.0.0.1'], ['169.254.169.254'], []]) {
    const { lookup } = resolver(addresses)
    const verdict = await sender([`rebound.example:${target.port}`], lookup)(target.url('/', 'rebound.example'))
    expect(verdict).toMatchObject({ kind: 'failed', isOfTarget: true, reason: expect.stringContaining('webhookHosts') })
  }
  expect(target.connections).toBe(0)
})

test('with its address listed it does, by its own name; it is asked for once a connection, and that answer counts', async () => {
  const target = await receiver()
  const { lookup, asked } = resolver(['10.0.0.1', '127.0.0.1'], ['127.0.0.2'])
  const { port } = target
  const send = sender([`rebound.example:${port}`, `127.0.0.1:${port}`], lookup)
  const url = target.url('/', 'rebound.example')
  expect(await send(url)).toMatchObject({ kind: 'done' })
  // The same connection, once it is free: nothing is resolved, so nothing can be rebound.
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(await send(url)).toMatchObject({ kind: 'done' })
  expect(asked).toEqual(['rebound.example'])
  expect(target.connections).toBe(1)
  expect(target.received[0]!.headers.host).toBe(`rebound.example:${port}`)
  // A new connection: the name has been moved to where nobody may go.
  const other = sender([`rebound.example:${port}`, `127.0.0.1:${port}`], lookup)
  expect(await other(url)).toMatchObject({ kind: 'failed', reason: expect.stringContaining('127.0.0.2') })
  expect(target.connections).toBe(1)
})

test('an address in the URL is looked at, too, and a name that does not exist says so', async () => {
  const target = await receiver()
  const { lookup, asked } = resolver(['1.1.1.1'])
  expect(await sender(['*:*'], lookup)(target.url())).toMatchObject({
    kind: 'failed',
    reason: expect.stringContaining('127.0.0.1'),
  })
  expect(asked).toEqual([])
  expect(target.connections).toBe(0)
  const fails = (): Promise<LookupAddress[]> => Promise.reject(new Error('getaddrinfo ENOTFOUND nowhere.example'))
  expect(await sender(['*:*'], fails)('http://nowhere.example/')).toMatchObject({
    kind: 'failed',
    isOfTarget: true,
    reason: 'getaddrinfo ENOTFOUND nowhere.example',
  })
})

test('the system is asked for a host once at a time', async () => {
  const lookup = sharedLookup()
  const [first, second] = [lookup('localhost'), lookup('localhost')]
  expect(first).toBe(second)
  expect((await first).length).toBeGreaterThan(0)
  expect(lookup('localhost')).not.toBe(first)
})

const hasOpenssl = spawnSync('openssl', ['version']).status === 0

test.skipIf(!hasOpenssl)(
  'TLS sees the name: SNI and certificate are those of the host, whatever the address',
  async () => {
    const [keyFile, certFile] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
    const subject = ['-subj', '/CN=hooks.example', '-addext', 'subjectAltName=DNS:hooks.example']
    const files = ['-keyout', keyFile, '-out', certFile]
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    execFileSync('openssl', ['req', ...kind, ...files, ...subject], { stdio: 'ignore' })
    const [key, cert] = [readFileSync(keyFile, 'utf8'), readFileSync(certFile, 'utf8')]
    const target = await receiver({ key, cert })
    const { lookup } = resolver(['127.0.0.1'])
    const hosts = ['127.0.0.1:*', 'hooks.example:*', 'other.example:*']
    const send = sender(hosts, lookup, cert)
    expect(await send(target.url('/', 'hooks.example'))).toMatchObject({ kind: 'done' })
    expect(await send(target.url('/', 'other.example'))).toMatchObject({
      kind: 'failed',
      reason: expect.stringContaining('other.example'),
    })
    // Not trusted without its certificate.
    expect(await sender(hosts, lookup)(target.url('/', 'hooks.example'))).toMatchObject({ kind: 'failed' })
    expect(target.received).toHaveLength(1)
  },
)

test.skipIf(process.platform !== 'linux')(
  'a host that takes no connection is given up after connectTimeout',
  async () => {
    // A process that listens and is stopped: the kernel takes a few connections for it, and lets the others wait.
    const program =
      "require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () { console.log(this.address().port) })"
    const stopped = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
    closing.push({ close: () => Promise.resolve(stopped.kill('SIGKILL')) })
    const port = await new Promise<number>((resolve) => stopped.stdout.once('data', (line) => resolve(Number(line))))
    stopped.kill('SIGSTOP')
    const waiting = Array.from({ length: 8 }, () => connectSocket(port, '127.0.0.1').on('error', () => undefined))
    closing.push({ close: () => Promise.resolve(waiting.map((socket) => socket.destroy())) })
    await new Promise((resolve) => setTimeout(resolve, 100))
    const send = sender([`127.0.0.1:${port}`], resolver([]).lookup, undefined, 150)
    const verdict = await send(`http://127.0.0.1:${port}/`)
    expect(verdict).toMatchObject({
      kind: 'failed',
      isOfTarget: true,
      reason: expect.stringMatching(/connect timeout/i),
    })
  },
)

/** The commands of docs/http-api.md, as a reader pastes them; skipped where curl is missing. */

import { spawn, spawnSync } from 'node:child_process'
import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { routes } from '../../src/protocol/routes.ts'
import { examplesOf, root } from '../docs/markdown.ts'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { serve, temporary, until, type Served } from './rig.ts'

const directory = temporary()
let daemon: Served
const hasCurl = spawnSync('curl', ['--version']).status === 0

beforeAll(async () => {
  daemon = await serve(['--dir', join(directory.path, 'data'), '--drain', '0'])
})
afterAll(async () => {
  await daemon.end()
  directory.remove()
})

describe.skipIf(!hasCurl)('docs/http-api.md', () => {
  const run = (name: string, env: Record<string, string> = {}): unknown[] => {
    const { code } = examplesOf('docs/http-api.md').find((example) => example.name === name)!
    const silent = code.replaceAll('curl ', 'curl --silent --fail-with-body ')
    const { stdout, status } = spawnSync('sh', ['-ec', silent], {
      encoding: 'utf8',
      cwd: directory.path,
      env: { ...process.env, ...env },
    })
    expect(status, stdout).toBe(0)
    return stdout
      .replaceAll('}{', '}\n{')
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
  }

  it('the first task is scheduled, leased and acknowledged', () => {
    const [receipt, leased] = run('first')
    expect(receipt).toMatchObject({ outcome: 'created' })
    expect(leased).toMatchObject({ tasks: [{ queue: 'email', payload: { to: 'ada@example.com' }, attempt: 1 }] })
    const { token } = (leased as { tasks: { token: string }[] }).tasks[0]!
    expect(run('ack', { TOKEN: token })).toEqual([{ outcome: 'acked' }])
  })
})

it('docs/http-api.md names only routes that there are', () => {
  const page = readFileSync(join(root, 'docs/http-api.md'), 'utf8')
  const known = Object.values(routes).map(({ method, path }) => ({ method, path }))
  const named = [...page.matchAll(/`(GET|POST|PUT|PATCH|DELETE) (\/[^?`\s]*)/gu)]
  expect(named.length).toBeGreaterThan(5)
  for (const [, method, path] of named) expect(known).toContainEqual({ method, path })
})

it.skipIf(!hasCurl)('the webhook of the README is posted', async () => {
  const flags = ['--listen', '127.0.0.1:0', '--webhook-hosts', '127.0.0.1:*', '--drain', '0']
  const served = await serve(['--dir', join(directory.path, 'readme'), ...flags])
  const { code } = examplesOf('README.md').find(({ name }) => name === 'first-webhook')!
  expect(code).toContain('127.0.0.1:7420')
  const script = code
    .replaceAll('127.0.0.1:7420', `127.0.0.1:${served.port}`)
    .replaceAll('8080', String(await freePort()))
  // The listener that it starts in the background ends with its group.
  const shell = spawn('sh', ['-ec', `${script}\nwait`], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
  let out = ''
  shell.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  try {
    await until(() => out.includes('{"to":"ada@example.com"}'))
    await until(async () => {
      const { json } = await served.call('GET', '/v1/stats')
      return (json as { total: { succeeded: number } }).total.succeeded === 1
    })
  } finally {
    process.kill(-shell.pid!, 'SIGKILL')
    await served.end()
  }
})

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

/** The commands of docs/http-api.md, as a reader pastes them; skipped where curl is missing. */

import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { routes } from '../../src/protocol/routes.ts'
import { examplesOf, root } from '../docs/markdown.ts'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { serve, temporary, type Served } from './rig.ts'

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

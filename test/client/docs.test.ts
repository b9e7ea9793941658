/** What docs/client.md and docs/webhooks.md show, run in a directory with a daemon's data beside it. */

import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Daemon } from '../../dist/daemon/daemon.js'
import { Receiver } from '../daemon/webhook-receiver.ts'
import { examplesOf } from '../docs/markdown.ts'
import { UsersProject } from '../docs/users-project.ts'
import { startHere, until } from './rig.ts'

const project = new UsersProject()
let daemon: Daemon
let target: Receiver

beforeAll(async () => {
  target = await Receiver.open()
  const dir = join(project.directory, 'data')
  daemon = await startHere({ dir, webhookHosts: `127.0.0.1:${target.port}` })
})
afterAll(async () => {
  await daemon.close(0)
  await target.close()
  project.remove()
})

function codeOf(page: string, name: string): string {
  return examplesOf(page).find((example) => example.name === name)!.code
}

async function run(program: string, ...args: string[]): Promise<string> {
  const child = spawn(program, args, { cwd: project.directory, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk) => (said += chunk))
  const code = await new Promise((resolve) => child.on('close', resolve))
  return code === 0 ? said : `exit code ${String(code)}: ${said}`
}

test('the client, compiled without a type of Node, and run', async () => {
  project.write('client.ts', codeOf('docs/client.md', 'client'))
  expect(project.compile({ types: [], lib: ['es2023', 'esnext.disposable', 'dom'], skipLibCheck: false })).toBe('')
  const lines = (await run(process.execPath, 'client.js')).trim().split('\n')
  expect(lines.slice(0, 2)).toEqual(['created', 'HW_INVALID_DURATION not done'])
  expect(lines).toContain('attempt 1: {"to":"ada@example.com"}')
  expect(lines.at(-1)).toBe('succeeded')
})

test.skipIf(spawnSync('curl', ['--version']).status !== 0)('the first webhook', async () => {
  const said = await run(
    'sh',
    '-c',
    codeOf('docs/webhooks.md', 'first-webhook').replaceAll('8080', String(target.port)),
  )
  expect(said).toContain('"newSecret":"whsec_')
  expect(said).toContain('"outcome":"created"')
  await until(() => target.received.length > 0)
  expect(String(target.received[0]!.body)).toBe('{"to":"ada@example.com"}')
})

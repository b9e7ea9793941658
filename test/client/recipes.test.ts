/** The recipes of examples/recipes, run as their readers would: each a process of its own, against a daemon. */

import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Daemon } from '../../dist/daemon/daemon.js'
import { startHere, temporaryDirectory, until } from './rig.ts'

const recipes = fileURLToPath(new URL('../../examples/recipes', import.meta.url))
const directory = temporaryDirectory()
const socket = join(directory.path, 's')
let daemon: Daemon

beforeAll(async () => {
  daemon = await startHere({
    dir: join(directory.path, 'd'),
    socket,
    listen: '127.0.0.1:0',
    webhookHosts: '127.0.0.1:*',
  })
})
afterAll(async () => {
  await daemon.close(0)
  directory.remove()
})

class Running {
  text = ''
  errors = ''
  readonly child: ChildProcess
  readonly ended: Promise<number | null>

  constructor(program: string, args: readonly string[], environment: Record<string, string> = {}) {
    this.child = spawn(program, args, {
      cwd: recipes,
      env: { ...process.env, HOURWHEEL_SOCKET: socket, PYTHONUNBUFFERED: '1', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child.stdout!.setEncoding('utf8').on('data', (chunk: string) => (this.text += chunk))
    this.child.stderr!.setEncoding('utf8').on('data', (chunk: string) => (this.errors += chunk))
    this.ended = new Promise((resolve) => this.child.on('close', resolve))
    running.push(this)
  }

  get lines(): string[] {
    return this.text.split('\n').slice(0, -1)
  }

  /** Kills it as a crash would, and waits until it is gone. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.ended
  }
}

const running: Running[] = []
afterEach(async () => {
  for (const one of running.splice(0)) await one.kill()
})

function recipe(name: string, environment: Record<string, string> = {}, ...args: string[]): Running {
  return new Running(process.execPath, [join(recipes, name), ...args], environment)
}

async function linesOf(one: Running): Promise<string[]> {
  const code = await one.ended
  expect(code, one.text + one.errors).toBe(0)
  return one.lines
}

const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0

test.skipIf(!has('python3'))('a client in Python', async () => {
  const lines = await linesOf(new Running('python3', [join(recipes, 'http-client.py'), daemon.url!]))
  expect(lines.slice(0, 3)).toEqual(['order: created', 'order again: kept', 'refused: HW_INVALID_DURATION not done'])
  expect(lines.slice(3, -1).toSorted()).toEqual([
    "attempt 1 of b'\\x00\\x01\\xff'",
    "attempt 1 of {'order': 17}",
    "attempt 2 of b'\\x00\\x01\\xff'",
  ])
  expect(lines.at(-1)).toBe('queue: 2')
})

test.skipIf(!has('curl'))('curl', async () => {
  const lines = await linesOf(new Running('sh', [join(recipes, 'curl.sh'), socket]))
  const found = lines.map((line) => (line.startsWith('{') ? (JSON.parse(line) as Record<string, unknown>) : line))
  expect(found).toMatchObject([
    { outcome: 'created' },
    { outcome: 'kept' },
    { outcome: 'rescheduled', generation: 1 },
    { code: 'HW_TASK_CHANGED' },
    'not moved: it has changed',
    { state: 'pending', generation: 1, payload: { invoice: 1 } },
    { outcome: 'cancelled' },
    { receipts: [{ outcome: 'created' }, { outcome: 'created' }] },
    'working on first',
    { outcome: 'acked' },
    'working on second',
    { outcome: 'acked' },
  ])
})

test('a reminder service, called back by webhook', async () => {
  const service = recipe('reminder-service.mjs')
  await until(() => service.text.includes('listening on') || service.child.exitCode !== null)
  const port = /listening on (\d+)/.exec(service.text)?.[1]
  const ask = async (method: string, path: string, body?: object): Promise<unknown> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, body: JSON.stringify(body) ?? null })
    return answer.json()
  }
  expect(await ask('POST', '/reminders', { id: 'r1', delay: '1h', to: 'ada', text: 'tea' })).toMatchObject({
    outcome: 'created',
  })
  expect(await ask('POST', '/reminders', { id: 'r1', delay: '1h', to: 'ada', text: 'tea' })).toMatchObject({
    outcome: 'kept',
  })
  expect(await ask('POST', '/reminders', { id: 'r2', delay: '1h', to: 'bob', text: 'gin' })).toMatchObject({
    outcome: 'created',
  })
  expect(await ask('POST', '/reminders', { id: 'r3', delay: 'soon' })).toMatchObject({
    error: expect.stringContaining('delay'),
  })
  expect(await ask('DELETE', '/reminders/r2')).toMatchObject({ outcome: 'cancelled' })
  expect(await ask('PATCH', '/reminders/r1', { delay: '10ms' })).toMatchObject({ outcome: 'rescheduled' })
  await until(() => service.text.includes('to ada: tea (attempt 1)'))
  // Without a signature nothing is believed.
  const forged = await fetch(`http://127.0.0.1:${port}/fire`, { method: 'POST', body: '{"to":"eve","text":"pay"}' })
  expect(forged.status).toBe(500)
  expect(service.text).not.toContain('eve')
})

test('debounce', async () => {
  const lines = await linesOf(recipe('debounce.mjs'))
  expect(lines.slice(0, 2)).toEqual(['a: created', 'a: replaced'])
  expect(lines.slice(2, 4).toSorted()).toEqual(['indexing a', 'indexing b'])
  expect(lines[4]).toBe('indexed 2 times')
})

test('trials that end', async () => {
  const lines = await linesOf(recipe('trial-end.mjs'))
  const of = (customer: string): string[] => lines.filter((line) => line.startsWith(customer))
  expect(of('bob')).toEqual(['bob: cancelled'])
  expect(of('ada').filter((line) => line !== 'ada: kept')).toEqual([
    'ada: your trial ends soon',
    'ada: your trial has ended',
  ])
  expect(of('eve')).toEqual(['eve: your trial ends soon', 'eve: your trial has ended'])
})

test('heartbeats', async () => {
  const lines = await linesOf(recipe('heartbeat.mjs'))
  expect(lines.slice(0, 2)).toEqual(['pump is silent', 'pump is back'])
  expect(lines.at(-1)).toBe('reports: 3')
})

test('a durable sleep goes on while the process that sleeps is dead', async () => {
  const environment = { JOURNAL: join(directory.path, 'journal'), SLEEP: '1500ms' }
  const first = recipe('durable-sleep.mjs', environment)
  await until(() => first.text.includes('ada/a-while: created'))
  await first.kill()
  const lines = await linesOf(recipe('durable-sleep.mjs', environment))
  expect(lines).toEqual(['ada/a-while: kept', 'ada: tips', 'done'])
  expect(await linesOf(recipe('durable-sleep.mjs', environment))).toEqual(['done'])
})

test('a workflow of ten steps survives kill -9, again and again', async () => {
  const [data, journal] = [join(directory.path, 'workflow'), join(directory.path, 'workflow-journal')]
  const written = (): string[] => (existsSync(journal) ? readFileSync(journal, 'utf8').split('\n').filter(Boolean) : [])
  const runs = 3
  for (let kills = 1; kills <= 3; kills++) {
    const before = written().length
    const one = recipe('workflow-runner.mjs', {}, data, journal, String(runs))
    // In the middle of it: some steps further than the last time.
    await until(() => written().length > before + kills || one.child.exitCode !== null)
    await one.kill()
  }
  const last = await linesOf(recipe('workflow-runner.mjs', {}, data, journal, String(runs)))
  for (const line of last) expect(line).toMatch(/^run-\d: 10 steps, total 45$/)
  // Each step of each run once, in order.
  for (let run = 1; run <= runs; run++) {
    const steps = written().filter((line) => line.startsWith(`run-${run} `))
    expect(steps.map((line) => Number(line.split(' ')[1]))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  }
})

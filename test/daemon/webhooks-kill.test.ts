/** The built program: webhooks over kill -9 of the daemon, and a target that is gone for a while. */

import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Webhook as Verifier } from 'standardwebhooks'
import { afterEach, expect, test } from 'vitest'
import { connect } from '../../dist/client.js'
import { Receiver, status } from './webhook-receiver.ts'

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const example = fileURLToPath(new URL('../../examples/webhook-receiver.mjs', import.meta.url))
const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`

const closing: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

class Process {
  text = ''
  readonly child: ChildProcess
  readonly ended: Promise<void>

  constructor(args: readonly string[], environment: Record<string, string> = {}) {
    this.child = spawn(process.execPath, args, {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => (this.text += chunk))
    }
    this.ended = new Promise((resolve) => this.child.on('close', () => resolve()))
    closing.push(() => this.kill())
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.ended
  }

  async says(text: string): Promise<void> {
    await until(() => {
      if (this.child.exitCode !== null) throw new Error(`it has ended: ${this.text}`)
      return this.text.includes(text)
    })
  }
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10))
}

function place(): { dir: string; socket: string } {
  const directory = mkdtempSync(join(tmpdir(), 'hw-kill-'))
  closing.push(() => rmSync(directory, { recursive: true, force: true }))
  return { dir: join(directory, 'd'), socket: join(directory, 's') }
}

async function serve({ dir, socket }: { dir: string; socket: string }): Promise<Process> {
  const daemon = new Process([program, 'serve', '--dir', dir, '--socket', socket, '--webhook-hosts', '127.0.0.1:*'])
  await daemon.says('hourwheel serves')
  return daemon
}

test('killed again and again while it posts, with its target gone in between: every task arrives, none is lost', async () => {
  const target = await Receiver.open()
  closing.push(() => target.close())
  const { port } = target
  const at = place()
  let daemon = await serve(at)
  const wheel = connect({ socket: at.socket })
  closing.push(() => wheel.close({ drain: 0 }))
  const webhook = { url: target.url(), secrets: [secret], timeout: '5s' }
  await wheel.setSettings('q', { webhook, retry: { backoff: 'fixed', delay: '50ms', attempts: 100 } })
  const ids = new Set<string>()
  const tasks = Array.from({ length: 150 }, (_, n) => ({ queue: 'q', delay: n * 10, payload: { n } }))
  for (const { id } of await wheel.scheduleMany(tasks)) ids.add(id)
  for (let kills = 1; kills <= 2; kills++) {
    await until(() => target.received.length >= kills * 20)
    await wheel.setSettings(`k${kills}`, { concurrency: kills })
    // One that is under way when it dies is there as a whole or not at all.
    const cut = wheel.setSettings('cut', { concurrency: kills, timeout: '1m' }).catch(() => undefined)
    await daemon.kill()
    await cut
    if (kills === 1) await target.close()
    daemon = await serve(at)
    if (kills === 1) {
      // It tries in vain for a while, and says so.
      await daemon.says('left alone')
      await target.listen(port)
    }
  }
  await until(async () => (await wheel.stats()).queues['q']!.succeeded === 150)
  for (let kills = 1; kills <= 2; kills++) {
    expect(await wheel.settings(`k${kills}`)).toMatchObject({ concurrency: kills })
  }
  expect(JSON.stringify(await wheel.settings('cut'))).toMatch(/^\{("timeout":"1m","concurrency":\d,)?"webhook":null\}$/)
  expect(new Set(target.received.map(({ headers }) => headers['webhook-id']))).toEqual(ids)
  for (const { body, headers } of target.received) {
    const { n } = new Verifier(secret).verify(body, headers as Record<string, string>) as { n: number }
    expect(n).toBeGreaterThanOrEqual(0)
  }
  const stats = await wheel.stats()
  expect(stats).toMatchObject({ conservation: 0, total: { accepted: 150, succeeded: 150, dead: 0 } })
  expect(daemon.text).not.toContain('whsec_')
})

test('the receiver of examples/: signatures, a chain of successors, and nothing twice', async () => {
  const receiver = new Process([example], { HOURWHEEL_SECRET: secret })
  await receiver.says('listening on')
  const port = /listening on (\d+)/.exec(receiver.text)![1]!
  const at = place()
  await serve(at)
  const wheel = connect({ socket: at.socket })
  closing.push(() => wheel.close({ drain: 0 }))
  await wheel.setSettings('chain', { webhook: { url: `http://127.0.0.1:${port}/`, secrets: [secret] } })
  await wheel.schedule({ queue: 'chain', delay: 0, payload: { left: 2 } })
  await receiver.says('{"left":0}')
  expect(receiver.text.match(/attempt 1: \{"left":\d\}/g)).toEqual([
    'attempt 1: {"left":2}',
    'attempt 1: {"left":1}',
    'attempt 1: {"left":0}',
  ])
  const forged = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: '{"left":9}' })
  expect(forged.status).toBe(401)
})

test('a target that wants no more, and one that is not on the list', async () => {
  const target = await Receiver.open(status(410))
  closing.push(() => target.close())
  const at = place()
  await serve(at)
  const wheel = connect({ socket: at.socket })
  closing.push(() => wheel.close({ drain: 0 }))
  await wheel.setSettings('gone', { webhook: { url: target.url() } })
  await wheel.schedule({ queue: 'gone', delay: 0 })
  await until(async () => (await wheel.stats()).queues['gone']!.dead === 1)
  const metadata = { webhook: { url: 'http://169.254.169.254/latest/meta-data/' } }
  await expect(wheel.setSettings('gone', metadata)).rejects.toMatchObject({ code: 'HW_WEBHOOK_REFUSED' })
})

/** How the daemon ends: those who wait are sent away, what runs may end and be answered, and nothing is lost. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { serve, temporary, until, type Answer, type Served } from './rig.ts'

const directory = temporary()
afterAll(() => directory.remove())

const tasksOf = ({ json }: Answer): { token: string; id: string }[] =>
  (json as { tasks: { token: string; id: string }[] }).tasks

it('SIGTERM: a client that waits is answered, one that works may still answer, then it ends with 0', async () => {
  const dir = join(directory.path, 'drain')
  const daemon = await serve(['--dir', dir, '--drain', '30s'])
  await daemon.call('POST', '/v1/tasks', { body: { queue: 'work', delay: 0 } })
  const [working] = tasksOf(
    await daemon.call('POST', '/v1/queues/work/leases', { body: { wait: '10s', lease: '60s' } }),
  )
  const waiting = daemon.call('POST', '/v1/queues/work/leases', { body: { wait: '60s' } })
  await until(async () => (await daemon.call('GET', '/metrics')).text.includes('hourwheel_http_connections 2'))
  daemon.signal('SIGTERM')
  expect(tasksOf(await waiting)).toEqual([])
  const ready = await daemon.call('GET', '/readyz')
  expect(ready).toMatchObject({
    status: 503,
    headers: { connection: 'close' },
    json: { reasons: ['it is going down'] },
  })
  expect((await daemon.call('GET', '/healthz')).status).toBe(200)
  expect(await daemon.call('POST', '/v1/leases/ack', { body: { token: working!.token } })).toMatchObject({
    status: 200,
  })
  expect(await daemon.ended).toBe(0)

  const next = await serve(['--dir', dir, '--drain', '0'])
  expect((await next.call('GET', `/v1/tasks/${working!.id}`)).json).toEqual({ state: 'ended', how: 'succeeded' })
  await next.end()
})

it('SIGTERM: a handler has its time to end', async () => {
  const file = join(directory.path, 'slow.mjs')
  writeFileSync(file, `export default { slow: (task) => new Promise((done) => setTimeout(done, task.payload)) }`)
  const daemon = await serve(['--dir', join(directory.path, 'handler'), '--handlers', file, '--drain', '30s'])
  await daemon.call('POST', '/v1/tasks', { body: { queue: 'slow', delay: 0, payload: 800 } })
  await until(async () => stats(await daemon.call('GET', '/v1/stats')).leased === 1)
  expect(await daemon.end()).toBe(0)
  const next = await serve(['--dir', join(directory.path, 'handler'), '--drain', '0'])
  expect(stats(await next.call('GET', '/v1/stats'))).toMatchObject({ succeeded: 1, pending: 0 })
  await next.end()
})

it('a second signal ends it at once, and the lease that was out is due again', async () => {
  const dir = join(directory.path, 'twice')
  const daemon = await serve(['--dir', dir, '--drain', '60s'])
  await daemon.call('POST', '/v1/tasks', { body: { queue: 'work', delay: 0 } })
  const [working] = tasksOf(
    await daemon.call('POST', '/v1/queues/work/leases', { body: { wait: '10s', lease: '60s' } }),
  )
  daemon.signal('SIGTERM')
  await daemon.logged('going down')
  daemon.signal('SIGTERM')
  expect(await daemon.ended).toBe(1)
  const next: Served = await serve(['--dir', dir, '--drain', '0'])
  const [again] = tasksOf(await next.call('POST', '/v1/queues/work/leases', { body: { wait: '10s' } }))
  expect(again).toMatchObject({ id: working!.id, attempt: 1 })
  await next.end()
})

it('settings of queues that were put back are read again on SIGHUP', async () => {
  const dir = join(directory.path, 'settings')
  const daemon = await serve(['--dir', dir, '--drain', '0'])
  const url = '/v1/queues/q/settings'
  await daemon.call('PUT', url, { body: { timeout: '7s' } })
  const { readFileSync } = await import('node:fs')
  const kept = readFileSync(join(dir, 'queue-settings.json'))
  await daemon.call('PUT', url, { body: { timeout: '8s' } })
  writeFileSync(join(dir, 'queue-settings.json'), kept)
  daemon.signal('SIGHUP')
  await daemon.logged('were read again')
  expect((await daemon.call('GET', url)).json).toEqual({ timeout: '7s', webhook: null })
  writeFileSync(join(dir, 'queue-settings.json'), '{')
  daemon.signal('SIGHUP')
  await daemon.logged('what held before holds')
  expect((await daemon.call('GET', url)).json).toEqual({ timeout: '7s', webhook: null })
  await daemon.end()
})

function stats({ json }: Answer): Record<string, number> {
  return (json as { total: Record<string, number> }).total
}

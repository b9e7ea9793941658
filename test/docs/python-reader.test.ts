/** docs/format.md is enough to write a reader in another language: examples/read-directory.py was, and sees what the engine sees. */

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import type { ListedTask } from '../../src/model/hourwheel.ts'
import type { SimulatedMachine } from '../../src/testing/simulated-platform.ts'
import { fill } from '../engine/damaged-rig.ts'
import { Rig } from '../engine/rig.ts'

const reader = fileURLToPath(new URL('../../examples/read-directory.py', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'hourwheel-python-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const hasPython = spawnSync('python3', ['--version']).status === 0

/** Puts the files of a simulated disk on the real one. */
function onDisk({ disk }: SimulatedMachine, name: string): string {
  const directory = join(scratch, name)
  mkdirSync(directory)
  for (const path of disk.model.files().filter((file) => /^\/data\/[^/]+$/u.test(file))) {
    writeFileSync(join(directory, basename(path)), disk.contents(path))
  }
  return directory
}

function read(directory: string): unknown[] {
  const { status, stdout, stderr } = spawnSync('python3', [reader, directory], { encoding: 'utf8', maxBuffer: 1 << 28 })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)
}

const seen = ({ id, queue, state, fireAt, attempt, payload }: ListedTask): unknown => ({
  id,
  queue,
  state,
  fireAt,
  attempt,
  payload: payload instanceof Uint8Array ? Buffer.from(payload).toString('base64') : (payload ?? null),
})

test.skipIf(!hasPython)('the reader in Python sees the live tasks that the engine lists', async () => {
  const rig = await Rig.open({
    queues: { flaky: { retry: { attempts: 5, delay: '40d', backoff: 'fixed', jitter: 0 } } },
  })
  await fill(rig, 17, 20)
  const failing = await rig.run(() => rig.engine.handle('flaky', () => Promise.reject(new Error('not yet'))))
  for (let i = 0; i < 20; i++) {
    await rig.run(() =>
      rig.engine.schedule({
        queue: 'flaky',
        delay: i * 100,
        payload: new Uint8Array([i, 255]),
        headers: { i: `${i}` },
      }),
    )
  }
  await rig.advance(5_000)
  await rig.run(() => failing.stop())
  await fill(rig, 18, 15)
  await rig.run(() =>
    rig.engine.scheduleMany(Array.from({ length: 8 }, (_, i) => ({ queue: 'pulled', delay: 0, payload: { i } }))),
  )
  await rig.advance(1_000)
  await rig.run(() => rig.engine.lease('pulled', { max: 5, lease: '1h' }))
  await rig.advance(3_000)
  const listed = await rig.list(rig.engine.list())
  const open = rig.machine.fork('loseAll')
  const live = listed.filter(({ state }) => state !== 'dead')
  expect(live.filter(({ state }) => state === 'leased')).toHaveLength(5)
  expect(live.filter(({ attempt }) => attempt > 0).length).toBeGreaterThanOrEqual(20)
  expect(read(onDisk(open, 'open'))).toEqual(live.map(seen))
  const dying = listed.filter(({ state }) => state === 'dead')
  expect(dying.length).toBeGreaterThan(0)
  await rig.close()
  expect(read(onDisk(rig.machine, 'closed'))).toHaveLength(live.length)
})

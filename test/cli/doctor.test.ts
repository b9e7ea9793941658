/** hourwheel doctor: what it finds on a sound directory, and on others. */

import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { checkStats } from '../../src/cli/doctor-checks.ts'
import type { Stats } from '../../src/index.ts'
import { builtEngine, hourwheel, objectsOf, scratch } from './hourwheel.ts'

const directory = scratch()
const dir = join(directory, 'data')
let stats: Stats

beforeAll(async () => {
  const engine = await builtEngine(dir)
  await engine.schedule({ queue: 'email', delay: '1d' })
  stats = await engine.stats()
  await engine.close()
})

const levels = (args: readonly string[]): { code: number | null; by: Record<string, unknown> } => {
  const said = hourwheel(['doctor', ...args, '--json'])
  return { code: said.code, by: Object.fromEntries(objectsOf(said).map(({ check, level }) => [check, level])) }
}

it('a sound directory is fine', () => {
  const { code, by } = levels(['--dir', dir])
  expect(code).toBe(0)
  expect(by).toMatchObject({ versions: 'fine', directory: 'fine', permissions: 'fine', opens: 'fine', clock: 'fine' })
})

it('problems are named with what to do, and the exit code is 1', async () => {
  chmodSync(dir, 0o757)
  const open = hourwheel(['doctor', '--dir', dir])
  expect(open.code).toBe(1)
  expect(open.out).toMatch(/PROBLEM {2}permissions .*everyone may write[^]*-> chmod 700/)
  chmodSync(dir, 0o700)

  const engine = await builtEngine(dir)
  const used = hourwheel(['doctor', '--dir', dir])
  await engine.close()
  expect(used.out).toMatch(/PROBLEM {2}opens .*HW_DIRECTORY_LOCKED[^]*--socket/)

  const log = join(
    dir,
    readdirSync(dir).find((name) => name.startsWith('wal-'))!,
  )
  const bytes = readFileSync(log)
  writeFileSync(log, Buffer.concat([bytes.subarray(0, 100), Buffer.from([0xff]), bytes.subarray(101)]))
  const damaged = hourwheel(['doctor', '--dir', dir])
  writeFileSync(log, bytes)
  expect(damaged.out).toMatch(/PROBLEM {2}opens .*HW_CORRUPT[^]*hourwheel verify/)

  mkdirSync(join(directory, 'other'))
  expect(levels(['--dir', join(directory, 'other')])).toMatchObject({ code: 1, by: { directory: 'problem' } })
})

it('counters tell of what is overdue, paused, dead, damaged, held', () => {
  const queue = { ...stats.queues['email']!, due: 3, overdueOldestMs: 600_000 }
  const bad: Stats = {
    ...stats,
    queues: { email: queue, sms: { ...queue, paused: true } },
    overdueOldestMs: 600_000,
    total: { ...stats.total, dead: 2, damaged: 1 },
    clock: { held: true, heldBecause: 'it jumped' },
  }
  const found = (isServed: boolean): Record<string, string> =>
    Object.fromEntries(checkStats(bad, isServed).map(({ check, level }) => [check, level]))
  expect(found(true)).toMatchObject({
    clock: 'problem',
    damage: 'problem',
    'dead letters': 'warning',
    overdue: 'warning',
    'queue email': 'problem',
    'queue sms': 'warning',
  })
  // Of a directory that nobody has open it is no wonder.
  expect(found(false)).toMatchObject({ 'queue email': 'warning' })
  for (const { level, remedy } of checkStats(bad, true)) expect(remedy === undefined).toBe(level === 'fine')
})

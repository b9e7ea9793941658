/**
 * A power cut after every step of the disk and of the view of keys, in a small run that moves log files into segments: at each
 * of them, what every key names is what was acknowledged last, or what the call under way makes of it.
 */

import { expect, test } from 'vitest'
import { openEngineOn } from '../../src/engine/open.ts'
import type { CrashPolicy } from '../../src/testing/disk-model.ts'
import type { SimulatedMachine } from '../../src/testing/simulated-platform.ts'
import { Rig } from './rig.ts'

/** What a key names, in words: 'none', 'ended', or payload and fire time of a live task. */
type Named = string

const keys = ['a', 'b', 'c', 'd', 'e'] as const
const policies: readonly CrashPolicy[] = ['loseAll', 'keepAll', 'random', 'random']

interface Beliefs {
  /** What each key may name now. */
  readonly allowed: Map<string, Set<Named>>
}

async function named(rig: Rig, key: string): Promise<Named> {
  const answer = await rig.run(() => rig.engine.get({ queue: 'q', key }))
  if (answer === undefined) return 'none'
  return answer.state === 'ended' ? 'ended' : `${String(answer.payload)} ${answer.fireAt} ${answer.state}`
}

/** Opens what a power cut now would leave, and compares. */
async function check(machine: SimulatedMachine, policy: CrashPolicy, { allowed }: Beliefs): Promise<void> {
  const rig = new Rig()
  const fork = machine.fork(policy)
  const engine = await fork.loop.run(() => openEngineOn(fork.platform, rig.options))
  const view = Object.assign(Object.create(rig), { machine: fork, engine }) as Rig
  for (const key of keys) {
    const is = await named(view, key)
    // The lease of a running attempt was lost.
    const may = [...allowed.get(key)!].map((name) => name.replace('leased', 'pending'))
    expect(may, `${key} after ${JSON.stringify(policy)}`).toContain(is)
  }
  const again = keys.map((key) => ({ queue: 'q', key, delay: '60d' as const }))
  const receipts = await view.run(() => engine.scheduleMany(again))
  const lives = (await view.list(engine.list({ queue: 'q' }))).filter(({ key }) => key !== undefined)
  expect(new Set(lives.map(({ key }) => key)).size).toBe(lives.length)
  for (const { key, id } of lives) expect(receipts[keys.indexOf(key as 'a')]!.id).toBe(id)
  expect((await view.run(() => engine.stats())).conservation).toBe(0)
}

test('a power cut at every step leaves what was acknowledged', { timeout: 120_000 }, async () => {
  const rig = await Rig.open()
  const { machine } = rig
  const beliefs: Beliefs = { allowed: new Map(keys.map((key) => [key, new Set(['none'])])) }
  let steps = 0
  let seen = -1

  /** Runs a call, and cuts the power of a copy of the machine after each step. */
  async function through<T>(work: () => Promise<T>): Promise<T> {
    let settled = false
    const promise = work().finally(() => {
      settled = true
    })
    promise.catch(() => undefined)
    while (!settled) {
      const { eventsRun } = machine.loop
      await machine.loop.runUntil(() => machine.loop.eventsRun > eventsRun || settled)
      const done = machine.disk.calls.done + machine.keys.writeCount
      if (done === seen) continue
      seen = done
      await check(machine, policies[steps++ % policies.length]!, beliefs)
    }
    return promise
  }

  /** The call may make this of what the key names; once it is answered it has. */
  async function change(key: string, after: Named, work: () => Promise<unknown>): Promise<void> {
    const allowed = beliefs.allowed.get(key)!
    allowed.add(after)
    await through(work)
    allowed.clear()
    allowed.add(after)
    expect(await named(rig, key)).toBe(after)
  }

  /** Fills the log, and lets time pass for a batch of keys and a checkpoint. */
  const filler = async (): Promise<void> => {
    const tasks = Array.from({ length: 20 }, () => ({ queue: 'other', delay: '40d' as const, payload: 'x'.repeat(80) }))
    await through(() => rig.engine.scheduleMany(tasks))
    for (let look = 0; look < 6; look++) {
      await through(() => new Promise<void>((resolve) => machine.loop.schedule(50, resolve)))
    }
  }

  const { now } = rig
  const far = now + 20 * 86_400_000
  const schedule = (key: string, at: number, payload: string, onConflict?: 'replace' | 'latest'): Promise<unknown> =>
    rig.engine.schedule({ queue: 'q', key, at, payload, onConflict, retry: { attempts: 1 } })

  await change('a', `1 ${far} pending`, () => schedule('a', far, '1'))
  await change('b', `1 ${now + 60_000} pending`, () => schedule('b', now + 60_000, '1'))
  await filler()
  await change('a', `2 ${far + 5} pending`, () => schedule('a', far + 5, '2', 'replace'))
  await change('b', 'ended', () => rig.engine.cancel({ queue: 'q', key: 'b' }))
  await filler()
  await filler()
  await change('a', `2 ${far + 9} pending`, () => schedule('a', far + 9, '3', 'latest'))
  await change('b', `4 ${far} pending`, () => schedule('b', far, '4', 'replace'))
  await change('b', `4 ${far} pending`, () => schedule('b', far, '5'))
  await filler()

  // What runs: one that succeeds, one that dies and is redriven, one whose key goes to its successor.
  let fails = true
  await rig.run(() =>
    rig.engine.handle('q', (task, context) => {
      if (task.payload === 'fail' && fails) throw new Error('no')
      if (task.payload === 'parent') context.scheduleNext({ queue: 'q', key: 'e', at: far, payload: 'child' })
    }),
  )
  const run = async (key: string, payload: string, states: readonly Named[], last: Named): Promise<void> => {
    const allowed = beliefs.allowed.get(key)!
    const at = rig.now
    for (const state of states) allowed.add(state.replace('AT', String(at)))
    await through(() => schedule(key, at, payload))
    for (let look = 0; look < 200 && (await named(rig, key)) !== last.replace('AT', String(at)); look++) {
      await through(() => new Promise<void>((resolve) => machine.loop.schedule(0.5, resolve)))
    }
    allowed.clear()
    allowed.add(await named(rig, key))
    expect([...allowed]).toEqual([last.replace('AT', String(at))])
  }
  await run('c', 'ok', ['ok AT pending', 'ended'], 'ended')
  await run('d', 'fail', ['fail AT pending', 'fail AT dead'], 'fail AT dead')
  await run('e', 'parent', ['parent AT pending', `child ${far} pending`], `child ${far} pending`)
  await filler()
  fails = false
  const beforeRedrive = rig.now
  beliefs.allowed.get('d')!.add('ended')
  for (let ms = 0; ms < 50; ms++) beliefs.allowed.get('d')!.add(`fail ${beforeRedrive + ms} pending`)
  await through(() => rig.engine.deadLetters.redrive({ queue: 'q', key: 'd' }))
  for (let round = 0; round < 4; round++) await filler()
  expect(await named(rig, 'd')).toBe('ended')

  const { checkpoints } = await rig.run(() => rig.engine.stats())
  expect(checkpoints).toBeGreaterThan(1)
  expect(machine.keys.writeCount).toBeGreaterThan(3)
  expect(steps).toBeGreaterThan(200)
})

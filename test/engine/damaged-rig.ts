/** A directory with a bit of everything in it, closed, and what is in it: for tests that look into it, damage it or copy it. */

import type { ListedTask } from '../../src/model/hourwheel.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import { Rig } from './rig.ts'

const day = 86_400_000

export interface BusyDirectory {
  readonly rig: Rig
  /** Pending tasks, in fire order. */
  readonly live: readonly ListedTask[]
  readonly dead: readonly ListedTask[]
}

async function busyDirectory(seed: number, rounds = 60): Promise<BusyDirectory> {
  const rig = await Rig.open({}, { seed })
  await fill(rig, seed, rounds)
  const live = await rig.list(rig.engine.list({ state: 'pending' }))
  const dead = await rig.list(rig.engine.list({ state: 'dead' }))
  await rig.close()
  return { rig, live, dead }
}

const made = new Map<string, Promise<BusyDirectory>>()

/** The same directory, made once, on a machine of its own each time. */
export async function busyCopy(seed: number, rounds: number): Promise<BusyDirectory> {
  const key = `${seed} ${rounds}`
  let busy = made.get(key)
  if (busy === undefined) made.set(key, (busy = busyDirectory(seed, rounds)))
  const { rig, live, dead } = await busy
  return { rig: new Rig({}, rig.machine.fork('keepAll')), live, dead }
}

/** Schedules, cancels, moves, kills, redrives. */
export async function fill(rig: Rig, seed: number, rounds: number): Promise<void> {
  const random = new SeededRandom(seed)
  const ids: string[] = []
  const handle = await rig.run(() => rig.engine.handle('dying', (_task, context) => context.deadLetter('for the test')))
  for (let i = 0; i < rounds; i++) {
    const tasks = Array.from({ length: 20 }, (_, k) => ({
      queue: k % 2 === 0 ? 'a' : 'b',
      delay: day + random.below(90 * day),
      payload: 'x'.repeat(random.below(200)),
    }))
    ids.push(...(await rig.run(() => rig.engine.scheduleMany(tasks))).map(({ id }) => id))
    await rig.run(() => rig.engine.schedule({ queue: 'dying', delay: 0 }))
    await rig.run(() => rig.engine.cancel(random.pick(ids)))
    await rig.run(() => rig.engine.reschedule(random.pick(ids), { delay: day + random.below(90 * day) }))
    await rig.advance(500)
  }
  await rig.run(() => handle.stop())
}

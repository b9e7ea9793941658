/** A small engine on a simulated machine, and what scenarios do with it. */

import { jobs } from '../../src/engine/jobs.ts'
import { openEngineOn } from '../../src/engine/open.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { EngineOptions } from '../../src/model/engine.ts'
import type { ListedTask } from '../../src/model/hourwheel.ts'
import { SimulatedMachine, type SimulatedMachineOptions } from '../../src/testing/simulated-platform.ts'

export const hourMs = 3_600_000
/** An hour begins here: 2027-01-15T08:00:00Z. */
export const startMs = 1_800_000_000_000

const options: EngineOptions = {
  dir: '/data',
  walFileBytes: 8 << 10,
  walFilesMax: 1,
  nearBytesMax: 256 << 10,
  ahead: '10m',
  clock: { forwardJumpMax: '1d', downtimeMax: '400d' },
}

export function place(more: Partial<SimulatedMachineOptions> = {}): Promise<SimulatedMachine> {
  return Promise.resolve(
    new SimulatedMachine({
      seed: 1,
      jobs,
      wallMs: startMs,
      ...more,
      disk: { shortChance: 0, slowSyncChance: 0, ...more.disk },
    }),
  )
}

export function open(machine: SimulatedMachine, more: Partial<EngineOptions> = {}): Promise<Engine> {
  return openEngineOn(machine.platform, { ...options, ...more })
}

export function openIn(machine: SimulatedMachine, more: Partial<EngineOptions> = {}): Promise<Engine> {
  return machine.loop.run(open(machine, more))
}

/** Opens an engine and schedules tasks an hour ahead, one after the other, so that the log has a frame each. */
export async function scheduleSome(machine: SimulatedMachine, count: number): Promise<string[]> {
  const engine = await openIn(machine, { walFileBytes: 64 << 10 })
  const ids: string[] = []
  for (let n = 0; n < count; n++) {
    const { id } = await machine.loop.run(engine.schedule({ queue: 'mail', delay: '1h', payload: { n } }))
    ids.push(id)
  }
  return ids
}

/** Fills log files until the engine has made so many checkpoints more. */
export async function checkpoints(machine: SimulatedMachine, engine: Engine, count: number): Promise<void> {
  const before = (await machine.loop.run(engine.stats())).checkpoints
  for (let n = 0; n < 40 * count; n++) {
    const filler = Array.from({ length: 10 }, () => ({ queue: 'filler', delay: '300d', payload: 'x'.repeat(100) }))
    await machine.loop.run(engine.scheduleMany(filler))
    await machine.loop.advanceBy(20)
    if ((await machine.loop.run(engine.stats())).checkpoints >= before + count) return
  }
  throw new Error('no checkpoint was made')
}

export async function listAll(machine: SimulatedMachine, engine: Engine): Promise<ListedTask[]> {
  return machine.loop.run(async () => {
    const all: ListedTask[] = []
    for await (const task of engine.list()) if (task.queue !== 'filler') all.push(task)
    return all
  })
}

/** Counters, calendar and listing must tell the same. */
export async function contradictions(machine: SimulatedMachine, engine: Engine): Promise<string[]> {
  const found: string[] = []
  const listed: ListedTask[] = []
  await machine.loop.run(async () => {
    for await (const task of engine.list()) listed.push(task)
  })
  const { total, conservation } = await machine.loop.run(engine.stats())
  const count = (state: string): number => listed.filter((task) => task.state === state).length
  if (conservation !== 0) found.push(`the sum is ${conservation}`)
  for (const state of ['pending', 'leased', 'dead'] as const) {
    if (total[state] !== count(state)) found.push(`${total[state]} ${state} counted, ${count(state)} listed`)
  }
  const calendar = await machine.loop.run(engine.calendar())
  const sum = calendar.reduce((all, { pending }) => all + pending, 0)
  if (sum !== total.pending + total.leased) found.push(`${sum} in the calendar, ${total.pending + total.leased} live`)
  return found
}

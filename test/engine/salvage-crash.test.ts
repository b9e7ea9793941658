/** A salvage that is cut short at any step of the disk: what was there before, or what it made, and it can be done again. */

import { expect, test } from 'vitest'
import { salvageDirectory } from '../../src/engine/salvage/salvage.ts'
import { verifyDirectory } from '../../src/engine/verify.ts'
import type { ListedTask } from '../../src/model/hourwheel.ts'
import { decodeId } from '../../src/model/ids.ts'
import type { CrashPolicy } from '../../src/testing/disk-model.ts'
import type { SimulatedMachine } from '../../src/testing/simulated-platform.ts'
import { busyCopy } from './damaged-rig.ts'
import { Rig } from './rig.ts'

/** HOURWHEEL_CRASHES=all crashes after every step, in every way. */
const isThorough = process.env['HOURWHEEL_CRASHES'] === 'all'
const policies: readonly CrashPolicy[] = ['loseAll', 'keepAll', 'random', { keepFirst: 1 }]

interface Crash {
  readonly step: string
  readonly machine: SimulatedMachine
}

const content = ({ id, queue, fireAt, payload }: ListedTask): string => {
  const { homeHour, ordinal } = decodeId(id)!
  return JSON.stringify([homeHour, ordinal, queue, fireAt, payload])
}

const damages: readonly (readonly [string, (machine: SimulatedMachine, names: readonly string[]) => void])[] = [
  [
    'a damaged segment',
    ({ disk }, names) => disk.corrupt(`/data/${names.find((name) => name.startsWith('seg-'))}`, 68, Buffer.from([9])),
  ],
  ['no manifest', ({ disk }) => disk.install('/data/MANIFEST', undefined)],
]

test.each(damages)('with %s', { timeout: 600_000 }, async (_what, damage) => {
  const { rig, live, dead } = await busyCopy(21, 8)
  const { machine } = rig
  damage(machine, await rig.run(() => machine.disk.list('/data')))
  const crashes: Crash[] = []
  let steps = 0
  machine.disk.calls.onDone = ({ operation, path }) => {
    if (operation === 'read' || operation === 'stat' || operation === 'size' || operation === 'open') return
    steps++
    for (const [index, policy] of policies.entries()) {
      if (!isThorough && (steps + index) % 31 !== 0) continue
      crashes.push({ step: `${operation} ${path}, ${JSON.stringify(policy)}`, machine: machine.fork(policy) })
    }
  }
  await rig.run(() => salvageDirectory(machine.platform, '/data'))
  machine.disk.calls.onDone = undefined
  expect(crashes.length).toBeGreaterThan(8)
  for (const { step, machine: left } of crashes) {
    const after = new Rig({}, left)
    const check = (): Promise<string[]> =>
      after.run(async () => (await verifyDirectory(left.platform, '/data')).problems.map(({ what }) => what))
    const before = await check()
    // It was published, or it was not: done again, it ends the same.
    if (before.length > 0) {
      await after.run(() => salvageDirectory(left.platform, '/data'))
      expect([step, await check()]).toEqual([step, []])
    }
    await after.reopen()
    const found = await after.list(after.engine.list())
    const wanted = [...live, ...dead].map(content).sort()
    expect([step, found.map(content).sort()]).toEqual([step, wanted])
    await after.close()
    expect([step, left.disk.model.files().filter((path) => path.includes('salvage-stage'))]).toEqual([step, []])
  }
})

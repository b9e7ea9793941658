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
      if (!isThorough && (steps + index) % 67 !== 0) continue
      crashes.push({ step: `${operation} ${path}, ${JSON.stringify(policy)}`, machine: machine.fork(policy) })
    }
  }
  await rig.run(() => salvageDirectory(machine.platform, '/data'))
  machine.disk.calls.onDone = undefined
  expect(crashes.length).toBeGreaterThan(4)
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

test(
  'a full disk, and an error of it, leave the old in place; it can be done again',
  { timeout: 600_000 },
  async () => {
    const faults = [
      { on: 'write', code: 'ENOSPC' },
      { on: 'sync', code: 'EIO' },
      { on: 'rename', code: 'EIO' },
      { on: 'syncDirectory', code: 'EIO' },
      { on: 'create', code: 'EMFILE' },
    ] as const
    for (const [index, fault] of faults.entries()) {
      for (const first of [1, 7 + index, 20]) {
        const { rig, live, dead } = await busyCopy(21, 8)
        const { disk, platform } = rig.machine
        damages[0]![1](rig.machine, await rig.run(() => disk.list('/data')))
        disk.faults.add({ ...fault, first })
        const made = await rig.run(() => salvageDirectory(platform, '/data').catch((error: unknown) => error as Error))
        // Fewer of these calls than that.
        if (!(made instanceof Error)) continue
        disk.faults.clear()
        // What a failed sync of a directory leaves is known after a power cut.
        rig.machine.crash('keepAll')
        const problems = (): Promise<number> =>
          rig.run(async () => (await verifyDirectory(rig.machine.platform, '/data')).problems.length)
        if ((await problems()) > 0) await rig.run(() => salvageDirectory(rig.machine.platform, '/data'))
        expect([fault, await problems()]).toEqual([fault, 0])
        await rig.reopen()
        expect((await rig.list(rig.engine.list())).map(content).sort()).toEqual([...live, ...dead].map(content).sort())
        await rig.close()
      }
    }
  },
)

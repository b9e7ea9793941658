import * as fs from 'node:fs'
import { expect, test } from 'vitest'
import { createKeyViews } from '../../src/platform/node/lmdb-key-view.ts'
import { SimulatedMachine } from '../../src/testing/simulated-platform.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { hold, keyViewContract, type ViewsUnderTest } from './key-view-contract.ts'

async function real(): Promise<ViewsUnderTest> {
  const views = createKeyViews()
  return {
    open: views.open,
    path: `${temporaryDirectory()}/keys.mdb`,
    run: (work) => work(),
    close: () => views.close(),
  }
}

async function simulated(): Promise<ViewsUnderTest> {
  const { loop, keys } = new SimulatedMachine({ seed: 5 })
  const run: ViewsUnderTest['run'] = (work) => loop.run(work)
  return { open: keys.open.bind(keys), path: '/keys.mdb', run, close: () => Promise.resolve() }
}

test.each(keyViewContract)('LMDB: %s', (_outcome, check) => hold(check, real))
test.each(keyViewContract)('in simulation: %s', (_outcome, check) => hold(check, simulated))

test('LMDB: its files are for their owner only', async () => {
  const { open, path: file, close } = await real()
  await open(file, 1, 'anew')
  for (const name of [file, `${file}-lock`]) expect(fs.statSync(name).mode & 0o777).toBe(0o600)
  await close()
})

test.each([
  ['empty', Buffer.alloc(0)],
  ['zeros', Buffer.alloc(65_536)],
  ['text', Buffer.from('this is no view of keys\n'.repeat(1_000))],
])('LMDB: a file of %s is none, and makes room for a new one', async (_what, bytes) => {
  const { open, path: file, close } = await real()
  fs.writeFileSync(file, bytes)
  expect(await open(file, 1, 'existing')).toBeUndefined()
  const view = await open(file, 1, 'anew')
  await view.write([{ queue: 1, key: 'a', entry: { id: 3, end: undefined } }], 1)
  expect(view.get(1, 'a')?.id).toBe(3)
  await close()
})

test('a power cut in the middle of a write leaves a simulated one with all of it, some of the changes, or nothing', async () => {
  const outcomes = new Set<string>()
  for (let seed = 0; seed < 60; seed++) {
    const machine = new SimulatedMachine({ seed })
    const view = await machine.loop.run(() => machine.platform.openKeyView('/keys.mdb', 1, 'anew'))
    const entry = { id: 3, end: undefined }
    const settled: string[] = []
    void view
      .write(
        ['a', 'b'].map((key) => ({ queue: 1, key, entry })),
        9,
      )
      .then(() => settled.push('written'))
    machine.crash('random')
    const again = (await machine.loop.run(() => machine.platform.openKeyView('/keys.mdb', 1, 'existing')))!
    const found = ['a', 'b'].filter((key) => again.get(1, key)?.id === 3).length
    if (again.lsn === 9) expect(found).toBe(2)
    await machine.loop.advanceBy(10)
    expect(settled).toEqual([])
    outcomes.add(`${again.lsn} ${found}`)
  }
  expect(outcomes).toEqual(new Set(['0 0', '0 1', '0 2', '9 2']))
})

/** What a simulated power cut leaves: never less than was synced, and everything else that a real one might. */

import { expect, test } from 'vitest'
import type { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { codeOf } from '../platform/disk-contract.ts'
import { filled, machineOf, syncedFile } from './rig.ts'

/** Contents that so many random crashes leave of a file; 'missing' if it has no name. */
function outcomes(disk: SimulatedDisk, path: string, crashes = 400): Set<string> {
  const seen = new Set<string>()
  for (let crash = 0; crash < crashes; crash++) {
    const left = disk.fork('random')
    seen.add(left.model.find(path) === undefined ? 'missing' : summary(left.contents(path)))
  }
  return seen
}

/** Runs of equal bytes: `1x512 0x512`. */
function summary(content: Uint8Array): string {
  const runs: string[] = []
  for (let from = 0; from < content.length;) {
    let to = from
    while (to < content.length && content[to] === content[from]) to++
    runs.push(`${content[from]}x${to - from}`)
    from = to
  }
  return runs.join(' ')
}

test('what was synced survives every crash', async () => {
  const { disk, loop } = machineOf()
  await loop.run(() => syncedFile(disk, '/f', filled(1, 1500)))
  expect([...outcomes(disk, '/f')]).toEqual(['1x1500'])
})

test('an unsynced overwrite leaves any mix of old and new sectors, torn ones too, and no zeros', async () => {
  const { disk, loop } = machineOf()
  await loop.run(async () => {
    const file = await syncedFile(disk, '/f', filled(1, 1024))
    await file.write(filled(2, 1024), 0)
  })
  const seen = outcomes(disk, '/f')
  for (const whole of ['1x1024', '2x1024', '1x512 2x512', '2x512 1x512']) expect(seen).toContain(whole)
  expect(seen.size).toBeGreaterThan(20)
  for (const each of seen) expect(each).toMatch(/^[12x\d ]+$/)
  expect([...seen].some((each) => /\b0x/.test(each))).toBe(false)
})

test('an unsynced append leaves a short file, zeros at full length, or holes', async () => {
  const { disk, loop } = machineOf()
  await loop.run(async () => {
    const file = await syncedFile(disk, '/f', filled(1, 512))
    await file.write(filled(2, 1024), 512)
  })
  const seen = outcomes(disk, '/f', 1000)
  for (const each of [
    '1x512',
    '1x512 2x1024',
    '1x512 0x1024',
    '1x512 2x512',
    '1x512 0x512 2x512',
    '1x512 2x512 0x512',
  ]) {
    expect(seen).toContain(each)
  }
  for (const each of seen) expect(each.startsWith('1x512')).toBe(true)
})

test('bytes synced before stay when the same sector is written on', async () => {
  const { disk, loop } = machineOf()
  await loop.run(async () => {
    const file = await syncedFile(disk, '/f', filled(1, 100))
    await file.write(filled(2, 50), 100)
    await file.write(filled(3, 50), 150)
  })
  for (const each of outcomes(disk, '/f')) expect(each.startsWith('1x100')).toBe(true)
  expect(outcomes(disk, '/f')).toContain('1x100 2x50')
})

test('an unsynced truncate may be undone, and what it cut does not shine through zeros', async () => {
  const { disk, loop } = machineOf()
  await loop.run(async () => {
    const file = await syncedFile(disk, '/f', filled(1, 1536))
    await file.truncate(512)
    await file.truncate(1536)
  })
  const seen = outcomes(disk, '/f')
  for (const each of ['1x1536', '1x512', '1x512 0x1024']) expect(seen).toContain(each)
  expect([...seen].filter((each) => /0x\d+ 1x/.test(each))).toEqual([])
})

test('policies without chance: all lost, all kept, and every prefix in between', async () => {
  const { disk, loop } = machineOf()
  await loop.run(async () => {
    const file = await syncedFile(disk, '/f', filled(1, 10))
    await file.write(filled(2, 10), 0)
    await file.write(filled(3, 10), 10)
    await disk.rename('/f', '/g')
  })
  const left = (disk: SimulatedDisk): string =>
    disk.model
      .files()
      .map((path) => `${path} ${summary(disk.contents(path))}`)
      .join()
  expect(left(disk.fork('loseAll'))).toBe('/f 1x10')
  expect(left(disk.fork('keepAll'))).toBe('/g 2x10 3x10')
  expect(disk.unsyncedCount()).toBe(3)
  const prefixes = [0, 1, 2, 3].map((keepFirst) => left(disk.fork({ keepFirst })))
  expect(prefixes).toEqual(['/f 1x10', '/f 2x10', '/f 2x10 3x10', '/g 2x10 3x10'])
})

test('a created file may be missing until its directory is synced, whatever was synced in it', async () => {
  const { disk, loop } = machineOf()
  await loop.run(async () => {
    await disk.makeDirectory('/d')
    await disk.syncDirectory('/')
    const file = await disk.open('/d/f', 'create')
    await file.write(filled(1, 10), 0)
    await file.sync()
  })
  expect(outcomes(disk, '/d/f')).toEqual(new Set(['missing', '1x10']))
  await loop.run(() => disk.syncDirectory('/d'))
  expect(outcomes(disk, '/d/f')).toEqual(new Set(['1x10']))
})

test('an unlinked file may come back, and a new one of its name only after it is gone', async () => {
  const { disk, loop } = machineOf()
  await loop.run(async () => {
    await syncedFile(disk, '/f', filled(1, 10))
    await disk.remove('/f')
    const file = await disk.open('/f', 'create')
    await file.write(filled(2, 10), 0)
    await file.sync()
  })
  expect(outcomes(disk, '/f')).toEqual(new Set(['1x10', 'missing', '2x10']))
})

test('an unsynced rename over a file leaves the old or the new one, and an empty one if the new was not synced', async () => {
  for (const isSynced of [true, false]) {
    const { disk, loop } = machineOf()
    await loop.run(async () => {
      await syncedFile(disk, '/f', filled(1, 10))
      const file = await disk.open('/f.tmp', 'create')
      await file.write(filled(2, 10), 0)
      if (isSynced) await file.sync()
      await disk.rename('/f.tmp', '/f')
    })
    const seen = outcomes(disk, '/f')
    for (const each of ['1x10', '2x10']) expect(seen).toContain(each)
    expect(seen.has('')).toBe(!isSynced)
    if (isSynced) expect(seen.size).toBe(2)
  }
})

test('a move to another directory never loses the file, and may leave both names', async () => {
  const { disk, loop } = machineOf()
  await loop.run(async () => {
    await disk.makeDirectory('/q')
    await syncedFile(disk, '/f', filled(1, 10))
    await disk.rename('/f', '/q/f')
  })
  const seen = new Set<string>()
  for (let crash = 0; crash < 200; crash++) seen.add(disk.fork('random').model.files().join(' '))
  expect(seen).toEqual(new Set(['/f', '/q/f', '/f /q/f']))
  const gone = disk.fork('keepAll')
  await loop.run(() => disk.syncDirectory('/'))
  for (let crash = 0; crash < 50; crash++) expect(disk.fork('random').model.files()).toEqual(gone.model.files())
})

test('after a failed sync all looks well until the crash, and the bytes are gone', async () => {
  const { disk, loop } = machineOf()
  await loop.run(async () => {
    const file = await syncedFile(disk, '/f', filled(1, 1024))
    await file.write(filled(2, 512), 0)
    disk.faults.add({ on: 'sync', code: 'EIO' })
    expect(await codeOf(file.sync())).toBe('EIO')
    expect(await codeOf(file.sync())).toBe('none')
    const into = new Uint8Array(1024)
    await file.read(into, 0)
    expect(summary(into)).toBe('2x512 1x512')
    await file.write(filled(3, 512), 512)
    await file.sync()
  })
  expect(summary(disk.fork('keepAll').contents('/f'))).toBe('1x512 3x512')
})

test('after a failed directory sync the next one says it is good, and the names are gone', async () => {
  const { disk, loop } = machineOf()
  await loop.run(async () => {
    await disk.open('/f', 'create')
    disk.faults.add({ on: 'syncDirectory', code: 'EIO' })
    expect(await codeOf(disk.syncDirectory('/'))).toBe('EIO')
    expect(await codeOf(disk.syncDirectory('/'))).toBe('none')
    expect(await disk.list('/')).toEqual(['f'])
    await disk.rename('/f', '/g')
    await disk.syncDirectory('/')
  })
  expect(disk.fork('keepAll').model.files()).toEqual([])
})

test('planted lies lose what an honest disk keeps', async () => {
  for (const lie of ['syncDoesNothing', 'directorySyncDoesNothing'] as const) {
    const { disk, loop } = machineOf({ disk: { lies: [lie] } })
    await loop.run(() => syncedFile(disk, '/f', filled(1, 10)))
    const left = disk.fork('loseAll')
    expect(left.model.files()).toEqual(lie === 'syncDoesNothing' ? ['/f'] : [])
    if (lie === 'syncDoesNothing') expect(left.contents('/f')).toHaveLength(0)
  }
})

test('damage is there for readers and after every crash', async () => {
  const { disk, loop } = machineOf()
  await loop.run(async () => {
    const file = await syncedFile(disk, '/f', filled(1, 1024))
    await file.write(filled(2, 512), 0)
    disk.corrupt('/f', 100, filled(9, 2))
    const into = new Uint8Array(102)
    await file.read(into, 0)
    expect(summary(into)).toBe('2x100 9x2')
  })
  for (const policy of ['loseAll', 'keepAll', 'random'] as const) {
    expect([...disk.fork(policy).contents('/f').subarray(100, 102)]).toEqual([9, 9])
  }
  disk.install('/g/h', filled(4, 3))
  disk.install('/f', undefined)
  expect(disk.fork('loseAll').model.files()).toEqual(['/g/h'])
})

test('forks are worlds of their own', async () => {
  const machine = machineOf()
  await machine.loop.run(() => syncedFile(machine.disk, '/f', filled(1, 600)))
  const fork = machine.fork('keepAll')
  const write = async (value: number, { disk, loop } = machine): Promise<void> => {
    await loop.run(async () => {
      const file = await disk.open('/f', 'write')
      await file.write(filled(value, 5), 0)
      await file.sync()
    })
  }
  await write(2)
  await write(3, fork)
  expect(summary(machine.disk.contents('/f'))).toBe('2x5 1x595')
  expect(summary(fork.disk.contents('/f'))).toBe('3x5 1x595')
  expect(fork.clock.wallMs()).toBeGreaterThanOrEqual(machine.clock.wallMs() - 60_000)
})

test('a write under way at the crash may land whole, in part or not at all', async () => {
  const seen = new Set<number>()
  for (let seed = 0; seed < 200; seed++) {
    const machine = machineOf({ seed })
    const file = await machine.loop.run(() => syncedFile(machine.disk, '/f', filled(1, 2000)))
    void file.write(filled(2, 2000), 0)
    machine.kill()
    seen.add(machine.disk.contents('/f').filter((value) => value === 2).length)
  }
  expect(seen).toContain(0)
  expect(seen).toContain(2000)
  expect(seen.size).toBeGreaterThan(10)
})

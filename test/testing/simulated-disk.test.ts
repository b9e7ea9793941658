import { expect, test } from 'vitest'
import { bytes, codeOf, diskContract, type DiskUnderTest, hold } from '../platform/disk-contract.ts'
import { filled, machineOf, syncedFile } from './rig.ts'

function make(): Promise<DiskUnderTest> {
  const machine = machineOf()
  machine.disk.model.makeDirectory('/data')
  const { disk } = machine
  return Promise.resolve({
    disk,
    directory: '/data',
    run: (work) => machine.loop.run(work),
    close: () => Promise.resolve(),
  })
}

test.each(diskContract)('%s', (_outcome, check) => hold(check, make, {}))

test('the same seed gives the same instants, calls and bytes after a crash', async () => {
  const run = async (seed: number): Promise<string> => {
    const machine = machineOf({ seed, disk: { shortChance: 0.2, slowSyncChance: 0.1 } })
    const { disk, loop } = machine
    await loop.run(async () => {
      await disk.makeDirectory('/d')
      for (let number = 0; number < 5; number++) {
        const file = await disk.open(`/d/${number}`, 'create')
        for (let at = 0; at < 20; at++) {
          await file.write(machine.random.bytes(300), at * 300)
          if (machine.random.chance(0.3)) await file.sync()
        }
        if (machine.random.chance(0.5)) await disk.syncDirectory('/d')
      }
    })
    machine.crash('random')
    const left = machine.disk.model.files().map((path) => [path, [...machine.disk.contents(path)]])
    return JSON.stringify([loop.nowMs, loop.eventsRun, disk.calls.done, left])
  }
  expect(await run(3)).toBe(await run(3))
  expect(await run(3)).not.toBe(await run(4))
})

test('a write returns while an older sync runs, and that sync does not cover it', async () => {
  const { disk, loop } = machineOf()
  disk.faults.add({ on: 'sync', delayMs: 500 })
  await loop.run(async () => {
    const file = await disk.open('/f', 'create')
    await disk.syncDirectory('/')
    await file.write(filled(1, 1000), 0)
    const sync = file.sync()
    await file.write(filled(2, 1000), 2000)
    expect(loop.nowMs).toBeLessThan(100)
    await sync
    expect(loop.nowMs).toBeGreaterThan(500)
  })
  const after = disk.crash('loseAll')
  expect([...after.contents('/f')]).toEqual([...filled(1, 1000)])
})

test('a sync covers the writes made before it that nobody waited for', async () => {
  const { disk, loop } = machineOf()
  await loop.run(async () => {
    const file = await disk.open('/f', 'create')
    const calls = [file.write(bytes(1), 0), file.write(bytes(2), 1), disk.syncDirectory('/'), file.sync()]
    await Promise.all(calls)
  })
  expect([...disk.crash('loseAll').contents('/f')]).toEqual([1, 2])
})

test('bytes that change before their write settles are noticed', async () => {
  const { disk, loop } = machineOf()
  const from = filled(1, 100)
  await expect(
    loop.run(async () => {
      const file = await disk.open('/f', 'create')
      const write = file.write(from, 0)
      from[50] = 2
      await write
    }),
  ).rejects.toThrow('changed before their write settled')
})

test('faults hit the calls they are planned for', async () => {
  const { disk, loop } = machineOf()
  await loop.run(async () => {
    const file = await disk.open('/wal-1', 'create')
    const other = await disk.open('/seg-1', 'create')
    disk.faults.add({ on: 'write', path: /wal/, first: 2, code: 'EIO' })
    disk.faults.add({ on: ['rename', 'remove'], times: Infinity, code: 'ENOSPC' })
    disk.faults.add({ on: 'read', path: /seg/, short: 3 })
    expect(await codeOf(file.write(bytes(1), 0))).toBe('none')
    expect(await codeOf(other.write(bytes(1, 2, 3, 4, 5), 0))).toBe('none')
    expect(await codeOf(file.write(bytes(1), 1))).toBe('EIO')
    expect(await codeOf(file.write(bytes(1), 1))).toBe('none')
    expect(await codeOf(disk.rename('/wal-1', '/x'))).toBe('ENOSPC')
    expect(await codeOf(disk.remove('/wal-1'))).toBe('ENOSPC')
    expect(await other.read(new Uint8Array(5), 0)).toBe(3)
    expect(await other.read(new Uint8Array(5), 0)).toBe(5)
    expect(await disk.list('/')).toEqual(['seg-1', 'wal-1'])
    expect(disk.faults.hits).toBe(4)
  })
})

test('a lying write says it wrote and did not', async () => {
  const { disk, loop } = machineOf()
  await loop.run(async () => {
    const file = await disk.open('/f', 'create')
    disk.faults.add({ on: 'write', short: 4, lie: true })
    expect(await file.write(filled(1, 10), 0)).toBe(4)
    expect(await file.size()).toBe(0)
  })
})

test('a full disk writes what fits, then nothing, and overwriting still works', async () => {
  const { disk, loop } = machineOf({ disk: { capacityBytes: 2048 } })
  await loop.run(async () => {
    const file = await disk.open('/f', 'create')
    expect(await file.write(filled(1, 3000), 0)).toBe(2048)
    expect(await codeOf(file.write(filled(1, 10), 2048))).toBe('ENOSPC')
    expect(await file.write(filled(2, 2048), 0)).toBe(2048)
    const other = await disk.open('/g', 'create')
    expect(await codeOf(other.write(bytes(1), 0))).toBe('ENOSPC')
    await disk.remove('/f')
    expect(await codeOf(other.write(bytes(1), 0))).toBe('ENOSPC')
    await file.close()
    expect(await other.write(filled(3, 2000), 0)).toBe(2000)
    disk.capacityBytes = 1e6
    expect(await other.write(filled(3, 2000), 2000)).toBe(2000)
  })
})

test('too many open files give EMFILE until one is closed', async () => {
  const { disk, loop } = machineOf({ disk: { openFilesMax: 2 } })
  await loop.run(async () => {
    const first = await disk.open('/a', 'create')
    await disk.open('/b', 'create')
    expect(await codeOf(disk.open('/c', 'create'))).toBe('EMFILE')
    await first.close()
    expect(await codeOf(disk.open('/c', 'create'))).toBe('none')
  })
})

test('every call can be the last: what comes after is another life', async () => {
  const { disk, loop } = machineOf()
  const seen: string[] = []
  disk.calls.onDone = (call) => seen.push(`${call.number} ${call.operation} ${call.path} ${call.code ?? 'ok'}`)
  await loop.run(async () => {
    const file = await disk.open('/f', 'create')
    await file.write(bytes(1), 0)
    await codeOf(disk.remove('/none'))
    await file.sync()
  })
  expect(seen).toEqual(['1 create /f ok', '2 write /f ok', '3 remove /none ENOENT', '4 sync /f ok'])
})

test('forks do not change what happens in the life they come from', async () => {
  const run = async (forks: number): Promise<number> => {
    const machine = machineOf({ seed: 5, disk: { shortChance: 0.3, slowSyncChance: 0.1 } })
    await machine.loop.run(async () => {
      const file = await machine.disk.open('/f', 'create')
      for (let at = 0; at < 50; at++) {
        await file.write(filled(at, 700), at * 700)
        if (at % 3 === 0) await file.sync()
        for (let fork = 0; fork < forks; fork++) machine.fork('random')
      }
    })
    return machine.loop.nowMs
  }
  expect(await run(3)).toBe(await run(0))
})

test('after a crash the old life gets no answers and touches nothing', async () => {
  const machine = machineOf()
  const { disk, platform, loop } = machine
  const file = await loop.run(() => syncedFile(disk, '/f', bytes(1)))
  let answered = 0
  const count = (): void => void answered++
  platform.clock.setTimer(1, count)
  platform.clock.soon(count)
  void file.write(bytes(9), 0).then(count, count)
  void platform.threads.run('none', 0).then(count, count)
  machine.crash('loseAll')
  void file.write(bytes(9), 0).then(count, count)
  void disk.remove('/f').then(count, count)
  platform.clock.setTimer(1, count)
  platform.clock.soon(count)
  void platform.threads.run('none', 0).then(count, count)
  await loop.advanceBy(10_000)
  expect(answered).toBe(0)
  expect([...machine.disk.contents('/f')]).toEqual([1])
})

test('a killed process leaves what it wrote, synced or not, and its locks', async () => {
  const machine = machineOf()
  await machine.loop.run(async () => {
    const { platform } = machine
    await platform.lockDirectory('/')
    expect('heldBy' in (await platform.lockDirectory('/'))).toBe(true)
    const file = await platform.disk.open('/f', 'create')
    await file.write(bytes(1, 2), 0)
  })
  machine.kill()
  expect([...machine.disk.contents('/f')]).toEqual([1, 2])
  await machine.loop.run(async () => {
    expect('heldBy' in (await machine.platform.lockDirectory('/'))).toBe(false)
  })
  machine.crash('loseAll')
  expect(machine.disk.model.files()).toEqual([])
})

test('jobs run on copies, and their failures keep their code', async () => {
  const input = { list: [1] }
  const machine = machineOf({
    jobs: {
      push: async (disk, _random, given) => {
        await disk.makeDirectory('/made')
        const { list } = given as typeof input
        list.push(2)
        return list
      },
      fail: () => Promise.reject(Object.assign(new Error('no'), { code: 'HW_TEST' })),
    },
  })
  await machine.loop.run(async () => {
    const { threads, disk } = machine.platform
    expect(await threads.run('push', input)).toEqual([1, 2])
    expect(input.list).toEqual([1])
    expect(await disk.list('/')).toEqual(['made'])
    expect(await codeOf(threads.run('fail', 0))).toBe('HW_TEST')
    expect(await codeOf(threads.run('none', 0))).toBe('NO_SUCH_JOB')
    await threads.close()
    expect(await codeOf(threads.run('push', input))).toBe('THREADS_CLOSED')
  })
})

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { expect, test } from 'vitest'
// Threads run from compiled code only.
import { createNodeDisk } from '../../dist/platform/node/node-disk.js'
import { temporaryDirectory } from '../temporary-directory.ts'
import { bytes, codeOf, diskContract, type DiskUnderTest, hold } from './disk-contract.ts'

function make(): Promise<DiskUnderTest> {
  const disk = createNodeDisk()
  const directory = temporaryDirectory()
  return Promise.resolve({ disk, directory, run: (work) => work(), close: () => disk.close() })
}

test.each(diskContract)('through the pool: %s', (_outcome, check) => hold(check, make, {}))
test.each(diskContract)('in threads: %s', (_outcome, check) => hold(check, make, { dedicatedThread: true }))

test('files and directories are for their owner only, and links are not followed', async () => {
  const disk = createNodeDisk()
  const directory = temporaryDirectory()
  await disk.makeDirectory(`${directory}/d`)
  await (await disk.open(`${directory}/d/f`, 'create')).close()
  expect(fs.statSync(`${directory}/d`).mode & 0o777).toBe(0o700)
  expect(fs.statSync(`${directory}/d/f`).mode & 0o777).toBe(0o600)
  fs.symlinkSync(`${directory}/d/f`, `${directory}/to-file`)
  fs.symlinkSync(`${directory}/d`, `${directory}/to-directory`)
  expect(await codeOf(disk.open(`${directory}/to-file`, 'read'))).toBe('ELOOP')
  expect((await disk.stat(`${directory}/to-file`))?.kind).toBe('other')
  expect((await disk.stat(`${directory}/to-directory`))?.kind).toBe('directory')
  fs.chmodSync(`${directory}/d`, 0o777)
  expect((await disk.stat(`${directory}/d`))?.worldWritable).toBe(true)
  await disk.close()
})

test('bytes that are not shared memory are copied when the call is made', async () => {
  const disk = createNodeDisk()
  const file = await disk.open(`${temporaryDirectory()}/f`, 'create', { dedicatedThread: true })
  const from = bytes(1, 2, 3)
  const write = file.write(from, 0)
  from.fill(9)
  await write
  const into = new Uint8Array(3)
  await file.read(into, 0)
  expect([...into]).toEqual([1, 2, 3])
  await file.close()
  await disk.close()
})

test('many files one after the other share the threads that are there', async () => {
  const disk = createNodeDisk()
  const directory = temporaryDirectory()
  for (let round = 0; round < 20; round++) {
    const file = await disk.open(`${directory}/${round}`, 'create', { dedicatedThread: true })
    const calls: Promise<unknown>[] = []
    for (let at = 0; at < 20; at++) calls.push(file.write(bytes(round, at), at * 2), file.sync())
    await Promise.all(calls)
    await file.close()
  }
  for (let round = 0; round < 20; round++) expect(fs.readFileSync(`${directory}/${round}`)[38]).toBe(round)
  await disk.close()
})

test('a closed disk opens nothing in threads, and closing it again is no error', async () => {
  const disk = createNodeDisk()
  const directory = temporaryDirectory()
  const file = await disk.open(`${directory}/f`, 'create', { dedicatedThread: true })
  const write = file.write(bytes(1), 0)
  await disk.close()
  await disk.close()
  expect(await write).toBe(1)
  expect(await codeOf(file.sync())).toBe('EBADF')
  await file.close()
  expect(await codeOf(disk.open(`${directory}/f`, 'read', { dedicatedThread: true }))).toBe('EBADF')
})

test('the death of a thread fails the calls of its file, and only those', async () => {
  // From the sources the thread's module does not exist: it dies while it starts.
  const { createNodeDisk } = await import('../../src/platform/node/node-disk.ts')
  const disk = createNodeDisk()
  const directory = temporaryDirectory()
  const file = await disk.open(`${directory}/f`, 'create', { dedicatedThread: true })
  const calls = [file.write(bytes(1), 0), file.sync()].map(codeOf)
  expect(await Promise.all(calls)).toEqual(['THREAD_DIED', 'THREAD_DIED'])
  expect(await codeOf(file.size())).toBe('THREAD_DIED')
  await file.close()
  const other = await disk.open(`${directory}/f`, 'write')
  expect(await other.write(bytes(1), 0)).toBe(1)
  await other.close()
  await disk.close()
})

function runScript(script: string): { status: number | null; stdout: string } {
  const module = new URL('../../dist/platform/node/node-disk.js', import.meta.url).href
  const source = `import { createNodeDisk } from ${JSON.stringify(module)}
    const directory = ${JSON.stringify(temporaryDirectory())}
    const disk = createNodeDisk()
    ${script}`
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    encoding: 'utf8',
    timeout: 10_000,
  })
  return { status, stdout }
}

test('an open file with nothing to do does not keep the process running', () => {
  const { status, stdout } = runScript(`
    const file = await disk.open(directory + '/f', 'create', { dedicatedThread: true })
    await file.write(new Uint8Array(3), 0)
    await file.sync()
    console.log('done')`)
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'done\n' })
})

test('calls under way keep the process running until they are answered', () => {
  const { status, stdout } = runScript(`
    const file = await disk.open(directory + '/f', 'create', { dedicatedThread: true })
    file.write(new Uint8Array(1 << 20), 0)
    file.sync().then(() => console.log('synced'))`)
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'synced\n' })
})

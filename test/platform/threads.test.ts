import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { afterAll, expect, test } from 'vitest'
// Threads run from compiled code only.
import { createNodeThreads } from '../../dist/platform/node/threads.js'
import { temporaryDirectory } from '../temporary-directory.ts'
import { codeOf } from './disk-contract.ts'

const jobsModule = new URL('./jobs-sample.mjs', import.meta.url)
const threads = createNodeThreads(jobsModule)
afterAll(() => threads.close())

test('a job runs in a thread with a disk and random numbers of its own', async () => {
  const directory = temporaryDirectory()
  const input = { path: `${directory}/f`, value: 7 }
  const result = (await threads.run('writeAndRead', input)) as { bytes: Uint8Array; unit: number }
  expect([...result.bytes]).toEqual([7])
  expect(result.unit).toBeLessThan(1)
  expect([...fs.readFileSync(`${directory}/f`)]).toEqual([7])
})

test('input is copied and stays usable, shared memory is shared', async () => {
  const input = { bytes: new Uint8Array(3).fill(1), name: 'x' }
  expect(await threads.run('echo', input)).toEqual(input)
  expect(input.bytes.length).toBe(3)
  const shared = new Uint8Array(new SharedArrayBuffer(4))
  await threads.run('fillShared', shared)
  expect([...shared]).toEqual([8, 8, 8, 8])
})

test('typed arrays come back whole', async () => {
  const result = (await threads.run('big', 1 << 22)) as { block: Uint8Array; list: Uint32Array[] }
  expect(result.block.length).toBe(1 << 22)
  expect(result.block[(1 << 22) - 1]).toBe(5)
  expect(result.list[0]![9]).toBe(6)
})

test('the failure of a job comes back with its code and details', async () => {
  const error = await threads.run('fail', undefined).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ name: 'RangeError', message: 'no good', code: 'HW_TEST', details: { at: 3 } })
  expect((error as Error).stack).toContain('jobs-sample')
})

test('a job that does not exist and input that cannot be sent are refused, and the thread goes on', async () => {
  expect(await codeOf(threads.run('none', undefined))).toBe('NO_SUCH_JOB')
  expect(await codeOf(threads.run('constructor', undefined))).toBe('NO_SUCH_JOB')
  await expect(threads.run('echo', () => 1)).rejects.toThrow(/could not be cloned/)
  expect(await threads.run('echo', 1)).toBe(1)
})

test('when the thread dies, its jobs fail and the next one starts another', async () => {
  const codes = await Promise.all(
    ['die', 'forever', 'forever', 'forever', 'forever'].map((job) => codeOf(threads.run(job, 0))),
  )
  expect(codes).toEqual(Array(5).fill('THREAD_DIED'))
  expect(await threads.run('echo', 2)).toBe(2)
})

test('a jobs module that does not load fails the job and says why', async () => {
  const broken = createNodeThreads(new URL('./no-such-module.mjs', import.meta.url))
  await expect(broken.run('echo', 1)).rejects.toThrow(/no-such-module/)
  await broken.close()
})

test('closing ends jobs under way and refuses new ones', async () => {
  const closing = createNodeThreads(jobsModule)
  await closing.run('echo', 1)
  const running = codeOf(closing.run('forever', undefined))
  await closing.close()
  await closing.close()
  expect(await running).toBe('THREADS_CLOSED')
  expect(await codeOf(closing.run('echo', 1))).toBe('THREADS_CLOSED')
})

test('an idle thread does not keep the process running', () => {
  const module = new URL('../../dist/platform/node/threads.js', import.meta.url).href
  const source = `import { createNodeThreads } from ${JSON.stringify(module)}
    const threads = createNodeThreads(new URL(${JSON.stringify(jobsModule.href)}))
    console.log(await threads.run('echo', 'answer'))`
  const options = { encoding: 'utf8', timeout: 10_000 } as const
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', source], options)
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'answer\n' })
})

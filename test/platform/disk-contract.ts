/** What every disk must do, held by the real one and by its simulated twin. */

import { expect } from 'vitest'
import type { Disk, OpenOptions } from '../../src/platform/ports.ts'

export interface DiskUnderTest {
  readonly disk: Disk
  /** Exists and is empty. */
  readonly directory: string
  /** Runs what the test does; a simulated disk needs its time to pass meanwhile. */
  readonly run: <T>(work: () => Promise<T>) => Promise<T>
  readonly close: () => Promise<void>
}

type Check = (disk: Disk, directory: string, options: OpenOptions) => Promise<void>

/** Outcome and proof; a `test.each` runs them. `options` is for opening files. */
export const diskContract: readonly (readonly [string, Check])[] = [
  [
    'bytes come back where they were written',
    async (disk, directory, options) => {
      const file = await disk.open(`${directory}/a`, 'create', options)
      expect(await file.write(bytes(1, 2, 3, 4), 10)).toBe(4)
      await file.sync()
      expect(await file.size()).toBe(14)
      const into = new Uint8Array(8)
      expect(await file.read(into, 8)).toBe(6)
      expect([...into]).toEqual([0, 0, 1, 2, 3, 4, 0, 0])
      await file.close()
    },
  ],
  [
    'shared memory can be written from and read into',
    async (disk, directory, options) => {
      const file = await disk.open(`${directory}/a`, 'create', options)
      const shared = new Uint8Array(new SharedArrayBuffer(64)).fill(9)
      expect(await file.write(shared.subarray(16, 32), 0)).toBe(16)
      expect(await file.read(shared.subarray(0, 4), 14)).toBe(2)
      expect(await file.size()).toBe(16)
      await file.close()
    },
  ],
  [
    'a directory goes once it is empty',
    async (disk, directory, options) => {
      await disk.makeDirectory(`${directory}/d`)
      const file = await disk.open(`${directory}/d/a`, 'create', options)
      await file.close()
      await expect(disk.removeDirectory(`${directory}/d`)).rejects.toMatchObject({ code: 'ENOTEMPTY' })
      await disk.remove(`${directory}/d/a`)
      await disk.removeDirectory(`${directory}/d`)
      expect(await disk.stat(`${directory}/d`)).toBe(undefined)
    },
  ],
  [
    'a read at the end gives 0',
    async (disk, directory, options) => {
      const file = await disk.open(`${directory}/a`, 'create', options)
      expect(await file.read(new Uint8Array(4), 0)).toBe(0)
      await file.write(bytes(1), 0)
      expect(await file.read(new Uint8Array(4), 1)).toBe(0)
      expect(await file.read(new Uint8Array(4), 100)).toBe(0)
      await file.close()
    },
  ],
  [
    'calls that nobody waited for are carried out in their order',
    async (disk, directory, options) => {
      const file = await disk.open(`${directory}/a`, 'create', options)
      const calls: Promise<unknown>[] = []
      for (let value = 0; value < 50; value++) {
        calls.push(file.write(bytes(value), 0))
        if (value % 10 === 0) calls.push(file.sync())
      }
      const into = new Uint8Array(1)
      calls.push(file.read(into, 0), file.truncate(0))
      const size = file.size()
      await Promise.all(calls)
      expect(into[0]).toBe(49)
      expect(await size).toBe(0)
      await file.close()
    },
  ],
  [
    'closing waits for the calls before it',
    async (disk, directory, options) => {
      const file = await disk.open(`${directory}/a`, 'create', options)
      const writes = [file.write(bytes(1), 0), file.write(bytes(2), 1), file.sync()]
      await file.close()
      await Promise.all(writes)
      expect((await disk.stat(`${directory}/a`))?.bytes).toBe(2)
      expect(await codeOf(file.write(bytes(1), 0))).toBe('EBADF')
    },
  ],
  [
    'truncate cuts and extends with zeros',
    async (disk, directory, options) => {
      const file = await disk.open(`${directory}/a`, 'create', options)
      await file.write(bytes(1, 2, 3, 4), 0)
      await file.truncate(2)
      await file.truncate(5)
      const into = new Uint8Array(8)
      expect(await file.read(into, 0)).toBe(5)
      expect([...into.subarray(0, 5)]).toEqual([1, 2, 0, 0, 0])
      await file.close()
    },
  ],
  [
    'create refuses what is there, read and write what is not',
    async (disk, directory, options) => {
      await (await disk.open(`${directory}/a`, 'create', options)).close()
      expect(await codeOf(disk.open(`${directory}/a`, 'create', options))).toBe('EEXIST')
      expect(await codeOf(disk.open(`${directory}/b`, 'read', options))).toBe('ENOENT')
      expect(await codeOf(disk.open(`${directory}/b`, 'write', options))).toBe('ENOENT')
      expect(await codeOf(disk.open(`${directory}/b/c`, 'create', options))).toBe('ENOENT')
      expect(await codeOf(disk.open('a', 'read', options))).toBe('EINVAL')
    },
  ],
  [
    'a file opened to read cannot be written',
    async (disk, directory, options) => {
      await (await disk.open(`${directory}/a`, 'create', options)).close()
      const file = await disk.open(`${directory}/a`, 'read', options)
      expect(await codeOf(file.write(bytes(1), 0))).toBe('EBADF')
      await file.close()
    },
  ],
  [
    'a failed call does not stop the next one',
    async (disk, directory, options) => {
      await (await disk.open(`${directory}/a`, 'create', options)).close()
      const file = await disk.open(`${directory}/a`, 'read', options)
      const failed = codeOf(file.write(bytes(1), 0))
      const size = file.size()
      expect(await failed).toBe('EBADF')
      expect(await size).toBe(0)
      await file.close()
    },
  ],
  [
    'directories list their names in order, with parents made on the way',
    async (disk, directory) => {
      await disk.makeDirectory(`${directory}/x/y`)
      await disk.makeDirectory(`${directory}/x/y`)
      await (await disk.open(`${directory}/x/b`, 'create')).close()
      await (await disk.open(`${directory}/x/a`, 'create')).close()
      await disk.syncDirectory(`${directory}/x`)
      expect(await disk.list(`${directory}/x`)).toEqual(['a', 'b', 'y'])
      expect((await disk.stat(`${directory}/x`))?.kind).toBe('directory')
      expect(await codeOf(disk.list(`${directory}/none`))).toBe('ENOENT')
      expect(await codeOf(disk.syncDirectory(`${directory}/none`))).toBe('ENOENT')
    },
  ],
  [
    'a rename replaces, and a removed file is gone',
    async (disk, directory, options) => {
      for (const [name, value] of [
        ['a', 1],
        ['b', 2],
      ] as const) {
        const file = await disk.open(`${directory}/${name}`, 'create', options)
        await file.write(bytes(value), 0)
        await file.close()
      }
      await disk.rename(`${directory}/a`, `${directory}/b`)
      expect(await disk.list(directory)).toEqual(['b'])
      const file = await disk.open(`${directory}/b`, 'read', options)
      const into = new Uint8Array(1)
      await file.read(into, 0)
      expect(into[0]).toBe(1)
      await disk.remove(`${directory}/b`)
      // Still open, and still there for who has it open.
      expect(await file.read(into, 0)).toBe(1)
      await file.close()
      expect(await disk.stat(`${directory}/b`)).toBeUndefined()
      expect(await codeOf(disk.remove(`${directory}/b`))).toBe('ENOENT')
      expect(await codeOf(disk.rename(`${directory}/b`, `${directory}/c`))).toBe('ENOENT')
    },
  ],
]

/** Runs one check on a disk of its own. */
export async function hold(check: Check, make: () => Promise<DiskUnderTest>, options: OpenOptions): Promise<void> {
  const { disk, directory, run, close } = await make()
  try {
    await run(() => check(disk, directory, options))
  } finally {
    await close()
  }
}

export function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values)
}

/** The code that `call` fails with, 'none' if it does not. */
export async function codeOf(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call
    return 'none'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
}

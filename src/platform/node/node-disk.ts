/**
 * The real file system, through the thread pool of Node; files opened with `dedicatedThread` go through a thread of
 * their own (io-thread.ts).
 *
 * Invariants
 * - A symbolic link is never opened as a file; new files are 0600 and new directories 0700.
 * - Calls of one file run one after the other, unless the file is read-only and their order cannot matter.
 *
 * It does not loop around short reads and writes (full-io.ts does) and repeats no call that failed.
 */

import * as fs from 'node:fs'
import * as path from 'node:path'
import type { Disk, DiskFile, FileAccess, OpenOptions } from '../ports.ts'
import { createIoThreads } from './io-thread.ts'

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR } = fs.constants

const openFlags: Readonly<Record<FileAccess, number>> = {
  read: O_RDONLY | O_NOFOLLOW,
  create: O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
  write: O_RDWR | O_NOFOLLOW,
}

export interface NodeDisk extends Disk {
  /** Ends the threads. Files that are still open in them answer no more calls. */
  close(): Promise<void>
}

export function createNodeDisk(): NodeDisk {
  const threads = createIoThreads()
  return {
    async open(filePath: string, access: FileAccess, options?: OpenOptions): Promise<DiskFile> {
      assertAbsolute(filePath)
      const handle = await fs.promises.open(filePath, openFlags[access], 0o600)
      if (options?.dedicatedThread !== true) return new PoolFile(filePath, handle, access === 'read')
      return threads.adopt(filePath, handle)
    },
    async list(directory: string): Promise<string[]> {
      assertAbsolute(directory)
      return (await fs.promises.readdir(directory)).sort()
    },
    async makeDirectory(directory: string): Promise<void> {
      assertAbsolute(directory)
      await fs.promises.mkdir(directory, { recursive: true, mode: 0o700 })
    },
    stat,
    async remove(target: string): Promise<void> {
      assertAbsolute(target)
      await fs.promises.unlink(target)
    },
    async removeDirectory(directory: string): Promise<void> {
      assertAbsolute(directory)
      await fs.promises.rmdir(directory)
    },
    async rename(from: string, to: string): Promise<void> {
      assertAbsolute(from)
      assertAbsolute(to)
      await fs.promises.rename(from, to)
    },
    async syncDirectory(directory: string): Promise<void> {
      assertAbsolute(directory)
      const handle = await fs.promises.open(directory, O_RDONLY | O_DIRECTORY)
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    },
    close: () => threads.close(),
  }
}

async function stat(target: string): ReturnType<Disk['stat']> {
  assertAbsolute(target)
  const own = await unlessMissing(fs.promises.lstat(target))
  if (own === undefined) return undefined
  // A directory may be reached through a link, as data directories often are; a file may not.
  const found = own.isSymbolicLink() ? await unlessMissing(fs.promises.stat(target)) : own
  const worldWritable = ((found ?? own).mode & 0o002) !== 0
  if (found?.isDirectory() === true) return { kind: 'directory', bytes: 0, worldWritable }
  if (own.isFile()) return { kind: 'file', bytes: own.size, worldWritable }
  return { kind: 'other', bytes: 0, worldWritable }
}

async function unlessMissing(stats: Promise<fs.Stats>): Promise<fs.Stats | undefined> {
  try {
    return await stats
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** A path as this disk takes it; a relative one starts where the process is now. */
export function absolutePath(target: string): string {
  return path.resolve(target)
}

/** A relative path would follow the working directory, which the program may change. */
function assertAbsolute(target: string): void {
  if (!path.isAbsolute(target)) throw Object.assign(new Error(`not an absolute path: ${target}`), { code: 'EINVAL' })
}

class PoolFile implements DiskFile {
  readonly path: string
  readonly #handle: fs.promises.FileHandle
  readonly #anyOrder: boolean
  #last: Promise<unknown> = Promise.resolve()

  constructor(filePath: string, handle: fs.promises.FileHandle, anyOrder: boolean) {
    this.path = filePath
    this.#handle = handle
    this.#anyOrder = anyOrder
  }

  async read(into: Uint8Array, at: number): Promise<number> {
    return (await this.#inOrder(() => this.#handle.read(into, 0, into.length, at))).bytesRead
  }

  async write(from: Uint8Array, at: number): Promise<number> {
    return (await this.#inOrder(() => this.#handle.write(from, 0, from.length, at))).bytesWritten
  }

  sync(): Promise<void> {
    return this.#inOrder(() => this.#handle.datasync())
  }

  truncate(bytes: number): Promise<void> {
    return this.#inOrder(() => this.#handle.truncate(bytes))
  }

  async size(): Promise<number> {
    return (await this.#inOrder(() => this.#handle.stat())).size
  }

  close(): Promise<void> {
    const idle = this.#last
    return idle.then(() => this.#handle.close())
  }

  #inOrder<T>(call: () => Promise<T>): Promise<T> {
    if (this.#anyOrder) return call()
    const answer = this.#last.then(call)
    // The next call runs whether this one failed or not: each reports for itself.
    this.#last = answer.catch(() => undefined)
    return answer
  }
}

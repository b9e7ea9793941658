/** A disk in memory whose every call can be made to fail, be short, or wait. It copies bytes when a write completes, not before. */

import type { Disk, DiskFile, FileAccess } from '../../../src/platform/ports.ts'

export interface Call {
  readonly op: string
  readonly path: string
  readonly at: number
  readonly bytes: number
}

interface Inode {
  bytes: Buffer
}

const fault = (code: string, path: string): Error => Object.assign(new Error(`${code}: ${path}`), { code })

export class MemoryDisk implements Disk {
  readonly inodes: Map<string, Inode> = new Map()
  readonly calls: Call[] = []
  /** May throw what the call fails with, answer how many bytes a write takes, or a promise to wait for. */
  hook: ((call: Call) => void | number | Promise<void>) | undefined

  bytesOf(path: string): Buffer {
    const inode = this.inodes.get(path)
    if (inode === undefined) throw fault('ENOENT', path)
    return inode.bytes
  }

  names(): string[] {
    return [...this.inodes.keys()].sort()
  }

  async open(path: string, access: FileAccess): Promise<DiskFile> {
    await this.call('open', path)
    let inode = this.inodes.get(path)
    if (access === 'create') {
      if (inode !== undefined) throw fault('EEXIST', path)
      inode = { bytes: Buffer.alloc(0) }
      this.inodes.set(path, inode)
    }
    if (inode === undefined) throw fault('ENOENT', path)
    return new MemoryFile(this, path, inode)
  }

  async list(directory: string): Promise<string[]> {
    await this.call('list', directory)
    const inside = this.names().filter((path) => path.startsWith(`${directory}/`))
    return inside.map((path) => path.slice(directory.length + 1)).filter((name) => !name.includes('/'))
  }

  async makeDirectory(directory: string): Promise<void> {
    await this.call('makeDirectory', directory)
  }

  async stat(path: string): ReturnType<Disk['stat']> {
    await this.call('stat', path)
    const inode = this.inodes.get(path)
    return inode === undefined ? undefined : { kind: 'file', bytes: inode.bytes.length, worldWritable: false }
  }

  async remove(path: string): Promise<void> {
    await this.call('remove', path)
    if (!this.inodes.delete(path)) throw fault('ENOENT', path)
  }

  async removeDirectory(directory: string): Promise<void> {
    await this.call('removeDirectory', directory)
  }

  async rename(from: string, to: string): Promise<void> {
    await this.call('rename', from)
    this.inodes.set(to, { bytes: Buffer.alloc(0) })
    this.inodes.set(to, this.inodes.get(from)!)
    this.inodes.delete(from)
  }

  async syncDirectory(directory: string): Promise<void> {
    await this.call('syncDirectory', directory)
  }

  async call(op: string, path: string, at = 0, bytes = 0): Promise<number> {
    const call = { op, path, at, bytes }
    this.calls.push(call)
    await Promise.resolve()
    const answer = await this.hook?.(call)
    return answer ?? bytes
  }
}

class MemoryFile implements DiskFile {
  readonly path: string
  readonly #disk: MemoryDisk
  readonly #inode: Inode
  #last: Promise<unknown> = Promise.resolve()

  constructor(disk: MemoryDisk, path: string, inode: Inode) {
    this.#disk = disk
    this.path = path
    this.#inode = inode
  }

  read(into: Uint8Array, at: number): Promise<number> {
    return this.#inOrder('read', at, into.length, (count) => this.#inode.bytes.copy(into, 0, at, at + count))
  }

  write(from: Uint8Array, at: number): Promise<number> {
    return this.#inOrder('write', at, from.length, (count) => {
      const end = at + count
      if (end > this.#inode.bytes.length) {
        const longer = Buffer.alloc(end)
        this.#inode.bytes.copy(longer)
        this.#inode.bytes = longer
      }
      this.#inode.bytes.set(from.subarray(0, count), at)
      return count
    })
  }

  async sync(): Promise<void> {
    await this.#inOrder('sync', 0, 0, () => 0)
  }

  async truncate(bytes: number): Promise<void> {
    await this.#inOrder('truncate', bytes, 0, () => 0)
    this.#inode.bytes = this.#inode.bytes.subarray(0, bytes)
  }

  size(): Promise<number> {
    return this.#inOrder('size', 0, 0, () => this.#inode.bytes.length)
  }

  async close(): Promise<void> {
    await this.#inOrder('close', 0, 0, () => 0)
  }

  #inOrder(op: string, at: number, bytes: number, run: (count: number) => number): Promise<number> {
    const answer = this.#last.then(() => this.#disk.call(op, this.path, at, bytes)).then(run)
    this.#last = answer.catch(() => undefined)
    return answer
  }
}

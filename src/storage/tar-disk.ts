/**
 * An archive as a disk with one directory of files that can only be read: what verifies, inspects and restores a directory does
 * the same with a .tar. Names lose the folders before them; what is no plain file is passed over.
 */

import { refuse } from '../model/errors.ts'
import { readFully } from '../platform/full-io.ts'
import type { Disk, DiskFile } from '../platform/ports.ts'
import { decodeTarHeader, tarHeaderBytes, tarPadding } from './tar.ts'

interface Member {
  readonly at: number
  readonly bytes: number
}

/** The path of its one directory. */
export const tarDirectory = '/tar'

/** Reads the headers. Rejects with HW_CORRUPT when it is no archive, or cut short. */
export async function openTar(disk: Disk, path: string): Promise<Disk> {
  const file = await disk.open(path, 'read')
  try {
    return new TarDisk(disk, path, await membersOf(file, path))
  } finally {
    await file.close()
  }
}

async function membersOf(file: DiskFile, path: string): Promise<Map<string, Member>> {
  const members = new Map<string, Member>()
  const header = Buffer.alloc(tarHeaderBytes)
  const fileBytes = await file.size()
  for (let at = 0; ;) {
    const count = await readFully(file, header, at)
    const entry = decodeTarHeader(header.subarray(0, count))
    if (entry === undefined) return members
    if (typeof entry === 'string') throw corrupt(path, at, entry)
    const start = at + tarHeaderBytes
    if (start + entry.bytes > fileBytes) throw corrupt(path, at, `${entry.name} is cut short`)
    if (entry.type === '0') {
      const name = entry.name.slice(entry.name.lastIndexOf('/') + 1)
      if (members.has(name)) throw corrupt(path, at, `${name} is in it twice`)
      members.set(name, { at: start, bytes: entry.bytes })
    }
    at = start + entry.bytes + tarPadding(entry.bytes)
  }
}

function corrupt(file: string, offset: number, what: string): Error {
  return refuse('HW_CORRUPT', `${file}, offset ${offset}: as an archive it is damaged: ${what}`, {
    details: { file, offset },
  })
}

class TarDisk implements Disk {
  readonly #disk: Disk
  readonly #path: string
  readonly #members: ReadonlyMap<string, Member>

  constructor(disk: Disk, path: string, members: ReadonlyMap<string, Member>) {
    this.#disk = disk
    this.#path = path
    this.#members = members
  }

  async open(path: string, access: string): Promise<DiskFile> {
    const member = this.#members.get(nameIn(path))
    if (access !== 'read') throw readOnly(path)
    if (member === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' })
    return new TarMember(path, await this.#disk.open(this.#path, 'read'), member)
  }

  async list(): Promise<string[]> {
    return [...this.#members.keys()].sort()
  }

  async stat(path: string): ReturnType<Disk['stat']> {
    if (path === tarDirectory) return { kind: 'directory', bytes: 0, worldWritable: false }
    const member = this.#members.get(nameIn(path))
    return member === undefined ? undefined : { kind: 'file', bytes: member.bytes, worldWritable: false }
  }

  makeDirectory(path: string): Promise<void> {
    return Promise.reject(readOnly(path))
  }

  remove(path: string): Promise<void> {
    return Promise.reject(readOnly(path))
  }

  removeDirectory(path: string): Promise<void> {
    return Promise.reject(readOnly(path))
  }

  rename(from: string): Promise<void> {
    return Promise.reject(readOnly(from))
  }

  syncDirectory(path: string): Promise<void> {
    return Promise.reject(readOnly(path))
  }
}

class TarMember implements DiskFile {
  readonly path: string
  readonly #file: DiskFile
  readonly #member: Member

  constructor(path: string, file: DiskFile, member: Member) {
    this.path = path
    this.#file = file
    this.#member = member
  }

  async read(into: Uint8Array, at: number): Promise<number> {
    const { at: start, bytes } = this.#member
    const wanted = Math.min(into.length, bytes - at)
    return wanted <= 0 ? 0 : this.#file.read(into.subarray(0, wanted), start + at)
  }

  async size(): Promise<number> {
    return this.#member.bytes
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  write(): Promise<number> {
    return Promise.reject(readOnly(this.path))
  }

  sync(): Promise<void> {
    return Promise.reject(readOnly(this.path))
  }

  truncate(): Promise<void> {
    return Promise.reject(readOnly(this.path))
  }
}

function nameIn(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function readOnly(path: string): Error {
  return Object.assign(new Error(`EROFS: an archive is only read, '${path}'`), { code: 'EROFS' })
}

/**
 * Where a backup goes: a directory, or one .tar file. Either is a backup once its manifest is in place, which comes last; what an
 * interrupted one has left is none, and is replaced by the next under the same name.
 */

import { refuse } from '../../model/errors.ts'
import { writeFully } from '../../platform/full-io.ts'
import type { Disk, DiskFile } from '../../platform/ports.ts'
import { copyFile, removeTree, syncNamesOf } from '../../storage/copy-file.ts'
import { isDataFileName } from '../../storage/file-meta.ts'
import { encodeTarHeader, tarEnd, tarPadding } from '../../storage/tar.ts'
import { queueSettingsFileName } from '../directory.ts'

export interface BackupTarget {
  /** A directory for files that are made for the backup, such as copies of the log. They are added as others are. */
  readonly stage: string
  begin(): Promise<void>
  /** Copies a file of exactly so many bytes. */
  add(from: string, name: string, bytes: number): Promise<void>
  /** The last one, which makes it a backup. */
  finish(manifest: Uint8Array): Promise<void>
  /** Removes what there is of it, as far as the disk lets it. */
  abandon(): Promise<void>
}

const stageName = 'backup-stage'

/** `path` is absolute. `onCopied` hears of every piece and may throw to give up. */
export function backupTargetOf(
  disk: Disk,
  path: string,
  nowMs: number,
  onCopied: (bytes: number) => void,
): BackupTarget {
  return path.endsWith('.tar') ? new TarTarget(disk, path, nowMs, onCopied) : new DirectoryTarget(disk, path, onCopied)
}

class DirectoryTarget implements BackupTarget {
  readonly stage: string
  readonly #disk: Disk
  readonly #path: string
  readonly #copied: (bytes: number) => void
  #wasThere = false

  constructor(disk: Disk, path: string, onCopied: (bytes: number) => void) {
    this.#disk = disk
    this.#path = path
    this.stage = `${path}/${stageName}`
    this.#copied = onCopied
  }

  async begin(): Promise<void> {
    const found = await this.#disk.stat(this.#path)
    if (found !== undefined && found.kind !== 'directory') throw taken(this.#path, 'it is not a directory')
    this.#wasThere = found !== undefined
    const names = found === undefined ? [] : await this.#disk.list(this.#path)
    // Data without a manifest may also be a damaged directory: only the stage tells that a backup was being made here.
    const isInterrupted = names.includes(stageName) && names.every((name) => name === stageName || isCopied(name))
    if (names.length > 0 && !isInterrupted) throw taken(this.#path, `it is not empty: ${names[0]} is in it`)
    for (const name of names) if (name !== stageName) await this.#disk.remove(`${this.#path}/${name}`)
    await removeTree(this.#disk, this.stage)
    await this.#disk.makeDirectory(this.stage)
    await this.#disk.syncDirectory(this.#path)
  }

  async add(from: string, name: string, bytes: number): Promise<void> {
    const to = `${this.#path}/${name}`
    if (from.startsWith(`${this.stage}/`)) {
      await this.#disk.rename(from, to)
      return
    }
    const count = await copyFile(this.#disk, from, this.#disk, to, this.#copied)
    if (count !== bytes) throw changed(from, bytes, count)
  }

  async finish(manifest: Uint8Array): Promise<void> {
    await this.#disk.syncDirectory(this.#path)
    await syncNamesOf(this.#disk, this.#path)
    const temporary = `${this.#path}/MANIFEST.tmp`
    await writeNew(this.#disk, temporary, (file) => writeFully(file, manifest, 0))
    await this.#disk.rename(temporary, `${this.#path}/MANIFEST`)
    await this.#disk.syncDirectory(this.#path)
    await removeTree(this.#disk, this.stage)
  }

  async abandon(): Promise<void> {
    try {
      for (const name of await this.#disk.list(this.#path)) {
        if (name !== stageName) await this.#disk.remove(`${this.#path}/${name}`)
      }
      await removeTree(this.#disk, this.stage)
      if (!this.#wasThere) await this.#disk.removeDirectory(this.#path)
    } catch {
      // The next backup to this place begins with it.
    }
  }
}

/** Written under another name, which it loses when it is whole and synced. */
class TarTarget implements BackupTarget {
  readonly stage: string
  readonly #disk: Disk
  readonly #path: string
  readonly #nowMs: number
  readonly #copied: (bytes: number) => void
  #file: DiskFile | undefined
  #at = 0

  constructor(disk: Disk, path: string, nowMs: number, onCopied: (bytes: number) => void) {
    this.#disk = disk
    this.#path = path
    this.stage = `${path}.stage`
    this.#nowMs = nowMs
    this.#copied = onCopied
  }

  get #temporary(): string {
    return `${this.#path}.tmp`
  }

  async begin(): Promise<void> {
    if ((await this.#disk.stat(this.#path)) !== undefined) throw taken(this.#path, 'it is there already')
    await removeTree(this.#disk, this.stage)
    await this.#disk.makeDirectory(this.stage)
    if ((await this.#disk.stat(this.#temporary)) !== undefined) await this.#disk.remove(this.#temporary)
    this.#file = await this.#disk.open(this.#temporary, 'create')
  }

  async add(from: string, name: string, bytes: number): Promise<void> {
    await this.#write(encodeTarHeader(name, bytes, this.#nowMs))
    const input = await this.#disk.open(from, 'read')
    try {
      const piece = new Uint8Array(Math.min(1 << 20, Math.max(1, bytes)))
      let done = 0
      while (done < bytes) {
        const count = await input.read(piece.subarray(0, Math.min(piece.length, bytes - done)), done)
        if (count === 0) throw changed(from, bytes, done)
        await this.#write(piece.subarray(0, count))
        done += count
        this.#copied(count)
      }
    } finally {
      await input.close()
    }
    await this.#write(new Uint8Array(tarPadding(bytes)))
    if (from.startsWith(`${this.stage}/`)) await this.#disk.remove(from)
  }

  async finish(manifest: Uint8Array): Promise<void> {
    await removeTree(this.#disk, this.stage)
    await this.#write(encodeTarHeader('MANIFEST', manifest.length, this.#nowMs))
    await this.#write(manifest)
    await this.#write(new Uint8Array(tarPadding(manifest.length)))
    await this.#write(tarEnd)
    const file = this.#file!
    await file.sync()
    this.#file = undefined
    await file.close()
    await this.#disk.rename(this.#temporary, this.#path)
    await syncNamesOf(this.#disk, this.#path)
  }

  async abandon(): Promise<void> {
    await this.#file?.close().catch(() => undefined)
    this.#file = undefined
    await this.#disk.remove(this.#temporary).catch(() => undefined)
    await removeTree(this.#disk, this.stage).catch(() => undefined)
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await writeFully(this.#file!, bytes, this.#at)
    this.#at += bytes.length
  }
}

async function writeNew(disk: Disk, path: string, fill: (file: DiskFile) => Promise<void>): Promise<void> {
  const file = await disk.open(path, 'create')
  try {
    await fill(file)
    await file.sync()
  } finally {
    await file.close()
  }
}

function taken(path: string, why: string): Error {
  return refuse('HW_DIRECTORY_UNUSABLE', `a backup cannot go to ${path}: ${why}`, {
    details: { directory: path, isTaken: true },
  })
}

function changed(path: string, expected: number, found: number): Error {
  return refuse('HW_CORRUPT', `${path} has ${found} bytes instead of ${expected}`, {
    details: { file: path, offset: found },
  })
}

/** What a backup consists of while it has no manifest. */
function isCopied(name: string): boolean {
  return isDataFileName(name) || name === queueSettingsFileName || name === 'MANIFEST.tmp'
}

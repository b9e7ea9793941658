/**
 * The view of keys in an LMDB file (docs/format.md, "Keys").
 *
 * A key is kept as 13 bytes, which is less than most keys take: a CRC-32 of its queue and its text but for the last three
 * characters, so that keys that count up lie side by side, and 9 bytes of SHA-256 of all of it. With ten billion keys that count
 * up by the thousand, the chance that any two are taken for one is 1 in 2^30. The value is the task's id, and what is
 * remembered of its end.
 *
 * A page is written as a whole for any key in it, and that is what keys cost: so changes are written in the order of their
 * pages, many at a time. Transactions go through LMDB's own thread and are synced before they resolve: LMDB never overwrites
 * pages of the last synced state, so that a crash at any moment leaves that or the next one. `lmdb` is loaded when it is first
 * needed.
 */

import { hash } from 'node:crypto'
import * as fs from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import type * as Lmdb from 'lmdb'
import { looksSound, makeAnew, pageBytes } from './lmdb-file.ts'
import type { KeyChange, KeyEntry, KeyForgetting, KeyView, Platform } from '../ports.ts'

type Database = Lmdb.RootDatabase<Buffer, Buffer>

const digestBytes = 13
/** Characters at the end of a key that do not say where it lies. */
const countedLength = 3
/** So many changes are handed over at a time: a few milliseconds of this thread. */
const changesPerPart = 512
/** Changes between two turns of the event loop while they are put in order. */
const changesPerTurn = 8_192
/** Address space for the file to grow into; more is taken when it is used up, but not without a pause. */
const mapBytes = 64 * 2 ** 30
const idBytes = 7
const endedBytes = idBytes + 6 + 6 + 4 + 2
/** Shorter than any digest. */
const stampKey = Buffer.from([0])
const stampBytes = 16
const wholeLimit = 2 ** 48
/** With less than this free, a write that fails has found the disk full. */
const freeBytesMin = 64 << 20
const uint32Limit = 2 ** 32
/** Entries looked at for each ended one that is written: what nobody remembers any more stays below a third. */
const looksPerEnd = 2

export interface KeyViews {
  readonly open: Platform['openKeyView']
  /** Closes the views that are still open. */
  close(): Promise<void>
}

export function createKeyViews(): KeyViews {
  const views: LmdbKeyView[] = []
  const open = async (path: string, history: number, how: 'existing' | 'anew'): Promise<KeyView | undefined> => {
    const view = await openKeyView(path, history, how)
    if (view !== undefined) views.push(view)
    return view
  }
  return {
    open: open as Platform['openKeyView'],
    async close(): Promise<void> {
      for (const view of views) await view.close()
    },
  }
}

async function openKeyView(path: string, history: number, how: 'existing' | 'anew'): Promise<LmdbKeyView | undefined> {
  if (how === 'anew') await makeAnew(path)
  else if (!(await looksSound(path))) return undefined
  let database: Database | undefined
  try {
    database = await openDatabase(path)
    if (how === 'anew') await database.put(stampKey, encodeStamp(history, 0))
    const stamp = database.getBinary(stampKey)
    if (stamp?.length === stampBytes && stamp.readDoubleLE(0) === history)
      return new LmdbKeyView(database, path, history)
    await database.close()
    return undefined
  } catch (error) {
    await database?.close()
    if (how === 'existing' && isDamage(error)) return undefined
    throw error
  }
}

async function openDatabase(path: string): Promise<Database> {
  let lmdb: typeof Lmdb
  try {
    lmdb = await import('lmdb')
  } catch (error) {
    const unavailable = new Error('the library that keeps keys, lmdb, does not run on this platform', { cause: error })
    throw Object.assign(unavailable, { code: 'HW_KEYS_UNAVAILABLE' })
  }
  return lmdb.open<Buffer, Buffer>({
    path,
    noSubdir: true,
    encoding: 'binary',
    keyEncoding: 'binary',
    cache: false,
    compression: false,
    maxDbs: 1,
    pageSize: pageBytes,
    mapSize: mapBytes,
    // What has resolved is on disk, by LMDB's plain order of writing.
    overlappingSync: false,
    // With it, a transaction that fails rejects a promise that nobody is ever given, which ends the process.
    eventTurnBatching: false,
  })
}

function isDamage(error: unknown): boolean {
  return /MDB_(?:INVALID|CORRUPTED|VERSION_MISMATCH|PAGE_NOTFOUND|BAD_DBI|INCOMPATIBLE)/u.test(String(error))
}

/** How LMDB tells that a transaction failed: the reason comes a moment later. */
type CommitFailed = Error & { readonly commitError?: Promise<unknown> }

class LmdbKeyView implements KeyView {
  readonly #database: Database
  readonly #path: string
  readonly #history: number
  #lsn: number
  /** Where the next look for what may be forgotten begins. */
  #lookFrom: Buffer = stampKey
  #closing: Promise<void> | undefined
  #heeded: Promise<boolean> | undefined

  constructor(database: Database, path: string, history: number) {
    this.#database = database
    this.#path = path
    this.#history = history
    this.#lsn = database.getBinary(stampKey)!.readDoubleLE(8)
  }

  get lsn(): number {
    return this.#lsn
  }

  get(queue: number, key: string): KeyEntry | undefined {
    const value = this.#database.getBinaryFast(digestOf(queue, key))
    return value === undefined ? undefined : decodeEntry(value)
  }

  async write(changes: readonly KeyChange[], lsn: number, forgets?: KeyForgetting): Promise<void> {
    const database = this.#database
    try {
      const written: Promise<unknown>[] = []
      // What comes while one transaction is being synced goes into the next, all of it.
      for (const part of await inOrder(changes)) {
        if (written.length > 0) await nextTurn()
        written.push(this.#put(part, forgets === undefined ? [] : this.#look(part, forgets)))
      }
      await allSettled(written)
      // Only when nothing of it has failed.
      const stamped = database.put(stampKey, encodeStamp(this.#history, lsn))
      this.#heed(stamped)
      await stamped
    } catch (error) {
      throw await this.#diskError(error)
    }
    // Later reads must not be served from the state before.
    database.resetReadTxn()
    this.#lsn = lsn
  }

  #put(changes: readonly KeyChange[], forgotten: readonly Buffer[]): Promise<unknown> {
    const database = this.#database
    // LMDB reads the values where they lie, when it gets to them.
    const values = Buffer.allocUnsafeSlow(changes.length * endedBytes)
    const written = database.batch(() => {
      for (const digest of forgotten) this.#heed(database.remove(digest))
      changes.forEach(({ queue, key, entry }, index) => {
        const value = encodeEntry(values, index * endedBytes, queue, entry)
        this.#heed(database.put(digestOf(queue, key), value))
      })
    })
    this.#heed(written)
    return written
  }

  /** A transaction that fails rejects all its promises, also those that nobody waits for, or not yet. */
  #heed(written: Promise<boolean>): void {
    if (written === this.#heeded) return
    this.#heeded = written
    written.catch(({ commitError }: CommitFailed) => commitError?.catch(() => undefined))
  }

  /** Entries that may go, among the next ones. */
  #look(changes: readonly KeyChange[], forgets: KeyForgetting): Buffer[] {
    let count = 0
    for (const { entry } of changes) if (entry.end !== undefined) count += looksPerEnd
    const found: Buffer[] = []
    if (count === 0) return found
    let last: Buffer = stampKey
    let looked = 0
    for (const { key, value } of this.#database.getRange({ start: this.#lookFrom, limit: count + 1 })) {
      looked++
      last = key
      if (value.length !== endedBytes) continue
      const entry = decodeEntry(value)
      if (forgets(value.readUInt16BE(endedBytes - 2), entry.id, entry.end!.endedAt)) found.push(Buffer.from(key))
    }
    this.#lookFrom = looked > count ? Buffer.from(last) : stampKey
    return found
  }

  /** LMDB takes a write that was cut short for an error of the disk; whether that is full is looked at here. */
  async #diskError(error: unknown): Promise<Error> {
    const { commitError, message } = error as CommitFailed
    const cause = await Promise.resolve(commitError).catch((inner: unknown) => inner)
    const { bavail, bsize } = await fs.statfs(this.#path)
    const code = bavail * bsize < freeBytesMin ? 'ENOSPC' : 'EIO'
    return Object.assign(new Error(`the view of keys could not be written: ${message}`, { cause }), { code })
  }

  close(): Promise<void> {
    this.#closing ??= this.#database.close()
    return this.#closing
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Waits for all, also when one of them fails. */
async function allSettled(work: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(work)) if (outcome.status === 'rejected') throw outcome.reason
}

/** The changes in parts, in the order of their pages, so that each page is written by few transactions. */
async function inOrder(changes: readonly KeyChange[]): Promise<KeyChange[][]> {
  if (changes.length <= changesPerPart) return [[...changes]]
  const runs = Math.ceil(changes.length / changesPerPart)
  const byPlace: KeyChange[][] = Array.from({ length: runs }, () => [])
  for (let index = 0; index < changes.length; index++) {
    if (index % changesPerTurn === changesPerTurn - 1) await nextTurn()
    const change = changes[index]!
    const place = placeOf(`${change.queue} ${change.key}`)
    byPlace[Math.floor((place / uint32Limit) * runs)]!.push(change)
  }
  const ordered = byPlace.flat()
  return Array.from({ length: runs }, (_, part) => ordered.slice(part * changesPerPart, (part + 1) * changesPerPart))
}

function placeOf(name: string): number {
  return crc32(name.slice(0, -countedLength))
}

function digestOf(queue: number, key: string): Buffer {
  const name = `${queue} ${key}`
  const digest = Buffer.allocUnsafe(digestBytes)
  digest.writeUInt32BE(placeOf(name), 0)
  hash('sha256', name, 'buffer').copy(digest, 4)
  return digest
}

function encodeStamp(history: number, lsn: number): Buffer {
  const bytes = Buffer.alloc(stampBytes)
  bytes.writeDoubleLE(history, 0)
  bytes.writeDoubleLE(lsn, 8)
  return bytes
}

function encodeEntry(into: Buffer, at: number, queue: number, { id, end }: KeyEntry): Buffer {
  const bytes = into.subarray(at, at + (end === undefined ? idBytes : endedBytes))
  bytes.writeUIntBE(Math.floor(id / uint32Limit), 0, 3)
  bytes.writeUInt32BE(id % uint32Limit, 3)
  if (end !== undefined) {
    bytes.writeUIntBE(Math.min(Math.max(end.endedAt, 0), wholeLimit - 1), idBytes, 6)
    bytes.writeUIntBE(end.fireAt, idBytes + 6, 6)
    bytes.writeUInt32BE(end.generation, idBytes + 12)
    bytes.writeUInt16BE(queue, idBytes + 16)
  }
  return bytes
}

function decodeEntry(bytes: Buffer): KeyEntry {
  const id = bytes.readUIntBE(0, 3) * uint32Limit + bytes.readUInt32BE(3)
  if (bytes.length !== endedBytes) return { id, end: undefined }
  return {
    id,
    end: {
      endedAt: bytes.readUIntBE(idBytes, 6),
      fireAt: bytes.readUIntBE(idBytes + 6, 6),
      generation: bytes.readUInt32BE(idBytes + 12),
    },
  }
}

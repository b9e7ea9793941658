/**
 * The right to be the only owner of a data directory.
 *
 * On Linux it is an abstract unix socket named after the directory, which the kernel frees when the process dies. It
 * is seen only within one network namespace, so there is also a file, `LOCK`, with the owner's process and machine;
 * elsewhere than on Linux there is only the file. A file whose owner can be looked up is stale when the owner is gone.
 * Of an owner in another container or on another host only the file can tell: it is touched every second while it is
 * held, so a newcomer watches it for three and takes it over if nothing happened.
 *
 * A stopped (SIGSTOP) owner elsewhere can therefore be taken for dead; the open count in file names and manifest is
 * what fences it off then.
 */

import { createHash, randomUUID } from 'node:crypto'
import * as fs from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DirectoryLock } from '../ports.ts'
import { currentOwner, judge, type LockOwner, ownerSentence, parseOwner } from './lock-owner.ts'

const lockFileName = 'LOCK'

const touchMs = 1000
const watchMs = 3200
const watchStepMs = 200

export type LockResult = DirectoryLock | { readonly heldBy: string }

export async function lockDirectory(directory: string): Promise<LockResult> {
  const real = await fs.realpath(directory)
  const owner = await currentOwner(randomUUID())
  let socket: Server | undefined
  if (process.platform === 'linux') {
    const bound = await bindAbstract(await socketName(real), owner)
    if (bound === 'taken') return { heldBy: await askHolder(await socketName(real), path.join(real, lockFileName)) }
    socket = bound
  }
  try {
    const holder = await takeFile(path.join(real, lockFileName), owner)
    if (holder === undefined) return holdUntilReleased(path.join(real, lockFileName), owner, socket)
    await closeServer(socket)
    return { heldBy: holder }
  } catch (error) {
    await closeServer(socket)
    throw error
  }
}

/** Tokens of the locks this process holds: tells its own file from that of a predecessor with the same pid. */
const held = new Set<string>()

function holdUntilReleased(file: string, owner: LockOwner, socket: Server | undefined): DirectoryLock {
  held.add(owner.token)
  // Failures show elsewhere soon enough: it is the directory of everything else.
  const touching = setInterval(() => void fs.utimes(file, new Date(), new Date()).catch(() => undefined), touchMs)
  touching.unref()
  let released: Promise<void> | undefined
  const release = async (): Promise<void> => {
    clearInterval(touching)
    held.delete(owner.token)
    const found = await readOwner(file)
    if (found !== undefined && found.token === owner.token) await fs.unlink(file)
    await closeServer(socket)
  }
  return { release: () => (released ??= release()) }
}

/** Makes the file this owner's; resolves to a sentence about the holder if there is a live one. */
async function takeFile(file: string, owner: LockOwner): Promise<string | undefined> {
  // A few rounds, as others may be taking over the same stale file; more would be an endless quarrel.
  for (let round = 0; round < 5; round++) {
    try {
      // Synced: after a power cut an empty file would have to be watched, one that names an earlier boot is stale at once.
      await fs.writeFile(file, `${JSON.stringify(owner)}\n`, { flag: 'wx', mode: 0o600, flush: true })
      return undefined
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const before = await fingerprint(file)
    if (before === undefined) continue
    const holder = await readOwner(file)
    const verdict = holder === undefined ? 'unknown' : await judge(holder, owner, held)
    const isAlive = verdict === 'alive' || (verdict === 'unknown' && (await changesWhileWatched(file, before)))
    if (isAlive) return ownerSentence(holder, file)
    // Moved aside first: if it is not what was judged, another newcomer was faster, and gets it back.
    const aside = `${file}.${owner.token}.tmp`
    try {
      await fs.rename(file, aside)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue
      throw error
    }
    const moved = await readOwner(aside)
    if (moved?.token !== holder?.token) await fs.link(aside, file).catch(() => undefined)
    await fs.unlink(aside)
  }
  return `several processes that try to take over ${file} at the same time`
}

async function changesWhileWatched(file: string, before: string): Promise<boolean> {
  for (let watchedMs = 0; watchedMs < watchMs; watchedMs += watchStepMs) {
    await sleep(watchStepMs)
    if ((await fingerprint(file)) !== before) return true
  }
  return false
}

async function fingerprint(file: string): Promise<string | undefined> {
  try {
    const { ino, mtimeMs, size } = await fs.stat(file)
    return `${ino}/${mtimeMs}/${size}`
  } catch {
    return undefined
  }
}

async function readOwner(file: string): Promise<LockOwner | undefined> {
  try {
    return parseOwner(await fs.readFile(file, 'utf8'))
  } catch {
    return undefined
  }
}

/**
 * Fills the address to its last byte: an older Node pads a shorter name with zeros and a newer one does not, and the
 * two would not see each other.
 */
async function socketName(real: string): Promise<string> {
  const { dev, ino } = await fs.stat(real, { bigint: true })
  const hash = createHash('sha512').update(`${real}\0${dev}\0${ino}`).digest('hex')
  return `\0hourwheel-${hash}`.slice(0, 108)
}

/** Whoever connects is told who holds the name. Undefined where there are no such sockets: then the file has to do. */
function bindAbstract(name: string, owner: LockOwner): Promise<Server | 'taken' | undefined> {
  const server = createServer((connection) => {
    connection.unref()
    connection.on('error', () => undefined)
    connection.end(JSON.stringify(owner))
  })
  server.maxConnections = 16
  return new Promise((resolve) => {
    server.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRINUSE' ? 'taken' : undefined))
    server.listen({ path: name }, () => {
      server.unref()
      resolve(server)
    })
  })
}

/** Who holds the socket: he says so himself, or else the file does. */
async function askHolder(name: string, file: string): Promise<string> {
  const said = await new Promise<string>((resolve) => {
    let text = ''
    const connection = connect({ path: name })
    connection.setTimeout(500, () => connection.destroy())
    connection.setEncoding('utf8')
    connection.on('data', (part: string) => (text += part))
    connection.on('error', () => undefined)
    connection.on('close', () => resolve(text))
  })
  return ownerSentence(parseOwner(said) ?? (await readOwner(file)), file)
}

function closeServer(server: Server | undefined): Promise<void> {
  if (server === undefined) return Promise.resolve()
  return new Promise((resolve) => server.close(() => resolve()))
}

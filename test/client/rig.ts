/** A daemon in this process with a client of it, and an engine beside it: what the contract holds on both. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
// Threads run from compiled code only.
import { connect, type Client, type ConnectOptions } from '../../dist/client.js'
import { readConfig, type GivenSettings } from '../../dist/daemon/config.js'
import { startDaemon, type Daemon } from '../../dist/daemon/daemon.js'
import { makeLog } from '../../dist/daemon/log.js'
import { openEngine, type Engine, type Hourwheel } from '../../dist/index.js'

export interface Subject {
  readonly wheel: Hourwheel
  close(): Promise<void>
}

export function temporaryDirectory(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'hw-client-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

export async function openDirect(): Promise<Subject> {
  const directory = temporaryDirectory()
  const wheel: Engine = await openEngine({ dir: directory.path })
  return {
    wheel,
    async close() {
      await wheel.close({ drain: 0 })
      directory.remove()
    },
  }
}

export async function startHere(settings: GivenSettings): Promise<Daemon> {
  return startDaemon(await readConfig(settings, {}, undefined), makeLog('silent'))
}

export interface Served extends Subject {
  readonly wheel: Client
  readonly daemon: Daemon
  readonly socket: string
  readonly client: (options?: ConnectOptions) => Client
}

export async function openServed(settings: GivenSettings = {}): Promise<Served> {
  const directory = temporaryDirectory()
  const socket = join(directory.path, 's')
  const daemon = await startHere({ dir: join(directory.path, 'data'), socket, ...settings })
  const clients: Client[] = []
  const client = (options: ConnectOptions = { socket }): Client => {
    const made = connect(options)
    clients.push(made)
    return made
  }
  return {
    wheel: client(),
    daemon,
    socket,
    client,
    async close() {
      for (const one of clients) await one.close({ drain: 0 })
      await daemon.close(0)
      directory.remove()
    },
  }
}

export async function all<T>(listing: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const one of listing) found.push(one)
  return found
}

/** Until it holds; the test's own time-out is the limit. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5))
}

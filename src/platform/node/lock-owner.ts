/** Who holds a directory, as its `LOCK` file says, and whether that process still lives. */

import { execFile } from 'node:child_process'
import * as fs from 'node:fs/promises'
import { hostname } from 'node:os'

export interface LockOwner {
  readonly pid: number
  readonly host: string
  /** Differs after every start of the machine; empty where it cannot be had. */
  readonly bootId: string
  /** In which a pid means this process; empty where there is only one. */
  readonly pidNamespace: string
  /** When the process began, in the kernel's ticks; empty where it cannot be had. Tells it from a later one of its pid. */
  readonly processStart: string
  readonly since: string
  /** Unique to one lock. */
  readonly token: string
}

export async function currentOwner(token: string): Promise<LockOwner> {
  return {
    pid: process.pid,
    host: hostname(),
    bootId: await bootId(),
    pidNamespace: await fs.readlink('/proc/self/ns/pid').catch(() => ''),
    processStart: await processStart(process.pid),
    since: new Date().toISOString(),
    token,
  }
}

export function parseOwner(text: string): LockOwner | undefined {
  try {
    const owner = JSON.parse(text) as Partial<LockOwner> | null
    const { host, bootId, pidNamespace, processStart, since, token } = owner ?? {}
    const texts = [host, bootId, pidNamespace, processStart, since, token]
    if (!Number.isSafeInteger(owner?.pid) || !texts.every((each) => typeof each === 'string')) return undefined
    return owner as LockOwner
  } catch {
    return undefined
  }
}

/** `held`: tokens of the locks that this process, `self`, holds. */
export async function judge(
  owner: LockOwner,
  self: LockOwner,
  held: ReadonlySet<string>,
): Promise<'alive' | 'gone' | 'unknown'> {
  if (held.has(owner.token)) return 'alive'
  if (owner.bootId !== self.bootId) return owner.host === self.host ? 'gone' : 'unknown'
  if (owner.pidNamespace !== self.pidNamespace) return 'unknown'
  if (owner.bootId === '' && owner.host !== self.host) return 'unknown'
  // A predecessor with the same pid, as in a container that was restarted; or a second copy of this code.
  if (owner.pid === self.pid) return owner.processStart === self.processStart ? 'unknown' : 'gone'
  if (!isRunning(owner.pid)) return 'gone'
  return (await processStart(owner.pid)) === owner.processStart ? 'alive' : 'gone'
}

export function ownerSentence(owner: LockOwner | undefined, file: string): string {
  if (owner === undefined) return `another process (${file} does not say which)`
  return `process ${owner.pid} on ${owner.host} since ${owner.since}`
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // It runs, and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function processStart(pid: number): Promise<string> {
  try {
    const stat = await fs.readFile(`/proc/${pid}/stat`, 'utf8')
    // The name of the program comes second, in brackets, and may have spaces and brackets in it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}

async function bootId(): Promise<string> {
  try {
    return (await fs.readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  } catch {
    return new Promise((resolve) => {
      execFile('sysctl', ['-n', 'kern.bootsessionuuid'], (error, output) =>
        resolve(error === null ? output.trim() : ''),
      )
    })
  }
}

/**
 * What a command works on: a daemon, by URL or Unix socket, or a data directory that nobody has open. On a directory the engine
 * is opened without handlers, so that nothing fires, and closed again when the command is done.
 *
 * What counts, first to last: --dir, --url, --socket or --context; HOURWHEEL_URL or HOURWHEEL_SOCKET; the context in use. The
 * token comes from --token-file, HOURWHEEL_TOKEN, or the file that the context names; never from the command line itself.
 *
 * Commands are written against `Hourwheel`, so that they need not know what is behind it.
 */

import { existsSync, readFileSync, statSync } from 'node:fs'
import type { Command } from 'commander'
import type { Client } from '../client/client.ts'
import type { Engine, Hourwheel } from '../model/engine.ts'
import { contextNamed, readContexts, type Context } from './contexts.ts'
import { CommandFailed, rememberDirectory } from './failures.ts'
import { applyKeptSettings } from './kept-settings.ts'
import { say } from './output.ts'

export interface DaemonOptions {
  readonly url?: string
  readonly socket?: string
  readonly tokenFile?: string
  readonly context?: string
}

export interface TargetOptions extends DaemonOptions {
  readonly dir?: string
}

/** Adds the options that say what to work on. */
export function withTarget(command: Command): Command {
  return withDaemon(command.option('--dir <directory>', 'a data directory that no engine has open'))
}

/** The same for what only a daemon can do. */
export function withDaemon(command: Command): Command {
  return command
    .option('--url <url>', 'of a daemon, such as http://127.0.0.1:7420')
    .option('--socket <socket>', 'Unix socket of a daemon')
    .option('--token-file <file>', 'a file with the token for it')
    .option('--context <name>', 'a target saved by hourwheel context')
}

export interface Target extends Context {
  readonly token: string | undefined
}

/** Exactly one of `dir`, `url` and `socket` is in it. */
export function resolveTarget(options: TargetOptions): Target {
  const { dir, url, socket, context } = options
  const given = Object.entries({ dir, url, socket, context }).filter(([, value]) => value !== undefined)
  if (given.length > 1) {
    throw new CommandFailed(`give one of ${given.map(([name]) => `--${name}`).join(' and ')}`)
  }
  const { HOURWHEEL_URL = '', HOURWHEEL_SOCKET = '' } = process.env
  if (context !== undefined) return withToken(contextNamed(readContexts(), context), options)
  if (given.length === 1) {
    return withToken(Object.fromEntries(given) as Context, options)
  }
  if (HOURWHEEL_URL !== '') return withToken({ url: HOURWHEEL_URL }, options)
  if (HOURWHEEL_SOCKET !== '') return withToken({ socket: HOURWHEEL_SOCKET }, options)
  const contexts = readContexts()
  if (contexts.used !== undefined) return withToken(contextNamed(contexts, contexts.used), options)
  throw new CommandFailed(
    'say what to work on: --dir <directory>, --url <url>, --socket <path> or --context <name>',
    'hourwheel context add local --dir ./data --use, which saves it for all commands',
  )
}

function withToken(target: Context, { tokenFile = target.tokenFile }: TargetOptions): Target {
  const { HOURWHEEL_TOKEN = '' } = process.env
  const fromEnvironment = HOURWHEEL_TOKEN === '' ? undefined : HOURWHEEL_TOKEN
  return { ...target, token: tokenFile === undefined ? fromEnvironment : readToken(tokenFile) }
}

/** The token alone, or the first of a daemon's own file, which has `<scope> <token>` lines. */
function readToken(file: string): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
    if ((statSync(file).mode & 0o044) !== 0) say(`note: others can read ${file}; take that right away (chmod 600)`)
  } catch (error) {
    throw new CommandFailed(`--token-file: ${(error as Error).message}`)
  }
  const lines = text.split('\n').map((line) => line.trim())
  const first = lines.find((line) => line !== '' && !line.startsWith('#'))
  if (first === undefined) throw new CommandFailed(`${file} has no token in it`)
  return first.replace(/^(?:read|write|admin)\s+/, '')
}

/** Runs `work` on the target. `creates`: a directory that is not there yet is made. */
export async function onTarget<T>(
  options: TargetOptions,
  work: (wheel: Hourwheel) => Promise<T>,
  { creates = false }: { creates?: boolean } = {},
): Promise<T> {
  const target = resolveTarget(options)
  if (target.dir === undefined) return onClient(target, work)
  const engine = await openDirectory(target.dir, creates)
  try {
    await applyKeptSettings(engine, target.dir)
    return await work(engine)
  } finally {
    await engine.close({ drain: 0 })
  }
}

/** The same for what only a daemon can do. */
export async function onDaemon<T>(options: TargetOptions, work: (client: Client) => Promise<T>): Promise<T> {
  const target = resolveTarget(options)
  if (target.dir === undefined) return onClient(target, work)
  throw new CommandFailed(
    'this needs a running daemon: give --url or --socket',
    `hourwheel serve --dir ${target.dir}, then --socket ${target.dir}/hourwheel.sock`,
  )
}

async function onClient<T>({ url, socket, token }: Target, work: (client: Client) => Promise<T>): Promise<T> {
  if (token !== undefined && url !== undefined && isOpenToOthers(url)) {
    say(`note: ${url} is not encrypted, and the token goes over it; use https`)
  }
  const { connect } = await import('../client/connect.ts')
  const client: Client = connect({ url, socket, token })
  try {
    return await work(client)
  } finally {
    await client.close({ drain: 0 })
  }
}

/** Plain HTTP to another machine. */
function isOpenToOthers(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { protocol, hostname } = new URL(url)
  return protocol === 'http:' && !/^(?:localhost|127\.[\d.]+|\[::1\])$/.test(hostname)
}

async function openDirectory(dir: string, creates: boolean): Promise<Engine> {
  rememberDirectory(dir)
  if (!existsSync(`${dir}/MANIFEST`)) {
    if (!creates) throw noDirectory(dir)
    say(`${dir} is a new data directory`)
  }
  // Loaded here, so that help and completion need not wait for it.
  const { openEngine } = await import('../engine/this-machine.ts')
  const engine = await openEngine({ dir })
  engine.on('tornTail', ({ file, bytes, savedAs }) => {
    say(`note: the unfinished last write of ${file} (${bytes} bytes, never acknowledged) was saved as ${savedAs}`)
  })
  engine.on('damaged', ({ file, offset, tasks }) => {
    say(`note: ${file} is damaged at ${offset}: ${tasks} tasks; see hourwheel verify --dir ${dir}`)
  })
  return engine
}

function noDirectory(dir: string): CommandFailed {
  const why = existsSync(dir) ? 'it has no MANIFEST' : 'there is no such directory'
  return new CommandFailed(
    `HW_DIRECTORY_UNUSABLE: ${dir} is not a data directory of hourwheel: ${why}`,
    `hourwheel schedule <queue> --dir ${dir} --in 1h, which makes one; or look for a directory with a MANIFEST`,
  )
}

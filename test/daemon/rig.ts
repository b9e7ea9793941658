/** A daemon of the built package in a process of its own, and a plain client of it. */

import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const program: string = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** What is not JSON is undefined. */
  readonly json: unknown
}

export interface CallOptions {
  readonly headers?: OutgoingHttpHeaders
  /** Bytes and text go as they are, all else as JSON. */
  readonly body?: unknown
}

/** Where a daemon listens: a path or a port. */
export type Place = { readonly socketPath: string } | { readonly port: number }

const agent = new Agent({ keepAlive: true, maxSockets: 64 })

export function callAt(place: Place, method: string, path: string, options: CallOptions = {}): Promise<Answer> {
  const { body, headers = {} } = options
  const isPlain = body === undefined || typeof body === 'string' || body instanceof Uint8Array
  const bytes = isPlain ? body : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const given = isPlain ? headers : { 'content-type': 'application/json', ...headers }
    const one = httpRequest({ ...place, agent, method, path, headers: given }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: jsonOf(text) })
      })
    })
    one.on('error', reject)
    one.end(bytes)
  })
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export interface Served {
  readonly child: ChildProcess
  readonly socket: string
  /** Of --listen, when it was given. */
  readonly url: string | undefined
  readonly port: number | undefined
  /** Everything it has logged so far. */
  log(): string
  /** Resolves once a line of the log contains the text. */
  logged(text: string): Promise<void>
  call(method: string, path: string, options?: CallOptions): Promise<Answer>
  signal(signal: NodeJS.Signals): void
  /** Its exit code, once it has ended. */
  readonly ended: Promise<number | null>
  /** Resolves to its exit code; after SIGTERM unless it has ended. */
  end(signal?: NodeJS.Signals): Promise<number | null>
}

/** Starts `hourwheel serve` with these flags, and resolves once it serves. */
export async function serve(
  flags: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Served> {
  const child = spawn(process.execPath, [program, 'serve', ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  })
  let log = ''
  const waiting = new Set<() => void>()
  const take = (text: string): void => {
    log += text
    for (const look of waiting) look()
  }
  child.stdout.setEncoding('utf8').on('data', take)
  child.stderr.setEncoding('utf8').on('data', take)
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const logged = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (!log.includes(text)) return
        waiting.delete(look)
        resolve()
      }
      waiting.add(look)
      look()
      void ended.then((code) => reject(new Error(`the daemon ended with ${code} before it said '${text}': ${log}`)))
    })
  await logged('hourwheel serves')
  const addresses = /"addresses":(\[[^\]]*\])/u.exec(log)
  const all = JSON.parse(addresses?.[1] ?? '[]') as string[]
  const socket = all.find((address) => address.startsWith('/')) ?? ''
  const url = all.find((address) => address.startsWith('http'))
  return {
    child,
    socket,
    url,
    port: url === undefined ? undefined : Number(new URL(url).port),
    log: () => log,
    logged,
    call: (method, path, options) => callAt({ socketPath: socket }, method, path, options),
    signal: (signal) => child.kill(signal),
    ended,
    end: (signal = 'SIGTERM') => {
      if (child.exitCode === null) child.kill(signal)
      return ended
    },
  }
}

/** A directory that goes when the test file ends; short, as paths of sockets have to be. */
export function temporary(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'hw-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Runs until it holds; the test's own time-out is the limit. */
export async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20))
}

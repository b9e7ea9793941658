/** The `hourwheel` program of the built package, as a user types it. */

import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { afterAll } from 'vitest'
import type { openEngine as OpenEngine } from '../../src/index.ts'

export const program: string = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const index = new URL('../../dist/index.js', import.meta.url).href

export interface Said {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

interface How {
  readonly input?: string | Buffer
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** Runs it to its end in a process of its own. Local time is that of Berlin, since UTC would hide mistakes. */
export function typed(args: readonly string[], { input, env = {}, cwd }: How = {}): Said {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    encoding: 'utf8',
    input: input ?? '',
    env: plainEnvironment(env),
    cwd,
    timeout: 60_000,
  })
  return { code: status, out: stdout, err: stderr }
}

let typist: { readonly done: Int32Array; readonly port: MessagePort } | undefined

/** The same, without the time that starting a process takes: see typist.mjs. */
export function hourwheel(args: readonly string[], { env = {} }: Pick<How, 'env'> = {}): Said {
  typist ??= startTypist()
  const { done, port } = typist
  Atomics.store(done, 0, 0)
  port.postMessage({ args, env })
  if (Atomics.wait(done, 0, 0, 60_000) === 'timed-out') throw new Error(`hourwheel ${args.join(' ')} does not end`)
  return receiveMessageOnPort(port)!.message as Said
}

function startTypist(): NonNullable<typeof typist> {
  const done = new Int32Array(new SharedArrayBuffer(4))
  const { port1: port, port2 } = new MessageChannel()
  // The zone is the process's, for all threads.
  process.env['TZ'] = 'Europe/Berlin'
  const worker = new Worker(new URL('./typist.mjs', import.meta.url), {
    workerData: { done, port: port2, program: pathToFileURL(program).href },
    transferList: [port2],
    env: plainEnvironment({}),
  })
  worker.unref()
  return { done, port }
}

/** One JSON object a line. */
export function objectsOf({ out }: Said): Record<string, unknown>[] {
  return out
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

export function start(args: readonly string[], { env = {}, cwd }: How = {}): Running {
  return new Running(spawn(process.execPath, [program, ...args], { env: plainEnvironment(env), cwd }))
}

/** One that goes on until it is told to end. */
export class Running {
  readonly child: ChildProcess
  readonly ended: Promise<number | null>
  said = ''

  constructor(child: ChildProcess) {
    this.child = child
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (bytes: Buffer) => {
        this.said += bytes.toString()
      })
    }
    this.ended = new Promise((resolve) => child.on('close', (code) => resolve(code)))
  }

  /** Resolves once it has said that; rejects if it ends before. */
  async until(pattern: RegExp): Promise<void> {
    let isOver = false
    void this.ended.then(() => (isOver = true))
    while (!pattern.test(this.said)) {
      if (isOver) throw new Error(`it ended without saying ${String(pattern)}:\n${this.said}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}

/** A directory for one test file, removed at its end. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'hourwheel-cli-'))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }\n')
  return directory
}

/** The engine of the built package, to prepare what no command can. */
export async function builtEngine(
  dir: string,
  options: Partial<Parameters<typeof OpenEngine>[0]> = {},
): ReturnType<typeof OpenEngine> {
  const { openEngine } = (await import(index)) as { openEngine: typeof OpenEngine }
  return openEngine({ ...options, dir })
}

function plainEnvironment(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(HOURWHEEL_|XDG_|NO_COLOR$|FORCE_COLOR$|CI$|NODE_|VITEST)/.test(name),
  )
  return { ...Object.fromEntries(inherited), TZ: 'Europe/Berlin', ...extra }
}

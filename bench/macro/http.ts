/** The daemon over a Unix socket, its client in a process of its own: batches, and single schedules beside bare node:http. */

import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { encodeMsgpack, jsonType, msgpackType, ndjsonType } from '../../src/protocol/batch-bodies.ts'
import { column, ratios, type Benchmark, type Figures, type Runner, type Size } from './benchmark.ts'
import { HttpConnection, requestHead } from './http-connection.ts'
import { dayMs, drive, taskMaker } from './loads.ts'

type Format = 'json' | 'ndjson' | 'msgpack'

interface Specification {
  readonly server: 'daemon' | 'bare'
  readonly connections: number
  /** Undefined: single schedules. */
  readonly format?: Format
  readonly calls: number
}

type Located = Specification & { readonly directory: string }

const batchTasks = 1_000
const types: Readonly<Record<Format, string>> = { json: jsonType, ndjson: ndjsonType, msgpack: msgpackType }
const singles: Readonly<Record<Size, number>> = { tiny: 500, small: 100_000, full: 500_000 }
const batches: Readonly<Record<Size, number>> = { tiny: 5, small: 500, full: 3_000 }

/** The client; the server is a process that it starts. */
async function client({ server, connections, format, calls, directory }: Located): Promise<Figures> {
  const socket = join(directory, 'socket')
  const child = await startServer(server, directory, socket)
  try {
    const open = await Promise.all(Array.from({ length: connections }, () => HttpConnection.open(socket)))
    const nextTask = taskMaker(Date.now() + dayMs, 29 * dayMs)
    const send = format === undefined ? one(nextTask) : many(nextTask, format)
    const free = [...open]
    const call = async (): Promise<void> => {
      const connection = free.pop()!
      const status = await send(connection)
      if (status !== 201) throw new Error(`the server answered ${status}`)
      free.push(connection)
    }
    const tasksPerCall = format === undefined ? 1 : batchTasks
    await drive(Math.ceil(calls / 5), connections, tasksPerCall, call)
    const figures = await drive(calls, connections, tasksPerCall, call)
    for (const connection of open) connection.close()
    return { ...figures }
  } finally {
    child.kill('SIGKILL')
  }
}

type Send = (connection: HttpConnection) => Promise<number>

function one(nextTask: () => object): Send {
  return (connection) => {
    const body = JSON.stringify(nextTask())
    return connection.request(requestHead('POST', '/v1/tasks', jsonType, body.length), body)
  }
}

function many(nextTask: () => object, format: Format): Send {
  return (connection) => {
    const tasks = Array.from({ length: batchTasks }, nextTask)
    const body =
      format === 'msgpack'
        ? encodeMsgpack(tasks)
        : format === 'json'
          ? JSON.stringify(tasks)
          : tasks.map((task) => JSON.stringify(task)).join('\n')
    return connection.request(requestHead('POST', '/v1/tasks/batch', types[format], body.length), body)
  }
}

function startServer(server: 'daemon' | 'bare', directory: string, socket: string): Promise<ChildProcess> {
  const script = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
  const serve = ['serve', '--dir', join(directory, 'data'), '--socket', socket]
  const command = server === 'bare' ? [script('./bare-server.js'), socket] : [script('../../src/cli/main.js'), ...serve]
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code) => reject(new Error(`the server ended with ${code}`)))
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (output.includes('hourwheel serves') || output.includes('listening')) resolve(child)
    })
  })
}

async function run(runner: Runner): Promise<void> {
  const single = { connections: 256, calls: singles[runner.size] }
  const { daemon = [], bare = [] } = await runner.alternate(runner.rounds(5), {
    daemon: () => runner.child('client', { ...single, server: 'daemon' }),
    bare: () => runner.child('client', { ...single, server: 'bare' }),
  })
  const shown = ['tasksPerSecond', 'p50Us', 'p99Us'] as const
  const cells = (results: readonly Figures[]): Record<string, number[]> =>
    Object.fromEntries(shown.map((figure) => [figure, column(results, figure)]))
  runner.table([
    { subject: 'daemon, one task a request', ...cells(daemon) },
    { subject: 'bare node:http', ...cells(bare) },
    { subject: 'daemon / bare', ...Object.fromEntries(shown.map((figure) => [figure, ratios(daemon, bare, figure)])) },
  ])
  const batch = { connections: 4, calls: batches[runner.size], server: 'daemon' }
  const results = await runner.alternate(runner.rounds(5), {
    json: () => runner.child('client', { ...batch, format: 'json' }),
    ndjson: () => runner.child('client', { ...batch, format: 'ndjson' }),
    msgpack: () => runner.child('client', { ...batch, format: 'msgpack' }),
  })
  runner.table(
    Object.entries(results).map(([format, figures]) => ({ subject: `batches of 1,000, ${format}`, ...cells(figures) })),
  )
}

export const http: Benchmark = {
  title: 'the daemon over a Unix socket, beside bare node:http',
  notes:
    'Median [min .. max] over the rounds. Payload 100 bytes of JSON, due in 1 to 30 days. 256 connections for single tasks, 4 for ' +
    'batches; the client makes each body anew, in a process of its own. Every answer of the daemon is on disk; bare node:http ' +
    'reads the body and answers as many bytes.',
  programs: { client },
  run,
}

/**
 * hourwheel dev: a daemon to play with. A directory that goes when it ends, loopback TCP, tasks of its own that fire within five
 * seconds, and a line to paste into another terminal.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { readConfig } from '../daemon/config.ts'
import type { Daemon } from '../daemon/daemon.ts'
import { loadHandlers } from '../daemon/handler-module.ts'
import { makeLog } from '../daemon/log.ts'
import type { EngineEvents } from '../model/engine-reports.ts'
import { colors } from './output.ts'
import { serveUntilEnded } from './serve.ts'

interface Options {
  readonly port: string
  readonly handlers?: string
}

const portDefault = '7420'
/** Due so many milliseconds from now. */
const sampleDelaysMs = [1_000, 2_000, 3_000, 4_000, 5_000]

export function addDevCommand(program: Command): void {
  program
    .command('dev')
    .description('a daemon to try things with: temporary directory, sample tasks, URLs')
    .option('--port <port>', 'port on 127.0.0.1; a free one when it is taken', portDefault)
    .option('--handlers <path>', 'module whose handlers run tasks')
    .addHelpText('after', '\nExamples:\n  $ hourwheel dev\n  $ hourwheel dev --port 0 --handlers ./handlers.js')
    .action(async ({ port, handlers }: Options) => {
      const directory = await mkdtemp(join(tmpdir(), 'hourwheel-dev-'))
      try {
        await run(directory, port, handlers)
      } finally {
        await rm(directory, { recursive: true, force: true })
      }
    })
}

async function run(directory: string, port: string, handlers: string | undefined): Promise<void> {
  const log = makeLog('warn')
  const names = handlers === undefined ? [] : [...(await loadHandlers(handlers)).keys()]
  const started = (daemon: Daemon): Promise<void> => welcome(daemon, names[0])
  const serve = async (listen: string): Promise<void> => {
    const given = { dir: join(directory, 'data'), handlers, logLevel: 'warn', drain: '1s', listen }
    await serveUntilEnded(await readConfig(given, {}, undefined), log, started)
  }
  try {
    await serve(`127.0.0.1:${port}`)
  } catch (error) {
    // The usual port may be in use: by another one of these, most likely.
    if (port !== portDefault || (error as { code?: unknown }).code !== 'HW_ADDRESS_UNUSABLE') throw error
    await serve('127.0.0.1:0')
  }
}

/** `handled` is a queue of the user's own module; without one there is a handler here, with tasks for it. */
async function welcome({ engine, url = '', addresses }: Daemon, handled: string | undefined): Promise<void> {
  const { bold, dim } = colors(process.stdout)
  showEvents(engine.on.bind(engine))
  const queue = handled ?? 'hello'
  if (handled === undefined) {
    await engine.handle(queue, ({ payload }) => console.log(`hello, ${JSON.stringify(payload)}`))
    const tasks = sampleDelaysMs.map((delay) => ({ queue, delay, payload: { after: `${delay / 1_000} s` } }))
    await engine.scheduleMany(tasks)
  }
  console.log(`
${bold('hourwheel')} serves ${bold(url)} and ${addresses[0] ?? ''}
${dim('A directory that goes when this ends (Ctrl-C); hourwheel serve --dir ./data keeps one.')}

  ${url}/openapi.json   what there is
  ${url}/v1/stats       counters
  ${url}/metrics        for Prometheus

Paste this into another terminal, and see it fire here in three seconds:

  ${bold(`curl ${url}/v1/tasks -d '{"queue":"${queue}","delay":"3s","payload":{"from":"curl"}}'`)}
`)
}

/** Fires and failures, one line each. */
function showEvents(
  on: <N extends keyof EngineEvents>(name: N, listener: (event: EngineEvents[N]) => void) => unknown,
): void {
  on('fired', ({ queue, id, attempt, lateMs }) => {
    console.log(`fired      ${queue}  ${id}  attempt ${attempt}, ${lateMs} ms late`)
  })
  on('attemptFailed', ({ queue, id, error }) => console.log(`failed     ${queue}  ${id}  ${error}`))
  on('deadLettered', ({ queue, id, error }) => console.log(`dead       ${queue}  ${id}  ${error}`))
}

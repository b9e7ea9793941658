/**
 * hourwheel run: an engine in the foreground, with the handlers of a module.
 *
 *   running -> draining   by SIGINT, SIGTERM or SIGHUP, a bad line of the input, or --until-empty: nothing new starts
 *   draining -> ended     when what runs has ended, or after --drain; a second signal ends at once
 *
 * `kill -9` loses nothing that was acknowledged: the next run goes on.
 */

import { access, constants } from 'node:fs/promises'
import type { Command } from 'commander'
import { loadHandlers } from '../daemon/handler-module.ts'
import type { Engine } from '../model/engine.ts'
import { CommandFailed, rememberDirectory, report } from './failures.ts'
import { parseHumanDelay } from './human-time.ts'
import { applyKeptSettings } from './kept-settings.ts'
import { LiveView } from './live-view.ts'
import { grouped, say } from './output.ts'
import { parseCount, parsePositive } from './task-fields.ts'
import { scheduleLines, type Progress } from './task-lines.ts'

interface Options {
  readonly dir: string
  readonly handlers: string
  readonly input?: string
  readonly skip?: number
  readonly concurrency?: number
  readonly threads?: number
  readonly drain: string
  readonly untilEmpty?: boolean
  readonly plain?: boolean
}

const idlePollMs = 100

export function addRunCommand(program: Command): void {
  program
    .command('run')
    .description('run an engine in the foreground, with the handlers of a module')
    .requiredOption('--dir <directory>', 'the data directory, which no engine has open; made when it is not there')
    .requiredOption('--handlers <module>', 'a JavaScript module: which queue is run by what')
    .option('--input <file>', 'schedule the tasks in it, one JSON object a line; - for standard input')
    .option('--skip <lines>', 'leave out the first lines of the input', parseCount)
    .option('--concurrency <count>', 'attempts at once in each queue that says nothing else', parsePositive)
    .option('--threads <count>', 'run the handlers in so many worker threads for each queue', parsePositive)
    .option('--drain <duration>', 'how long to wait at the end for what runs', '10s')
    .option('--until-empty', 'end when the input is read and nothing is pending in the queues that have handlers')
    .option('--plain', 'lines instead of a screen, as when the output is no terminal')
    .addHelpText(
      'after',
      `
Examples:
  $ hourwheel run --dir ./data --handlers handlers.js
  $ hourwheel run --dir ./data --handlers handlers.js --input tasks.ndjson --until-empty
  $ producer | hourwheel run --dir ./data --handlers handlers.js --input - --threads 2

The module, handlers.js:
  export default {
    email: async (task, context) => { ... },                          // in the engine's thread
    thumbs: { module: './thumbs.js', concurrency: 8, threads: 2 },    // its default export, in threads
    charge: { handler: charge, timeout: '30s', retry: { attempts: 3 } },
  }

Ctrl-C lets running attempts end; a second one ends at once. Nothing that was accepted is lost by either.`,
    )
    .action(async (options: Options) => {
      await run(options).catch(report)
      // A handler that did not end in time must not keep the process.
      process.exit()
    })
}

async function run(options: Options): Promise<void> {
  const { dir, concurrency, threads } = options
  const drain = parseHumanDelay(options.drain, '--drain')
  rememberDirectory(dir)
  const handlers = await loadHandlers(options.handlers, { concurrency, threads })
  const queues = Object.fromEntries([...handlers].map(([queue, { settings }]) => [queue, settings]))
  if (options.input !== undefined && options.input !== '-') {
    await access(options.input, constants.R_OK).catch((error: Error) => {
      throw new CommandFailed(`--input: ${error.message}`)
    })
  }
  const { openEngine } = await import('../engine/this-machine.ts')
  const startedAtMs = performance.now()
  const engine = await openEngine({ dir, queues })
  const openedInMs = performance.now() - startedAtMs
  const reading = new AbortController()
  const stop = onSignals(() => {
    reading.abort()
    void engine.close({ drain })
  })
  void engine.closed.then(() => reading.abort())
  const state: { read: Progress | undefined } = { read: undefined }
  const view = new LiveView(engine, {
    plain: options.plain === true || !process.stdout.isTTY,
    directory: dir,
    openedInMs,
    footer: 'Ctrl-C ends it; the next run goes on where it was.',
    status: () => (state.read === undefined ? undefined : inputLine(state.read)),
  })
  try {
    await applyKeptSettings(engine, dir, queues)
    for (const [queue, handled] of handlers) await engine.handle(queue, handled.handler, handled.options)
    view.start()
    const signal = reading.signal
    if (options.input !== undefined) {
      const { input, skip = 0 } = options
      state.read = await scheduleLines(engine, { input, skip, signal, onProgress: (read) => (state.read = read) })
      if (!signal.aborted) view.note('input', '', '', inputLine(state.read))
    }
    if (options.untilEmpty === true) await untilEmpty(engine, [...handlers.keys()], signal)
    else await engine.closed
  } finally {
    reading.abort()
    await engine.close({ drain })
    stop()
    view.stop(`run it again to go on from ${dir}`)
  }
  const { reason, error } = await engine.closed
  if (reason === 'failed') throw error ?? new CommandFailed('the engine stopped')
}

/** Ends early when the engine does. */
async function untilEmpty(engine: Engine, queues: readonly string[], signal: AbortSignal): Promise<void> {
  let isOpen = true
  const closed = engine.closed.then(() => {
    isOpen = false
  })
  while (isOpen && !signal.aborted) {
    const stats = await engine.stats()
    if (queues.every((queue) => isEmpty(stats.queues[queue]))) return
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, idlePollMs))])
  }
}

function isEmpty(counters: { readonly pending: number; readonly leased: number } | undefined): boolean {
  return counters === undefined || counters.pending + counters.leased === 0
}

function inputLine({ lines, created, kept, replaced }: Progress): string {
  const more = `${kept === 0 ? '' : `, ${grouped(kept)} kept`}${replaced === 0 ? '' : `, ${grouped(replaced)} replaced`}`
  return `input: ${grouped(lines)} lines read, ${grouped(created)} tasks created${more}`
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const signalExitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

/** The first signal calls `first`, the second ends the process. Answers what lets go of them. */
function onSignals(first: () => void): () => void {
  let count = 0
  const listener = (signal: (typeof signals)[number]): void => {
    if (count++ > 0) process.exit(signalExitCodes[signal])
    say('ending: what runs may finish; once more to end at once')
    first()
  }
  for (const signal of signals) process.on(signal, listener)
  return () => {
    for (const signal of signals) process.off(signal, listener)
  }
}

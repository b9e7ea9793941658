/**
 * The module that `--handlers` names, for `run` and `serve` alike: which queue is run by what.
 *
 *     export default {
 *       email: async (task, context) => { ... },                                   // in the engine's thread
 *       thumbs: { module: './thumbs.js', concurrency: 8, threads: 2, timeout: '30s' },   // its default export, in threads
 *       charge: { handler: charge, concurrency: 10, retry: { attempts: 3 } },
 *     }
 *
 * Without a default export, each exported function is the handler of the queue of its name. `retry`, `timeout` and
 * `keyWindow` are settings of the queue, to be given to `openEngine`. Loads and checks the shape; the engine checks values.
 */

import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { refuse, shown } from '../model/errors.ts'
import { checkFields, defined } from '../model/fields.ts'
import type { Handler, HandlerModule, ModuleOptions } from '../model/hourwheel.ts'
import { checkQueueName } from '../model/names.ts'
import type { QueueOptions } from '../model/typed-queues.ts'

export interface QueueHandler {
  readonly handler: Handler | HandlerModule
  readonly options: ModuleOptions
  /** For `queues` of `openEngine`. */
  readonly settings: QueueOptions
}

/** What holds for all queues of the module that say nothing else; with `threads`, functions run in threads of their own. */
export interface HandlerDefaults {
  readonly concurrency?: number | undefined
  readonly threads?: number | undefined
}

const fields = ['handler', 'module', 'concurrency', 'threads', 'timeout', 'resourceLimits', 'retry', 'keyWindow']

/** By queue. Refused with HW_HANDLER_INVALID when the module cannot be loaded or has not this form. */
export async function loadHandlers(
  path: string,
  defaults: HandlerDefaults = {},
): Promise<ReadonlyMap<string, QueueHandler>> {
  const url = pathToFileURL(resolve(path))
  if ((await stat(url).catch(() => undefined))?.isFile() !== true) {
    throw refuse('HW_HANDLER_INVALID', `there is no module ${path}`, { details: { module: path } })
  }
  let loaded: Readonly<Record<string, unknown>>
  try {
    loaded = (await import(url.href)) as Readonly<Record<string, unknown>>
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause)
    throw refuse('HW_HANDLER_INVALID', `${path} cannot be loaded: ${text}`, { cause, details: { module: path } })
  }
  const handlers = new Map<string, QueueHandler>()
  for (const [queue, value] of Object.entries(exportsOf(loaded, path))) {
    checkQueueName(queue)
    handlers.set(queue, handlerOf(url, queue, value, defaults))
  }
  if (handlers.size === 0) throw refuse('HW_HANDLER_INVALID', `${path} has no handlers; ${form}`)
  return handlers
}

const form = 'export default an object of queue to function, or to { handler | module, concurrency, ... }'

/** The object of queues: the default export, or the exported functions. */
function exportsOf(loaded: Readonly<Record<string, unknown>>, path: string): Readonly<Record<string, unknown>> {
  if (!Object.hasOwn(loaded, 'default')) {
    return Object.fromEntries(Object.entries(loaded).filter(([, value]) => typeof value === 'function'))
  }
  const queues = loaded['default']
  if (typeof queues !== 'object' || queues === null || Array.isArray(queues)) {
    throw refuse('HW_HANDLER_INVALID', `the default export of ${path} is ${shown(queues)}; ${form}`)
  }
  return queues as Readonly<Record<string, unknown>>
}

function handlerOf(url: URL, queue: string, value: unknown, defaults: HandlerDefaults): QueueHandler {
  const entry = typeof value === 'function' ? { handler: value } : value
  const known = checkFields(entry, fields, `queue '${queue}'`, 'HW_HANDLER_INVALID')
  const { handler, module, retry, keyWindow, ...options } = known
  if ((handler === undefined) === (module === undefined)) {
    throw refuse('HW_HANDLER_INVALID', `queue '${queue}' needs either a handler or a module; ${form}`)
  }
  if (handler !== undefined && typeof handler !== 'function') {
    throw refuse('HW_HANDLER_INVALID', `the handler of queue '${queue}' is ${shown(handler)}; give a function`)
  }
  const settings = defined({ retry, timeout: options['timeout'], keyWindow }) as QueueOptions
  const { threads = defaults.threads, concurrency = defaults.concurrency, ...rest } = options
  const inThreads = module !== undefined || threads !== undefined
  return {
    handler: inThreads ? { module: moduleOf(url, queue, module) } : (handler as Handler),
    options: defined({ ...rest, concurrency, threads: fitting(threads, concurrency, options) }) as ModuleOptions,
    settings,
  }
}

/** The default for threads gives way to a smaller concurrency of the queue's own. */
function fitting(threads: unknown, concurrency: unknown, own: Readonly<Record<string, unknown>>): unknown {
  if (own['threads'] !== undefined || typeof threads !== 'number' || typeof concurrency !== 'number') return threads
  return Math.min(threads, concurrency)
}

/** The URL of a module whose default export is the handler: the one that is named, or one that picks it from here. */
function moduleOf(url: URL, queue: string, module: unknown): string {
  if (typeof module === 'string') return new URL(module, url).href
  if (module !== undefined) {
    const href = typeof module === 'object' && module !== null ? (module as { href?: unknown }).href : undefined
    if (typeof href === 'string') return href
    throw refuse('HW_HANDLER_INVALID', `module of queue '${queue}' is ${shown(module)}; give its path or URL`)
  }
  const name = JSON.stringify(queue)
  const code =
    `import * as all from ${JSON.stringify(url.href)}\n` +
    `const found = (all.default ?? all)[${name}]\n` +
    `export default typeof found === 'function' ? found : found.handler\n`
  return `data:text/javascript,${encodeURIComponent(code)}`
}

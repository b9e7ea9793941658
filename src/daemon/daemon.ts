/**
 * The daemon, put together: engine, settings of queues, webhooks, handlers, listeners. Knows no signals and no terminal: those are
 * the program's (cli/serve.ts).
 *
 * Up: directory, settings, handlers, and only then the addresses, so that whoever can connect is served. Down: waiting clients
 * are sent away, attempts that run get their time to end and to be answered over HTTP, then the engine closes, then the addresses.
 */

import { setMaxListeners } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { Logger } from 'pino'
import { openEngine } from '../engine/this-machine.ts'
import type { Engine } from '../model/engine.ts'
import { refuse } from '../model/errors.ts'
import type { Closed } from '../model/engine-reports.ts'
import type { QueueOptions } from '../model/typed-queues.ts'
import type { RouteName } from '../protocol/routes.ts'
import { isLoopback, type DaemonConfig } from './config.ts'
import { EventFeed } from './event-feed.ts'
import { loadHandlers } from './handler-module.ts'
import { BodyReader } from './http/body.ts'
import type { RouteHandler } from './http/call.ts'
import { Dispatcher } from './http/dispatcher.ts'
import type { Gate } from './http/gate.ts'
import { listenOnSocket, listenOnTcp, type Listener } from './http/listeners.ts'
import { Metrics } from './metrics.ts'
import { QueueSettingsFile } from './queue-settings.ts'
import { backupRoute } from './routes/backup.ts'
import { deadLetterRoutes } from './routes/dead-letters.ts'
import { leaseRoutes } from './routes/leases.ts'
import { queueRoutes } from './routes/queues.ts'
import { readingRoutes } from './routes/reading.ts'
import { taskRoutes } from './routes/tasks.ts'
import { ServedHandlers } from './served-handlers.ts'
import { Tokens } from './tokens.ts'
import { Webhooks } from './webhooks/webhooks.ts'

/** How long answers under way may take once the engine has closed. */
const answersMs = 2_000
const loopbackNames = ['localhost', '127.0.0.1', '::1']

export interface Daemon {
  readonly engine: Engine
  /** Paths and URLs it listens on. */
  readonly addresses: readonly string[]
  readonly url: string | undefined
  /** Resolves when the engine has stopped, for whatever reason. */
  readonly closed: Promise<Closed>
  /** Reads tokens, certificates, webhook secrets and settings of queues again. */
  reload(): Promise<void>
  close(drainMs?: number): Promise<void>
}

type Undo = () => Promise<unknown> | void

type QueueSettingsByName = Readonly<Record<string, Omit<QueueOptions, 'payload'>>>

/** `queues`: settings that hold where neither the handlers' module nor the file of settings says otherwise. */
export async function startDaemon(
  config: DaemonConfig,
  log: Logger,
  queues: QueueSettingsByName = {},
): Promise<Daemon> {
  const undo: Undo[] = []
  try {
    return await start(config, log, queues, undo)
  } catch (error) {
    for (const step of undo.reverse()) await Promise.resolve(step()).catch(() => undefined)
    throw error
  }
}

async function start(config: DaemonConfig, log: Logger, queues: QueueSettingsByName, undo: Undo[]): Promise<Daemon> {
  const tokens = new Tokens(config.tokenFile, config.tokens)
  for (const warning of await tokens.load()) log.warn(warning)
  const handlers = config.handlers === undefined ? undefined : await loadHandlers(config.handlers)
  const base: Record<string, Omit<QueueOptions, 'payload'>> = { ...queues }
  for (const [queue, { settings }] of handlers ?? []) base[queue] = settings

  const startedMs = performance.now()
  const engine = await openEngine({ ...config.engine, queues: base })
  undo.push(() => engine.close({ drain: 0 }))
  reportEvents(engine, log)
  const { openCount, total } = await engine.stats()
  const openedInMs = Math.round(performance.now() - startedMs)
  log.info({ dir: config.dir, openedInMs, pending: total.pending, dead: total.dead }, 'the directory is open')

  const webhooks = new Webhooks({
    engine,
    hosts: config.webhookHosts,
    secrets: await webhookSecrets(config.webhookSecretsFile),
    log,
  })
  undo.push(() => webhooks.close())
  const served = new ServedHandlers(engine, handlers ?? new Map())
  const settings = await openSettings(config, { engine, base, webhooks, log, served })
  await served.start((queue) => settings.get(queue))
  if (served.queues.length > 0) log.info({ queues: served.queues }, 'handlers run')

  const feed = new EventFeed(engine, openCount, config.eventsKept)
  undo.push(() => feed.close())
  const bodies = new BodyReader(config.bodyBytesInFlightMax)
  const listeners: Listener[] = []
  const metrics = new Metrics({
    engine,
    directory: config.dir,
    queuesMax: config.metricsQueuesMax,
    connections: async () => (await Promise.all(listeners.map((one) => one.connections()))).reduce((a, b) => a + b, 0),
    eventReaders: () => feed.readerCount,
    bodyBytes: () => bodies.usedBytes,
    webhooks: () => webhooks.views(),
  })
  const ending = new AbortController()
  // Every client that waits for tasks listens to it.
  setMaxListeners(0, ending.signal)
  const isDraining = (): boolean => ending.signal.aborted
  const routes: Readonly<Record<RouteName, RouteHandler>> = {
    ...taskRoutes(engine),
    ...leaseRoutes(engine, ending.signal),
    ...deadLetterRoutes(engine),
    ...queueRoutes(engine, settings),
    ...readingRoutes({ engine, metrics, isDraining }),
    events: (call) => feed.open(call),
    backup: backupRoute(engine, config.backupDir),
  }
  const dispatcher = new Dispatcher({
    handlers: routes,
    bodies,
    unsentBytesMax: config.bodyBytesInFlightMax,
    log,
    isDraining,
    times: metrics.times,
  })
  undo.push(() => Promise.all(listeners.map((one) => one.close(0))))
  await listen(config, tokens, dispatcher, listeners)

  let closing: Promise<void> | undefined
  const close = async (drainMs: number): Promise<void> => {
    ending.abort()
    feed.close()
    await engine.close({ drain: drainMs })
    await webhooks.close()
    await Promise.all(listeners.map((one) => one.close(answersMs)))
  }
  return {
    engine,
    addresses: listeners.map(({ address }) => address),
    url: listeners.find(({ port }) => port !== undefined)?.address,
    closed: engine.closed,
    close: (drainMs = config.drainMs) => (closing ??= close(drainMs)),
    reload: async () => {
      for (const warning of await tokens.load()) log.warn(warning)
      await Promise.all(listeners.map((one) => one.reload()))
      await webhooks.replaceSecrets(await webhookSecrets(config.webhookSecretsFile))
      await settings.reload()
      log.info({ tokens: tokens.count }, 'tokens, certificates, secrets and settings of queues were read again')
    },
  }
}

/** A queue that has a handler of this process keeps it, by its new settings; its webhook waits, and the log says so. */
function openSettings(
  { dir }: DaemonConfig,
  {
    engine,
    base,
    webhooks,
    log,
    served,
  }: {
    readonly engine: Engine
    readonly base: QueueSettingsByName
    readonly webhooks: Webhooks
    readonly log: Logger
    /** Handlers of the start-up configuration. */
    readonly served: ServedHandlers
  },
): Promise<QueueSettingsFile> {
  return QueueSettingsFile.open({
    directory: dir,
    engine,
    base,
    checkWebhook: (webhook) => webhooks.check(webhook),
    changed: (queue, { webhook, concurrency, timeout }, timeoutMs) => {
      if (served.has(queue)) {
        if (webhook) log.warn({ queue }, 'this queue has a handler in this process; its webhook is not used')
        served
          .apply(queue, { concurrency, timeout })
          .catch((error: unknown) => log.error({ err: error, queue }, 'its handler does not run by these settings'))
        return
      }
      webhooks
        .set(queue, webhook ? { webhook, concurrency, timeoutMs } : undefined)
        .catch((error: unknown) => log.error({ err: error, queue }, 'its webhook does not work'))
    },
  })
}

function reportEvents(engine: Engine, log: Logger): void {
  engine.on('tornTail', (event) => log.warn(event, 'the unfinished last write of the log was cut and set aside'))
  engine.on('damaged', (event) => log.error(event, 'a block of a segment is damaged; its tasks were set aside'))
  engine.on('clockJump', (event) =>
    log.warn(event, event.held ? 'the clock jumped; firing is held' : 'the clock jumped'),
  )
  engine.on('noConsumer', (event) => log.warn(event, 'tasks are due, and nothing runs them'))
  engine.on('deadLettered', (event) => log.warn(event, 'a task has become a dead letter'))
}

async function listen(
  { socket, listen: tcp, tls, hosts, connectionsMax }: DaemonConfig,
  tokens: Tokens,
  dispatcher: Dispatcher,
  listeners: Listener[],
): Promise<void> {
  if (socket !== undefined) {
    const gate: Gate = { hosts: undefined, tokens }
    listeners.push(await listenOnSocket(socket, connectionsMax, dispatcher.listener(gate)))
  }
  if (tcp !== undefined) {
    const names = isLoopback(tcp.host) ? [...loopbackNames, tcp.host] : [tcp.host]
    const gate: Gate = { hosts: new Set([...names, ...hosts]), tokens }
    listeners.push(await listenOnTcp(tcp, tls, connectionsMax, dispatcher.listener(gate)))
  }
}

async function webhookSecrets(file: string | undefined): Promise<Readonly<Record<string, readonly string[]>>> {
  if (file === undefined) return {}
  try {
    const value = JSON.parse(await readFile(file, 'utf8')) as unknown
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Readonly<Record<string, readonly string[]>>
    }
  } catch (cause) {
    // What JSON.parse says quotes the text, which has secrets in it.
    const why = cause instanceof SyntaxError ? 'it is not JSON' : (cause as Error).message
    throw refuse('HW_INVALID_CONFIG', `webhookSecretsFile ${file} cannot be used: ${why}`)
  }
  throw refuse('HW_INVALID_CONFIG', `webhookSecretsFile ${file} must be an object of name to array of secrets`)
}

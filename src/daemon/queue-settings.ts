/**
 * Settings of queues that outlive the daemon: retry, time-out, key window, concurrency, webhook. Kept in a file of their own in
 * the data directory, which the manifest does not name and the engine leaves alone:
 *
 *     {"kind":"hourwheel queue settings","format":1,"crc32":"<8 hex digits of the rest>"}\n
 *     {"<queue>":{...},...}\n
 *
 * Written by tmp, sync, rename, directory sync, one change at a time; a change is applied once it is durable, so that a setting
 * that was acknowledged is never older after a restart. A file that is not exactly what was written is refused (HW_CORRUPT), as
 * is one of a newer format: wrong settings in silence would fire tasks in the wrong way.
 */

import { open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { queueSettingsFileName } from '../engine/directory.ts'
import { defaultQueueSettings, parseQueueOptions } from '../engine/options.ts'
import { replaceQueueSettings } from '../engine/for-daemons.ts'
import type { Duration } from '../model/durations.ts'
import type { Engine } from '../model/engine.ts'
import { HourwheelError, refuse } from '../model/errors.ts'
import { checkFields, defined, wholeIn } from '../model/fields.ts'
import { limits } from '../model/limits.ts'
import { checkQueueName } from '../model/names.ts'
import type { RetryOptions } from '../model/retry.ts'
import type { QueueOptions } from '../model/typed-queues.ts'
import { diskTrouble } from '../storage/wal/disk-trouble.ts'
import { parseWebhook, viewOf, type Webhook, type WebhookView } from './webhooks/webhook-settings.ts'

/** What a queue's settings say; what they leave out has its default. */
export interface QueueSettings {
  readonly retry?: RetryOptions | undefined
  readonly timeout?: Duration | undefined
  readonly keyWindow?: Duration | undefined
  /** How many attempts run at once, by webhook or handler. */
  readonly concurrency?: number | undefined
  readonly webhook?: Webhook | null | undefined
}

/** The same as callers see it: without secrets. */
export interface QueueSettingsView extends Omit<QueueSettings, 'webhook'> {
  readonly webhook: WebhookView | null
}

export interface QueueSettingsOptions {
  readonly directory: string
  readonly engine: Engine
  /** Settings of the start-up configuration, which hold where those kept here say nothing. */
  readonly base?: Readonly<Record<string, Omit<QueueOptions, 'payload'>>> | undefined
  /** Throws when a webhook may not be sent there. */
  readonly checkWebhook: (webhook: Webhook) => void
  /**
   * Settings hold now: after a change, and once for each queue at the start. `timeoutMs` is that of an attempt. Whoever serves
   * webhooks and handlers does so by them from now on.
   */
  readonly changed: (queue: string, settings: QueueSettings, timeoutMs: number) => void
}

const kind = 'hourwheel queue settings'
const formatNewest = 1
const fields = ['retry', 'timeout', 'keyWindow', 'concurrency', 'webhook']

export class QueueSettingsFile {
  readonly #options: QueueSettingsOptions
  readonly #path: string
  #settings: Map<string, QueueSettings>
  /** The last change, done or not: changes are made one after the other. */
  #last: Promise<unknown> = Promise.resolve()

  private constructor(options: QueueSettingsOptions, settings: Map<string, QueueSettings>) {
    this.#options = options
    this.#path = join(options.directory, queueSettingsFileName)
    this.#settings = settings
  }

  /** To be opened after the engine, which owns the directory. What is in the file is applied. */
  static async open(options: QueueSettingsOptions): Promise<QueueSettingsFile> {
    const file = new QueueSettingsFile(options, await read(join(options.directory, queueSettingsFileName)))
    for (const [queue, settings] of file.#settings) file.#apply(queue, settings)
    return file
  }

  get(queue: string): QueueSettings {
    return this.#settings.get(checkQueueName(queue)) ?? {}
  }

  view(queue: string): QueueSettingsView {
    return viewOfSettings(this.get(queue))
  }

  /** Queues with settings of their own. */
  names(): string[] {
    return [...this.#settings.keys()]
  }

  /**
   * Replaces the settings of a queue; `{}` goes back to the defaults. A webhook without `secrets` keeps those it has. Resolves
   * once they are on disk, and hold.
   */
  set(queue: string, given: unknown): Promise<QueueSettingsView> {
    return this.#inTurn(async () => {
      checkQueueName(queue)
      const { settings, made } = this.#parse(queue, given)
      const all = new Map(this.#settings)
      if (Object.keys(settings).length === 0) all.delete(queue)
      else all.set(queue, settings)
      await write(this.#options.directory, this.#path, all)
      this.#settings = all
      this.#apply(queue, settings)
      return viewOfSettings(settings, made)
    })
  }

  /** Reads the file again, and applies what has changed: after it was put back from a copy. */
  reload(): Promise<void> {
    return this.#inTurn(async () => {
      const before = this.#settings
      this.#settings = await read(this.#path)
      for (const queue of new Set([...before.keys(), ...this.#settings.keys()])) {
        const now = this.#settings.get(queue) ?? {}
        if (JSON.stringify(now) !== JSON.stringify(before.get(queue) ?? {})) this.#apply(queue, now)
      }
    })
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#last.then(change)
    this.#last = done.catch(() => undefined)
    return done
  }

  #parse(queue: string, given: unknown): { settings: QueueSettings; made?: string | undefined } {
    const attemptMs = (settings: QueueSettings): number => timeoutMsOf(queue, settings, this.#options.base?.[queue])
    const parsed = parseSettings(queue, structuredClone(given), attemptMs, this.#settings.get(queue)?.webhook)
    const { webhook } = parsed.settings
    if (webhook) this.#options.checkWebhook(webhook)
    return parsed
  }

  #apply(queue: string, settings: QueueSettings): void {
    const { engine, base, changed } = this.#options
    replaceQueueSettings(engine, queue, engineOptions(settings, base?.[queue]))
    changed(queue, settings, timeoutMsOf(queue, settings, base?.[queue]))
  }
}

function parseSettings(
  queue: string,
  given: unknown,
  /** How long an attempt may take by these settings; checks those that the engine reads, too. */
  attemptMs: (settings: QueueSettings) => number,
  before: Webhook | null | undefined,
): { settings: QueueSettings; made?: string | undefined } {
  const { retry, timeout, keyWindow, concurrency, webhook } = checkFields(
    given,
    fields,
    `the settings of queue '${queue}'`,
  ) as QueueSettings
  const plain = defined({ retry, timeout, keyWindow })
  const timeoutMs = attemptMs(plain)
  if (concurrency !== undefined) wholeIn(concurrency, 1, limits.concurrencyMax, 'concurrency')
  const settings = defined({ ...plain, concurrency })
  if (webhook === undefined || webhook === null) return { settings }
  const { made, ...kept } = parseWebhook(webhook, timeoutMs, before)
  return { settings: { ...settings, webhook: kept }, made }
}

function engineOptions(settings: QueueSettings, base: QueueOptions = {}): Omit<QueueOptions, 'payload'> {
  return {
    retry: settings.retry ?? base.retry,
    timeout: settings.timeout ?? base.timeout,
    keyWindow: settings.keyWindow ?? base.keyWindow,
  }
}

function timeoutMsOf(queue: string, settings: QueueSettings, base: QueueOptions | undefined): number {
  return parseQueueOptions(queue, engineOptions(settings, base), defaultQueueSettings).timeoutMs
}

function viewOfSettings({ webhook, ...rest }: QueueSettings, made?: string): QueueSettingsView {
  return { ...rest, webhook: webhook ? viewOf(webhook, made) : null }
}

async function read(path: string): Promise<Map<string, QueueSettings>> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return new Map()
    throw diskTrouble(error, path)
  }
  const lineEnd = text.indexOf('\n') + 1
  const head = parseJson(text.slice(0, lineEnd), 0)
  if (head['kind'] !== kind || typeof head['format'] !== 'number') throw damaged(0, 'it does not begin as it should')
  if (head['format'] > formatNewest) {
    throw refuse(
      'HW_FORMAT_NEWER',
      `${queueSettingsFileName} has format ${head['format']}; this version knows up to ${formatNewest}`,
      { details: { file: queueSettingsFileName } },
    )
  }
  const body = text.slice(lineEnd)
  if (text !== encode(head['format'], body)) throw damaged(lineEnd, 'its checksum is wrong')
  const settings = new Map<string, QueueSettings>()
  for (const [queue, given] of Object.entries(parseJson(body, lineEnd))) {
    try {
      // Settings at start-up may have shortened attempts meanwhile; a request is cut to them then.
      const attemptMs = (one: QueueSettings): number => (timeoutMsOf(queue, one, undefined), Infinity)
      settings.set(checkQueueName(queue), parseSettings(queue, given, attemptMs, undefined).settings)
    } catch (error) {
      throw damaged(lineEnd, error instanceof HourwheelError ? error.message : String(error))
    }
  }
  return settings
}

function parseJson(text: string, offset: number): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // Said below.
  }
  throw damaged(offset, 'it is not what was written')
}

function encode(format: number, body: string): string {
  const sum = crc32(body).toString(16).padStart(8, '0')
  return `${JSON.stringify({ kind, format, crc32: sum })}\n${body}`
}

function damaged(offset: number, what: string): HourwheelError {
  return refuse(
    'HW_CORRUPT',
    `${queueSettingsFileName}, offset ${offset}: ${what}; put it back from a copy, or remove it and set the queues anew`,
    { details: { file: queueSettingsFileName, offset } },
  )
}

async function write(directory: string, path: string, settings: ReadonlyMap<string, QueueSettings>): Promise<void> {
  const temporary = `${path}.tmp`
  let renamed = false
  try {
    const file = await open(temporary, 'w', 0o600)
    try {
      await file.writeFile(encode(formatNewest, `${JSON.stringify(Object.fromEntries(settings))}\n`))
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    renamed = true
    const parent = await open(directory, 'r')
    try {
      await parent.sync()
    } finally {
      await parent.close()
    }
  } catch (error) {
    if (!renamed) {
      await rm(temporary, { force: true }).catch(() => undefined)
      throw diskTrouble(error, path)
    }
    throw refuse('HW_OUTCOME_UNKNOWN', `${path} was written, but whether it survives the machine is not known`, {
      cause: error,
    })
  }
}

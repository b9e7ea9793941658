/**
 * The webhooks of all queues: what the settings say is put to work, target by target. The list of hosts and the named secrets
 * come from the start-up configuration; named secrets may be replaced while running.
 */

import type { LookupAddress } from 'node:dns'
import type { Engine } from '../../model/engine.ts'
import { HourwheelError, refuse } from '../../model/errors.ts'
import { AllowList } from './allow-list.ts'
import { breakerDefaults, type BreakerOptions } from './breaker.ts'
import { guardedConnector, sharedLookup } from './guarded-connector.ts'
import { checkSecrets, concurrencyOf, connectMs, requestMs, type Webhook } from './webhook-settings.ts'
import { WebhookTarget, type TargetCounts, type WebhookLog } from './webhook-target.ts'

export interface WebhooksOptions {
  readonly engine: Engine
  /** Where webhooks may go: see allow-list.ts. */
  readonly hosts: readonly string[]
  /** Secrets by name, for `secretRef`. */
  readonly secrets?: Readonly<Record<string, readonly string[]>> | undefined
  readonly log: WebhookLog
  /** PEM certificates to trust instead of the usual ones. */
  readonly ca?: string | undefined
  /** All addresses of a host. Default: the system's resolver. */
  readonly lookup?: ((host: string) => Promise<LookupAddress[]>) | undefined
  readonly breaker?: Partial<BreakerOptions> | undefined
}

/** What of a queue's settings matters here. */
export interface WebhookOfQueue {
  readonly webhook: Webhook
  readonly concurrency: number | undefined
  /** How long an attempt may take. */
  readonly timeoutMs: number
}

/** One target as operators see it. */
export interface TargetView extends TargetCounts {
  readonly queue: string
  readonly host: string
  /** 'refused': nothing is sent, `reason` says why. */
  readonly state: 'serving' | 'waiting' | 'probing' | 'refused'
  readonly reason?: string | undefined
}

interface Served {
  readonly given: WebhookOfQueue
  readonly target: WebhookTarget | undefined
  readonly refused: string | undefined
}

export class Webhooks {
  readonly #options: WebhooksOptions
  readonly #allow: AllowList
  readonly #lookup: (host: string) => Promise<LookupAddress[]>
  readonly #served: Map<string, Served> = new Map()
  /** Replaced, with requests under way. */
  readonly #ending: Set<WebhookTarget> = new Set()
  #secrets: ReadonlyMap<string, readonly string[]>
  #isClosed = false

  /** Refuses a host or a secret that is none. */
  constructor(options: WebhooksOptions) {
    this.#options = options
    this.#allow = new AllowList(options.hosts)
    this.#lookup = options.lookup ?? sharedLookup()
    this.#secrets = checkNamed(options.secrets ?? {})
  }

  /** Throws when a webhook may not go there, or names secrets that there are not. */
  check(webhook: Webhook): void {
    this.#allow.checkUrl(new URL(webhook.url))
    this.#secretsOf(webhook)
  }

  /** Puts a queue's webhook to work in place of the one before; undefined: it has none any more. */
  async set(queue: string, given: WebhookOfQueue | undefined): Promise<void> {
    const before = this.#served.get(queue)
    this.#served.delete(queue)
    if (before?.target !== undefined) this.#end(before.target)
    if (given !== undefined && !this.#isClosed) this.#served.set(queue, this.#start(queue, given))
  }

  /** Other named secrets: they sign from now on. Refused as a whole when one is no secret. */
  async replaceSecrets(secrets: Readonly<Record<string, readonly string[]>>): Promise<void> {
    this.#secrets = checkNamed(secrets)
    // Those that had no secrets may have some now, and the other way round.
    const changed = [...this.#served].filter(
      ([, { given, refused }]) => (this.#whyRefused(given.webhook) === undefined) !== (refused === undefined),
    )
    for (const [queue, { given }] of changed) await this.set(queue, given)
  }

  views(): TargetView[] {
    const none: TargetCounts = { requests: 0, succeeded: 0, failed: 0, openings: 0 }
    return [...this.#served].map(([queue, { given, target, refused }]) => ({
      queue,
      host: new URL(given.webhook.url).host,
      state: target?.state ?? 'refused',
      reason: refused ?? target?.lastFailure,
      ...(target?.counts ?? none),
    }))
  }

  /** After the engine has closed, which lets requests under way end: cuts what is left. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const { target } of this.#served.values()) if (target !== undefined) this.#ending.add(target)
    await Promise.all([...this.#ending].map((target) => target.destroy()))
    this.#served.clear()
  }

  #start(queue: string, given: WebhookOfQueue): Served {
    const { engine, log, ca, breaker } = this.#options
    const { webhook, concurrency, timeoutMs } = given
    const url = new URL(webhook.url)
    const refused = this.#whyRefused(webhook)
    if (refused !== undefined) {
      log.warn({ queue, host: url.host, reason: refused }, 'the webhook of this queue is refused; its tasks wait')
      return { given, target: undefined, refused }
    }
    const target = new WebhookTarget({
      engine,
      queue,
      url,
      secrets: () => this.#secretsOf(webhook),
      timeoutMs: requestMs(webhook, timeoutMs),
      concurrency: concurrencyOf(webhook, concurrency),
      connect: guardedConnector(this.#allow, this.#lookup, {
        timeout: connectMs(webhook),
        ...(ca === undefined ? {} : { ca }),
      }),
      breaker: { ...breakerDefaults, ...breaker },
      log,
    })
    target.start()
    return { given, target, refused }
  }

  #end(target: WebhookTarget): void {
    this.#ending.add(target)
    target
      .stop()
      .catch(() => undefined)
      .finally(() => this.#ending.delete(target))
  }

  #whyRefused(webhook: Webhook): string | undefined {
    try {
      this.check(webhook)
      return undefined
    } catch (error) {
      return error instanceof HourwheelError ? `${error.code}: ${error.message}` : String(error)
    }
  }

  #secretsOf({ secrets, secretRef }: Webhook): readonly string[] {
    const found = secrets ?? this.#secrets.get(secretRef ?? '')
    if (found !== undefined) return found
    throw refuse(
      'HW_WEBHOOK_REFUSED',
      `there are no secrets of the name '${secretRef ?? ''}' in the start-up configuration (webhookSecretsFile)`,
    )
  }
}

function checkNamed(secrets: Readonly<Record<string, readonly string[]>>): ReadonlyMap<string, readonly string[]> {
  return new Map(
    Object.entries(secrets).map(([name, some]) => [name, checkSecrets(some, `the webhook secrets '${name}'`)]),
  )
}

/**
 * Where the tasks of a queue are posted, as callers give it, checked. What is kept is what was given: durations stay in the form
 * they came in, so that reading gives back what was written. Secrets are the exception: they go in and never come out, except one
 * that was made here, which is shown once.
 */

import { createHash, randomBytes } from 'node:crypto'
import { parseDuration, parseDurationWithin, type Duration } from '../../model/durations.ts'
import { refuse, shown, type HourwheelError } from '../../model/errors.ts'
import { checkFields, defined, wholeIn } from '../../model/fields.ts'
import { dayMs, minuteMs } from '../../model/units.ts'

/** A webhook as it is kept. */
export interface Webhook {
  readonly url: string
  /** Of Standard Webhooks: `whsec_` and base64 of 24 to 64 bytes. Each signs; the newest comes first. */
  readonly secrets?: readonly string[] | undefined
  /** Instead of `secrets`: the name of secrets in the start-up configuration. */
  readonly secretRef?: string | undefined
  /** Of one request, from its start to the end of the reply. */
  readonly timeout?: Duration | undefined
  readonly connectTimeout?: Duration | undefined
  /** How many requests are under way at once. */
  readonly concurrency?: number | undefined
}

/** The same without secrets: `secretIds` tells them apart. */
export interface WebhookView extends Omit<Webhook, 'secrets'> {
  readonly secretIds: readonly string[]
  /** Shown once, in the answer to the call that let it be made. */
  readonly newSecret?: string | undefined
}

const webhookDefaults = {
  timeoutMs: 15_000,
  connectTimeoutMs: 5_000,
  concurrency: 10,
  concurrencyMax: 1_000,
  secretsMax: 4,
  urlLengthMax: 2_048,
} as const

/** `secretIds` is only read: it may be there, so that what was read can be written back, and says nothing. */
const fields = ['url', 'secrets', 'secretRef', 'timeout', 'connectTimeout', 'concurrency', 'secretIds']
const secretForm = /^whsec_(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const refForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

/**
 * Checks a webhook. Without secrets it keeps those that `before` has; a new one is made where there are none. `timeoutMs` is that
 * of an attempt, of which a request must leave something.
 */
export function parseWebhook(value: unknown, timeoutMs: number, before?: Webhook | null): Webhook & { made?: string } {
  const { url, secrets, secretRef, timeout, connectTimeout, concurrency } = checkFields(value, fields, 'webhook')
  checkUrl(url)
  const askedMs = timeout === undefined ? 0 : parseDurationWithin(timeout, 'webhook.timeout', 10, dayMs)
  if (connectTimeout !== undefined) parseDurationWithin(connectTimeout, 'webhook.connectTimeout', 10, minuteMs)
  if (askedMs >= timeoutMs) {
    throw refused('timeout', timeout, `it must be less than the time-out of an attempt, ${timeoutMs} ms`)
  }
  if (concurrency !== undefined) wholeIn(concurrency, 1, webhookDefaults.concurrencyMax, 'webhook.concurrency')
  const rest = defined({ url, timeout, connectTimeout, concurrency }) as Webhook
  if (secretRef !== undefined) {
    if (secrets !== undefined) throw refused('secrets', 'given', 'give secrets or secretRef, not both')
    if (typeof secretRef !== 'string' || !refForm.test(secretRef)) {
      throw refused('secretRef', shown(secretRef), 'give the name of secrets in the start-up configuration')
    }
    return { ...rest, secretRef }
  }
  if (secrets !== undefined) return { ...rest, secrets: checkSecrets(secrets, 'webhook.secrets') }
  if (before?.secrets !== undefined) return { ...rest, secrets: before.secrets }
  const made = `whsec_${randomBytes(32).toString('base64')}`
  return { ...rest, secrets: [made], made }
}

export function viewOf({ secrets = [], ...rest }: Webhook, made?: string): WebhookView {
  return { ...rest, secretIds: secrets.map(secretId), ...(made === undefined ? {} : { newSecret: made }) }
}

/** How long one request may take: below `timeoutMs`, that of an attempt. */
export function requestMs(webhook: Webhook, timeoutMs: number): number {
  const asked = webhook.timeout === undefined ? webhookDefaults.timeoutMs : parseDuration(webhook.timeout, 'timeout')
  return Math.min(asked, Math.max(10, Math.floor(timeoutMs * 0.9)))
}

export function connectMs({ connectTimeout }: Webhook): number {
  return connectTimeout === undefined
    ? webhookDefaults.connectTimeoutMs
    : parseDuration(connectTimeout, 'connectTimeout')
}

/** 1 to 4 secrets of Standard Webhooks. Never shown, also not where one is wrong. */
export function checkSecrets(value: unknown, what: string): readonly string[] {
  const { secretsMax } = webhookDefaults
  if (!Array.isArray(value) || value.length === 0 || value.length > secretsMax) {
    throw refuse('HW_INVALID_OPTIONS', `${what} must be an array of 1 to ${secretsMax} secrets, the newest first`)
  }
  for (const secret of value as unknown[]) {
    const bytes =
      typeof secret === 'string' && secretForm.test(secret) ? Buffer.from(secret.slice(6), 'base64').length : 0
    if (bytes < 24 || bytes > 64) {
      throw refuse(
        'HW_INVALID_OPTIONS',
        `${what}: a secret is 'whsec_' and base64 of 24 to 64 random bytes, such as "whsec_$(openssl rand -base64 32)"`,
      )
    }
  }
  return [...(value as string[])]
}

/** The beginning of a hash, so that two people can see whether they mean the same secret. */
function secretId(secret: string): string {
  return createHash('sha256').update(secret).digest('hex').slice(0, 8)
}

/** How many requests are under way at once; `ofQueue` is the queue's own limit of attempts. */
export function concurrencyOf({ concurrency }: Webhook, ofQueue: number | undefined): number {
  return concurrency ?? Math.min(ofQueue ?? webhookDefaults.concurrency, webhookDefaults.concurrencyMax)
}

function checkUrl(value: unknown): URL {
  if (typeof value !== 'string' || value.length > webhookDefaults.urlLengthMax) {
    throw refused('url', typeof value, `give text of at most ${webhookDefaults.urlLengthMax} characters`)
  }
  let url: URL
  try {
    url = new URL(value)
  } catch {
    throw refused('url', 'no URL', 'give an absolute one, such as https://example.com/hooks')
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw refused('url', shown(url.protocol), 'give a URL that begins with https: or http:')
  }
  if (url.username !== '' || url.password !== '') {
    throw refused('url', 'one with a password', 'requests are signed; leave it out')
  }
  if (url.hash !== '') throw refused('url', 'one with a fragment', 'it would not be sent; leave it out')
  return url
}

function refused(field: string, given: unknown, instead: string): HourwheelError {
  return refuse('HW_INVALID_OPTIONS', `webhook.${field} is ${String(given)}; ${instead}`, {
    details: { field: `webhook.${field}` },
  })
}

/** Webhooks against real servers on loopback: what is sent, what answers mean, and what a bad target can and cannot do. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Webhook as Verifier } from 'standardwebhooks'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
// Threads run from compiled code only.
import { Webhooks, type WebhooksOptions } from '../../dist/daemon/webhooks/webhooks.js'
import { openEngine, type Engine, type EngineEvents } from '../../dist/index.js'
import { json, ok, Receiver, status, type Answer } from './webhook-receiver.ts'

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const other = `whsec_${Buffer.alloc(32, 8).toString('base64')}`
const quickBreaker = { failuresMax: 3, pauseMs: 30, pauseMsMax: 60 }
const retry = { attempts: 3, backoff: 'fixed', delay: 1, jitter: 0 } as const

const directory = mkdtempSync(join(tmpdir(), 'hourwheel-webhooks-'))
let engine: Engine
let queue: string
let count = 0
const lines: string[] = []
const log = {
  info: (fields: object, text: string): void => void lines.push(`${text} ${JSON.stringify(fields)}`),
  warn: (fields: object, text: string): void => void lines.push(`${text} ${JSON.stringify(fields)}`),
}

const closing: { close(): Promise<void> }[] = []

beforeAll(async () => {
  engine = await openEngine({ dir: directory })
})
afterAll(async () => {
  await engine.close()
  rmSync(directory, { recursive: true, force: true })
})
beforeEach(() => {
  queue = `q${++count}`
})
afterEach(async () => {
  for (const one of closing.splice(0).toReversed()) await one.close()
})

async function receiver(answer?: Answer, tls?: { key: string; cert: string }): Promise<Receiver> {
  const opened = await Receiver.open(answer, tls)
  closing.push(opened)
  return opened
}

function webhooks(hosts: readonly string[], options: Partial<WebhooksOptions> = {}): Webhooks {
  const opened = new Webhooks({ engine, hosts, log, breaker: quickBreaker, ...options })
  closing.push(opened)
  return opened
}

async function serve(
  target: Receiver,
  settings: object = {},
  options: Partial<WebhooksOptions> = {},
): Promise<Webhooks> {
  const all = webhooks([`127.0.0.1:${target.port}`], options)
  const webhook = { url: target.url(), secrets: [secret], timeout: 20_000, ...settings }
  await all.set(queue, { webhook, concurrency: undefined, timeoutMs: 60_000 })
  return all
}

type Name = keyof EngineEvents

/** Resolves with the events of this name of this test's queue, when there are so many. */
function events<N extends Name>(name: N, many = 1, of = queue): Promise<EngineEvents[N][]> {
  const found: EngineEvents[N][] = []
  return new Promise((resolve) => {
    const stop = engine.on(name, (event) => {
      if ((event as { queue?: string }).queue !== of) return
      found.push(event)
      if (found.length < many) return
      stop()
      resolve(found)
    })
  })
}

/** Until it holds; the test's own time-out is the limit. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5))
}

describe('what is sent', () => {
  test('JSON, with the headers of the task and of Standard Webhooks; the library verifies it', async () => {
    const target = await receiver()
    await serve(target)
    const done = events('succeeded')
    const headers = { traceparent: '00-ab-cd-01', 'Content-Type': 'text/x', Host: 'evil', 'webhook-id': 'x', ü: 'ß' }
    const payload = { to: 'ada', text: 'grüße \ud83d\ude00' }
    const receipt = await engine.schedule({ queue, delay: 0, payload, headers })
    await done
    const [request] = target.received
    expect(request).toMatchObject({ method: 'POST', path: '/hook' })
    expect(JSON.parse(String(request!.body))).toEqual(payload)
    expect(request!.headers).toMatchObject({
      'webhook-id': receipt.id,
      'content-type': 'application/json',
      host: `127.0.0.1:${target.port}`,
      traceparent: '00-ab-cd-01',
      'hourwheel-queue': queue,
      'hourwheel-attempt': '1',
      'hourwheel-fence': expect.stringMatching(/^\d+$/),
      'hourwheel-scheduled-for': new Date(receipt.fireAt).toISOString(),
    })
    const rest = Buffer.from(String(request!.headers['hourwheel-headers']), 'base64url')
    expect(JSON.parse(String(rest))).toEqual({ 'Content-Type': 'text/x', Host: 'evil', 'webhook-id': 'x', ü: 'ß' })
    const signed = request!.headers as Record<string, string>
    expect(new Verifier(secret).verify(request!.body, signed)).toEqual(payload)
    expect(() => new Verifier(other).verify(request!.body, signed)).toThrow('No matching signature')
    expect(() => new Verifier(secret).verify(`${String(request!.body)} `, signed)).toThrow('No matching signature')
  })

  test('bytes as they are, and nothing where there is no payload', async () => {
    const target = await receiver()
    await serve(target, { concurrency: 1 })
    const done = events('succeeded', 3)
    const bytes = Uint8Array.of(0, 255, 128, 10)
    await engine.schedule({ queue, delay: 0, payload: bytes })
    await engine.schedule({
      queue,
      delay: 1,
      payload: new TextEncoder().encode('<a/>'),
      headers: { 'content-type': 'text/xml' },
    })
    await engine.schedule({ queue, delay: 2 })
    await done
    const [binary, text, none] = target.received
    expect(binary!.body).toEqual(Buffer.from(bytes))
    expect(binary!.headers).toMatchObject({ 'content-type': 'application/octet-stream', 'content-length': '4' })
    expect(text!.headers).toMatchObject({ 'content-type': 'text/xml' })
    new Verifier(secret).verify(text!.body, text!.headers as Record<string, string>, { jsonParse: false })
    expect(none!.body).toHaveLength(0)
    expect(none!.headers).not.toHaveProperty('content-type')
    new Verifier(secret).verify('', none!.headers as Record<string, string>)
    // As the standard says, over the bytes; the library's verify would read them as text.
    const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = binary!.headers
    const { createHmac } = await import('node:crypto')
    const hash = createHmac('sha256', Buffer.alloc(32, 7))
      .update(`${String(id)}.${String(at)}.`)
      .update(bytes)
    expect(signature).toBe(`v1,${hash.digest('base64')}`)
  })

  test('the id stays over attempts, while attempt and signature are new; two secrets sign while they are changed', async () => {
    const target = await receiver((_request, response, nth) => void response.writeHead(nth === 1 ? 400 : 200).end())
    await serve(target, { secrets: undefined, secretRef: 'main' }, { secrets: { main: [other, secret] } })
    const done = events('succeeded')
    const { id } = await engine.schedule({ queue, delay: 0, payload: 1, retry })
    await done
    expect(target.received.map(({ headers }) => [headers['webhook-id'], headers['hourwheel-attempt']])).toEqual([
      [id, '1'],
      [id, '2'],
    ])
    for (const { body, headers } of target.received) {
      for (const one of [secret, other])
        expect(new Verifier(one).verify(body, headers as Record<string, string>)).toBe(1)
    }
  })

  test('named secrets are replaced while running; without any, the tasks of the queue wait', async () => {
    const target = await receiver()
    const all = await serve(target, { secrets: undefined, secretRef: 'main' }, { secrets: { main: [secret] } })
    let done = events('succeeded')
    await engine.schedule({ queue, delay: 0 })
    await done
    await expect(all.replaceSecrets({ main: ['nonsense'] })).rejects.toMatchObject({ code: 'HW_INVALID_OPTIONS' })
    await all.replaceSecrets({ main: [other] })
    done = events('succeeded')
    await engine.schedule({ queue, delay: 0 })
    await done
    new Verifier(other).verify('', target.received[1]!.headers as Record<string, string>)
    await all.replaceSecrets({})
    expect(all.views()).toMatchObject([{ queue, state: 'refused', reason: expect.stringContaining("'main'") }])
    await engine.schedule({ queue, delay: 0 })
    done = events('succeeded')
    await all.replaceSecrets({ main: [secret] })
    await done
    expect(target.received).toHaveLength(3)
  })
})

describe('what answers mean', () => {
  async function deadLetterOf(
    answer: Answer,
    fields: object = {},
  ): Promise<{ error: string; attempt: number; reason: string }> {
    const target = await receiver(answer)
    await serve(target)
    const died = events('deadLettered')
    const { id } = await engine.schedule({ queue, delay: 0, payload: 1, retry, ...fields })
    await died
    const dead = (await engine.get(id)) as unknown as { error: string; attempt: number; reason: string; state: string }
    expect(dead.state).toBe('dead')
    expect(target.received).toHaveLength(dead.attempt)
    return dead
  }

  test('410 makes a dead letter at once', async () => {
    expect(await deadLetterOf(status(410))).toMatchObject({
      reason: 'asked',
      attempt: 1,
      error: expect.stringContaining('410'),
    })
  })

  test.each([400, 404, 409, 422, 429, 500, 503])('%i is retried until the attempts are used up', async (code) => {
    expect(await deadLetterOf(status(code))).toMatchObject({ reason: 'attempts', attempt: 3, error: `HTTP ${code}` })
  })

  test('redirects are not followed', async () => {
    const elsewhere = await receiver()
    for (const code of [301, 302, 307, 308]) {
      queue = `q${++count}`
      const dead = await deadLetterOf(status(code, { location: elsewhere.url() }))
      expect(dead.error).toContain(`HTTP ${code}, a redirect`)
    }
    expect(elsewhere.received).toEqual([])
  })

  test('a JSON reply carries the successor, which goes to the same queue unless it names one', async () => {
    const target = await receiver((_request, response, nth) => {
      const next = nth === 3 ? undefined : { delay: '5ms', payload: { step: nth }, key: `k${nth}`, headers: { a: 'b' } }
      json(next === undefined ? { ok: true } : { next })(_request, response, nth)
    })
    await serve(target)
    const done = events('succeeded', 3)
    await engine.schedule({ queue, delay: 0, payload: { step: 0 } })
    await done
    expect(target.received.map(({ body }) => JSON.parse(String(body)) as unknown)).toEqual([
      { step: 0 },
      { step: 1 },
      { step: 2 },
    ])
    expect(target.received[1]!.headers).toMatchObject({ a: 'b', 'hourwheel-attempt': '1' })
  })

  test('a successor as bytes, for another queue', async () => {
    const target = await receiver(json({ next: { queue: 'elsewhere', delay: '1d', payloadBase64: 'AP8=' } }))
    await serve(target)
    const done = events('succeeded')
    await engine.schedule({ queue, delay: 0 })
    await done
    const found = []
    for await (const task of engine.list({ queue: 'elsewhere' })) found.push(task.payload)
    expect(found).toEqual([Uint8Array.of(0, 255)])
  })

  test.each([
    ['no task', { next: 3 }, 'HW_INVALID_OPTIONS'],
    ['an unknown field', { next: { delay: 1, dealy: 2 } }, 'HW_UNKNOWN_FIELD'],
    ['no time', { next: { payload: 1 } }, 'HW_INVALID_TIME'],
    ['bad base64', { next: { delay: 1, payloadBase64: '%' } }, 'HW_INVALID_PAYLOAD'],
    ['a mode of its own', { next: { delay: 1, key: 'k', onConflict: 'replace' } }, 'HW_INVALID_OPTIONS'],
    ['broken JSON', '{"next":', 'not the JSON it says it is'],
  ])('a bad successor (%s) fails the attempt, and nothing follows', async (_what, reply, says) => {
    const before = (await engine.stats()).total.accepted
    const dead = await deadLetterOf(json(reply))
    expect(dead).toMatchObject({ reason: 'attempts', error: expect.stringContaining(says) })
    expect((await engine.stats()).total.accepted).toBe(before + 1)
  })

  test.each([
    ['no content', status(204)],
    ['text', status(200, { 'content-type': 'text/plain' }, 'OK')],
    ['empty JSON', status(202, { 'content-type': 'application/json' })],
    ['JSON that is no object', json(null)],
    ['no successor', json({ next: null })],
  ])('2xx with %s ends the task', async (_what, answer) => {
    await serve(await receiver(answer))
    const done = events('succeeded')
    await engine.schedule({ queue, delay: 0 })
    await done
  })

  test('Retry-After says when the next attempt is due, in seconds or as a date; 429 gives the target rest', async () => {
    const target = await receiver(status(422, { 'retry-after': '3600' }))
    const all = await serve(target)
    let failure = events('attemptFailed')
    let before = Date.now()
    await engine.schedule({ queue, delay: 0, retry })
    let retryAt = (await failure)[0]!.retryAt!
    expect(retryAt).toBeGreaterThanOrEqual(before + 3_600_000)
    expect(retryAt).toBeLessThan(Date.now() + 3_600_000 * 1.11)
    expect(all.views()[0]!.state).toBe('serving')
    before = Date.now()
    target.answer = status(429, { 'retry-after': new Date(before + 7_200_000).toUTCString() })
    failure = events('attemptFailed')
    await engine.schedule({ queue, delay: 0, retry })
    retryAt = (await failure)[0]!.retryAt!
    expect(retryAt).toBeGreaterThanOrEqual(before + 7_199_000)
    await until(() => all.views()[0]!.state === 'waiting')
    const { requests } = all.views()[0]!
    await engine.schedule({ queue, delay: 0 })
    await until(async () => (await engine.stats()).queues[queue]!.due > 0)
    expect(all.views()[0]!.requests).toBe(requests)
  })
})

test('a kept connection that is closed under the request uses up no attempt', async () => {
  let resets = 0
  const target = await receiver((request, response, nth) => {
    if (nth !== 2) return ok(request, response)
    resets++
    return void response.destroy()
  })
  await serve(target, { concurrency: 1 })
  const done = events('succeeded', 2)
  await engine.scheduleMany([1, 2].map((delay) => ({ queue, delay })))
  expect((await done).map(({ attempt }) => attempt)).toEqual([1, 1])
  expect([resets, target.received.length]).toEqual([1, 3])
  expect(target.received[2]!.headers['webhook-id']).toBe(target.received[1]!.headers['webhook-id'])
})

describe('what a bad target cannot do', () => {
  const endless: Answer = (_request, response) => {
    response.writeHead(200, { 'content-type': response.req.url === '/json' ? 'application/json' : 'text/plain' })
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    }
    response.on('drain', more)
    more()
  }

  test('hold an attempt longer than the time-out: no headers, a body that does not end', async () => {
    const target = await receiver(() => undefined)
    await serve(target, { timeout: 100 })
    let failure = events('attemptFailed')
    await engine.schedule({ queue, delay: 0, retry: { attempts: 1 } })
    expect((await failure)[0]!.error).toBe('no answer within 100 ms')
    target.answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.write('{')
    }
    failure = events('attemptFailed')
    await engine.schedule({ queue, delay: 0, retry: { attempts: 1 } })
    expect((await failure)[0]!.error).toContain('HTTP 200, but its reply could not be read: no answer within 100 ms')
    // Where nothing is looked for in the body, the status is enough.
    target.answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' })
      response.write('slow')
    }
    const done = events('succeeded')
    await engine.schedule({ queue, delay: 0 })
    await done
  })

  test('fill the memory', async () => {
    const target = await receiver(endless)
    await serve(target, { url: target.url('/json') })
    const failure = events('attemptFailed')
    await engine.schedule({ queue, delay: 0, retry: { attempts: 1 } })
    expect((await failure)[0]!.error).toContain('longer than 1048576 bytes')
    queue = `q${++count}`
    await serve(target, { url: target.url('/text') })
    const done = events('succeeded')
    await engine.schedule({ queue, delay: 0 })
    await done
  })

  test('hold up another one, or have all attempts used up: refused connections and a black hole beside a live one', async () => {
    const gone = await Receiver.open()
    const { port } = gone
    await gone.close()
    const hole = await receiver(() => undefined)
    const live = await receiver()
    const all = webhooks([`127.0.0.1:${port}`, `127.0.0.1:${hole.port}`, `127.0.0.1:${live.port}`], {
      breaker: { failuresMax: 5, pauseMs: 60_000, pauseMsMax: 60_000 },
    })
    const urls = { gone: `http://127.0.0.1:${port}/`, hole: hole.url(), live: live.url() }
    const names = Object.fromEntries(Object.keys(urls).map((name) => [name, `${queue}-${name}`])) as Record<
      string,
      string
    >
    for (const [name, url] of Object.entries(urls)) {
      const webhook = { url, secrets: [secret], timeout: name === 'hole' ? 200 : 20_000 }
      await all.set(names[name]!, { webhook, concurrency: 4, timeoutMs: 60_000 })
    }
    const done = events('succeeded', 300, names['live'])
    for (const name of ['gone', 'hole', 'live']) {
      const tasks = Array.from({ length: 300 }, () => ({ queue: names[name]!, delay: 0, retry }))
      await engine.scheduleMany(tasks)
    }
    await done
    await until(() =>
      all.views().every(({ state, queue }) => state === (queue.endsWith('live') ? 'serving' : 'waiting')),
    )
    const views = Object.fromEntries(all.views().map((view) => [view.queue, view]))
    // Five failures in a row, and at most the three others that were under way with the fifth.
    for (const name of ['gone', 'hole']) {
      expect(views[names[name]!]!.requests).toBeLessThanOrEqual(8)
      expect((await engine.stats()).queues[names[name]!]).toMatchObject({
        // Waiting is not the same as having nobody.
        handled: true,
        dead: 0,
        succeeded: 0,
      })
    }
    expect(views[names['gone']!]!.reason).toContain('ECONNREFUSED')
    expect(views[names['hole']!]!.reason).toBe('no answer within 200 ms')
    expect(live.received).toHaveLength(300)
  })

  test('be lost for ever: the breaker probes with one request at a time, and goes back when one comes through', async () => {
    let isDown = true
    let atOnce = 0
    let atOnceMax = 0
    const target = await receiver((request, response, nth) => {
      if (isDown) return status(500)(request, response, nth)
      atOnceMax = Math.max(atOnceMax, ++atOnce)
      return void setTimeout(() => {
        atOnce--
        ok(request, response)
      }, 10)
    })
    const all = await serve(target, { concurrency: 5 })
    const states = new Set<string>()
    const done = events('succeeded', 30)
    const tasks = Array.from({ length: 30 }, () => ({ queue, delay: 0, retry: { ...retry, attempts: 100, delay: 20 } }))
    await engine.scheduleMany(tasks)
    await until(() => {
      states.add(all.views()[0]!.state)
      return all.views()[0]!.openings >= 3
    })
    expect(states).toContain('waiting')
    // Three to open it, four more under way, then one a probe.
    expect(target.received.length).toBeLessThanOrEqual(10)
    isDown = false
    await done
    expect(all.views()[0]).toMatchObject({ state: 'serving', succeeded: 30, reason: undefined })
    expect(atOnceMax).toBe(5)
    expect(lines.join()).toContain('left alone')
    expect(lines.join()).toContain('is back')
  })

  test('show a secret: none is in logs, errors or views', () => {
    expect(lines.length).toBeGreaterThan(0)
    for (const text of [secret, other]) expect(lines.join()).not.toContain(text)
  })
})

test('settings that change: requests under way end, new ones go to the new place; none: the tasks wait', async () => {
  const held: (() => void)[] = []
  const first = await receiver((_request, response) => void held.push(() => response.writeHead(200).end()))
  const second = await receiver()
  const all = webhooks(['127.0.0.0/8:*'])
  const webhook = { url: first.url(), secrets: [secret] }
  await all.set(queue, { webhook, concurrency: 1, timeoutMs: 60_000 })
  const done = events('succeeded', 3)
  await engine.scheduleMany([1, 2, 3].map((payload) => ({ queue, delay: 0, payload })))
  await until(() => held.length === 1)
  await all.set(queue, { webhook: { ...webhook, url: second.url() }, concurrency: 1, timeoutMs: 60_000 })
  await until(() => second.received.length === 2)
  held[0]!()
  await done
  expect(first.received).toHaveLength(1)
  await all.set(queue, undefined)
  await engine.schedule({ queue, delay: 0 })
  await until(async () => (await engine.stats()).queues[queue]!.due === 1)
  expect(all.views()).toEqual([])
})

test('a queue that has a handler already is not taken over, until it is free', async () => {
  const target = await receiver()
  const { stop } = await engine.handle(queue, () => new Promise(() => undefined), { concurrency: 1 })
  await serve(target)
  await stop()
  const done = events('succeeded')
  await engine.schedule({ queue, delay: 0 })
  await done
  expect(target.received).toHaveLength(1)
})

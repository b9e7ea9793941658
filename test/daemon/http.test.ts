/** What /v1 answers, route by route, where it is finer than the examples of the OpenAPI document. */

import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeMsgpack } from '../../src/protocol/batch-bodies.ts'
import { serve, temporary, until, type Answer, type CallOptions, type Served } from './rig.ts'

const directory = temporary()
let daemon: Served
let keys = 0

beforeAll(async () => {
  daemon = await serve(['--dir', `${directory.path}/data`, '--drain', '0', '--events-kept', '50'])
})

afterAll(async () => {
  await daemon.end()
  directory.remove()
})

const call = (method: string, path: string, body?: unknown, headers: CallOptions['headers'] = {}): Promise<Answer> =>
  daemon.call(method, path, { body, headers })
const schedule = (task: object): Promise<Answer> => call('POST', '/v1/tasks', task)
const newKey = (): string => `key-${++keys}`
const code = ({ json }: Answer): string => (json as { code: string }).code
/** A field of an answer, of the type that the test expects. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
const field = <T = string>({ json }: Answer, name: string): T => (json as Record<string, T>)[name]!

describe('scheduling', () => {
  it('gives bytes back as they came', async () => {
    const { json } = await schedule({ queue: 'bytes', delay: '1d', payloadBase64: 'AP+A' })
    const got = await call('GET', `/v1/tasks/${(json as { id: string }).id}`)
    expect(got.json).toMatchObject({ payloadBase64: 'AP+A' })
    expect(got.json).not.toHaveProperty('payload')
  })

  it('tells where the task is and of which generation', async () => {
    const { status, headers, json } = await schedule({ queue: 'q', at: '2031-01-01T00:00:00.5Z' })
    const { id, fireAt } = json as { id: string; fireAt: number }
    expect({ status, fireAt }).toEqual({ status: 201, fireAt: Date.UTC(2031, 0, 1) + 500 })
    expect(headers).toMatchObject({ location: `/v1/tasks/${id}`, etag: '"0"' })
    expect((await call('HEAD', headers.location!)).status).toBe(200)
  })

  it.each([
    [{ queue: 'a/b', delay: 1 }, 'HW_INVALID_QUEUE'],
    [{ delay: 1 }, 'HW_INVALID_QUEUE'],
    [{ queue: 'q' }, 'HW_INVALID_TIME'],
    [{ queue: 'q', at: null }, 'HW_INVALID_TIME'],
    [{ queue: 'q', at: '2031-01-01' }, 'HW_INVALID_TIME'],
    [{ queue: 'q', at: 1_800_000_000 }, 'HW_TIME_LOOKS_LIKE_SECONDS'],
    [{ queue: 'q', delay: '1 month' }, 'HW_INVALID_DURATION'],
    [{ queue: 'q', delay: -1 }, 'HW_INVALID_DURATION'],
    [{ queue: 'q', delay: 1, dealy: 2 }, 'HW_UNKNOWN_FIELD'],
    [{ queue: 'q', delay: 1, retry: { attempts: 0 } }, 'HW_INVALID_RETRY'],
    [{ queue: 'q', delay: 1, retry: { tries: 3 } }, 'HW_UNKNOWN_FIELD'],
    [{ queue: 'q', delay: 1, headers: { a: 1 } }, 'HW_INVALID_HEADERS'],
    [{ queue: 'q', delay: 1, key: '' }, 'HW_INVALID_KEY'],
    [{ queue: 'q', delay: 1, key: 'é'.repeat(200) }, 'HW_INVALID_KEY'],
    [{ queue: 'q', delay: 1, payloadBase64: '?' }, 'HW_INVALID_PAYLOAD'],
    [{ queue: 'q', delay: 1, payload: 1, payloadBase64: 'AA==' }, 'HW_INVALID_PAYLOAD'],
    [[], 'HW_INVALID_REQUEST'],
    ['{"queue":', 'HW_MALFORMED_BODY'],
    ['{"queue":"q","delay":1,"__proto__":{}}', 'HW_UNKNOWN_FIELD'],
  ])('%j is refused with %s', async (body, expected) => {
    const answer = await schedule(body as object)
    expect(code(answer), answer.text).toBe(expected)
    expect(answer.status).toBe(400)
    expect(answer.headers['content-type']).toBe('application/problem+json')
    expect(answer.json).toMatchObject({ type: `/v1/errors/${expected}`, outcome: 'not done' })
  })
})

it('a payload that is too large is refused with 413', async () => {
  const answer = await schedule({ queue: 'q', delay: 1, payload: 'x'.repeat(70_000) })
  expect([answer.status, code(answer)]).toEqual([413, 'HW_PAYLOAD_TOO_LARGE'])
})

describe('putting by key', () => {
  const at = '2031-01-01T00:00Z'
  const url = (key: string): string => `/v1/queues/put/tasks/${encodeURIComponent(key)}`

  it('takes effect once, however often it is repeated', async () => {
    const key = newKey()
    const first = await call('PUT', url(key), { at })
    const second = await call('PUT', url(key), { at: '2032-01-01T00:00Z' })
    expect([first.status, second.status]).toEqual([201, 200])
    expect(second.json).toMatchObject({ outcome: 'kept', id: field(first, 'id'), fireAt: Date.UTC(2031, 0, 1) })
  })

  it('with If-None-Match: * wants the key to be free', async () => {
    const key = newKey()
    expect((await call('PUT', url(key), { at }, { 'if-none-match': '*' })).status).toBe(201)
    const again = await call('PUT', url(key), { at }, { 'if-none-match': '*' })
    expect([again.status, code(again)]).toEqual([412, 'HW_KEY_EXISTS'])
    expect(code(await call('PUT', url(newKey()), { at }, { 'if-none-match': '"1"' }))).toBe('HW_INVALID_REQUEST')
  })

  it('with If-Match replaces only that generation', async () => {
    const key = newKey()
    await call('PUT', url(key), { at, payload: 1 })
    const replaced = await call('PUT', url(key), { at, payload: 2 }, { 'if-match': '"0"' })
    expect(replaced).toMatchObject({ status: 200, json: { outcome: 'replaced', generation: 1 } })
    const late = await call('PUT', url(key), { at, payload: 3 }, { 'if-match': '"0"' })
    expect([late.status, code(late)]).toEqual([412, 'HW_TASK_CHANGED'])
    expect((await call('GET', url(key))).json).toMatchObject({ payload: 2, generation: 1 })
    const none = await call('PUT', url(newKey()), { at }, { 'if-match': '"0"' })
    expect([none.status, code(none)]).toEqual([412, 'HW_TASK_CHANGED'])
    for (const tag of ['*', '0', 'W/"0"', '"0", "1"']) {
      expect(code(await call('PUT', url(key), { at }, { 'if-match': tag })), tag).toBe('HW_INVALID_REQUEST')
    }
  })

  it.each(['a/b', '../../etc/passwd', '%2e%2e', 'ü ?#&=', '..', '.', 'a%00b', ':key', '*'])(
    'a key may be anything: %j',
    async (key) => {
      expect(await call('PUT', url(key), { at })).toMatchObject({ status: 201 })
      expect(await call('GET', url(key))).toMatchObject({ status: 200, json: { key, queue: 'put' } })
      expect(await call('DELETE', url(key))).toMatchObject({ status: 200, json: { outcome: 'cancelled' } })
    },
  )
})

describe('a batch', () => {
  const tasks = [
    { queue: 'batch', delay: '1d', payload: 1 },
    { queue: 'batch', delay: '2d', payload: 2 },
  ]
  const send = (body: unknown, type: string): Promise<Answer> =>
    call('POST', '/v1/tasks/batch', body, { 'content-type': type })

  it.each([
    ['application/json; charset=utf-8', JSON.stringify(tasks)],
    ['application/x-ndjson', tasks.map((task) => JSON.stringify(task)).join('\n')],
    ['application/vnd.msgpack', encodeMsgpack(tasks)],
    ['application/msgpack', encodeMsgpack(tasks)],
  ])('as %s is scheduled whole', async (type, body) => {
    const answer = await send(body, type)
    expect(answer.status, answer.text).toBe(201)
    expect(field<object[]>(answer, 'receipts')).toHaveLength(2)
  })

  it('is refused whole, naming the task that is wrong', async () => {
    const before = await call('GET', '/v1/stats')
    const answer = await send(JSON.stringify([...tasks, { queue: 'batch', at: 'tomorrow' }]), 'application/json')
    expect(answer).toMatchObject({ status: 400, json: { code: 'HW_INVALID_TIME', index: 2 } })
    const after = await call('GET', '/v1/stats')
    expect(field(after, 'total')).toEqual(field(before, 'total'))
  })

  it('of another type, or compressed, is refused', async () => {
    expect(await send('a,b', 'text/csv')).toMatchObject({ status: 415 })
    const zipped = await call('POST', '/v1/tasks/batch', '[]', { 'content-encoding': 'gzip' })
    expect([zipped.status, code(zipped)]).toEqual([415, 'HW_UNSUPPORTED_MEDIA_TYPE'])
  })

  it('of more than 10,000 is refused', async () => {
    const many = Array.from({ length: 10_001 }, () => ({ queue: 'batch', delay: 1 }))
    const answer = await send(JSON.stringify(many), 'application/json')
    expect([answer.status, code(answer)]).toEqual([413, 'HW_BATCH_TOO_LARGE'])
  })
})

describe('cancelling and moving', () => {
  it('answers 404 for none, 200 for a second cancel, 409 for what has ended otherwise', async () => {
    const none = 'f7330000001q6r'
    for (const answer of [
      await call('DELETE', `/v1/tasks/${none}`),
      await call('PATCH', `/v1/tasks/${none}`, { delay: 1 }),
    ]) {
      expect(answer).toMatchObject({ status: 404, json: { code: 'HW_TASK_MISSING', answer: { outcome: 'missing' } } })
    }
    expect(await call('GET', `/v1/tasks/${none}`)).toMatchObject({ status: 404 })
    const url = `/v1/tasks/${field(await schedule({ queue: 'c', delay: '1d' }), 'id')}`
    expect(await call('PATCH', url, { delay: '2d' }, { 'if-match': '"0"' })).toMatchObject({ headers: { etag: '"1"' } })
    const changed = await call('PATCH', url, { delay: '2d' }, { 'if-match': '"0"' })
    expect(changed).toMatchObject({ status: 412, json: { code: 'HW_TASK_CHANGED', answer: { generation: 1 } } })
    expect(await call('DELETE', url)).toMatchObject({ status: 200 })
    expect(await call('DELETE', url)).toMatchObject({ status: 200, json: { outcome: 'ended', how: 'cancelled' } })
    expect(await call('PATCH', url, { delay: 1 })).toMatchObject({ status: 409, json: { code: 'HW_TASK_STATE' } })
    expect(await call('GET', url)).toMatchObject({ status: 200, json: { state: 'ended', how: 'cancelled' } })
  })
})

describe('leases', () => {
  const lease = async (queue: string, body: object = {}): Promise<{ token: string; id: string; payload: unknown }[]> =>
    field(await call('POST', `/v1/queues/${queue}/leases`, body), 'tasks')

  it('wait for a task, and are answered once', async () => {
    const waiting = lease('pull', { wait: '30s', lease: '1m' })
    await schedule({ queue: 'pull', delay: 50, payload: { n: 1 } })
    const [task] = await waiting
    expect(task).toMatchObject({ payload: { n: 1 } })
    const { token, id } = task!
    expect(await call('DELETE', `/v1/tasks/${id}`)).toMatchObject({ status: 202, json: { outcome: 'leased' } })
    expect(await call('POST', '/v1/leases/extend', { token, lease: '2m' })).toMatchObject({ status: 200 })
    const next = { queue: 'follow', delay: '1d', payload: 2 }
    expect(await call('POST', '/v1/leases/ack', { token, next })).toMatchObject({ json: { outcome: 'acked' } })
    const again = await call('POST', '/v1/leases/ack', { token })
    expect(again).toMatchObject({ status: 409, json: { code: 'HW_TASK_STATE', answer: { outcome: 'ended' } } })
    expect(field<object[]>(await call('GET', '/v1/tasks?queue=follow'), 'tasks')).toHaveLength(1)
  })

  it('go to nobody when the one who waits has gone away', async () => {
    const gone = request({ socketPath: daemon.socket, method: 'POST', path: '/v1/queues/gone/leases' })
    gone.on('error', () => undefined)
    gone.end(JSON.stringify({ wait: '30s' }))
    await until(async () =>
      field<{ queue: string }[]>(await call('GET', '/v1/queues'), 'queues').some((one) => one.queue === 'gone'),
    )
    gone.destroy()
    // The daemon hears of it before it hears of the task: both come over sockets that it reads in turn.
    await until(async () => /hourwheel_http_connections [12]\n/u.test((await call('GET', '/metrics')).text))
    await schedule({ queue: 'gone', delay: 0 })
    const [task] = await lease('gone', { wait: '10s' })
    expect(task).toMatchObject({ attempt: 1 })
  })

  it('that fail become dead letters, which are redriven and purged', async () => {
    await schedule({ queue: 'fails', delay: 0, payload: 'x' })
    const [task] = await lease('fails', { wait: '10s' })
    await call('POST', '/v1/leases/nack', { token: task!.token, dead: true, error: 'no use' })
    const listed = await call('GET', '/v1/dead-letters?queue=fails')
    expect(listed.json).toMatchObject({
      deadLetters: [{ id: task!.id, reason: 'asked', error: 'no use', payload: 'x' }],
    })
    expect((await call('POST', '/v1/dead-letters/redrive', { id: task!.id })).json).toEqual({ redriven: 1 })
    const [again] = await lease('fails', { wait: '10s' })
    await call('POST', '/v1/leases/nack', { token: again!.token, dead: true })
    expect(code(await call('POST', '/v1/dead-letters/purge', {}))).toBe('HW_INVALID_REQUEST')
    expect(code(await call('POST', '/v1/dead-letters/purge', { queue: 'fails', all: true }))).toBe('HW_INVALID_REQUEST')
    expect((await call('POST', '/v1/dead-letters/purge', { queue: 'fails' })).json).toEqual({ purged: 1 })
    expect((await call('GET', '/v1/dead-letters?queue=fails')).json).toEqual({ deadLetters: [] })
  })

  it.each(['x', '', 'f7330000001q6r', 5])('%j is no token', async (token) => {
    expect(code(await call('POST', '/v1/leases/ack', { token }))).toBe('HW_INVALID_TOKEN')
  })
})

describe('listing', () => {
  it('goes through all pages by cursor, in fire order', async () => {
    const day = Date.UTC(2040, 0, 1)
    const tasks = Array.from({ length: 25 }, (_, n) => ({ queue: 'pages', at: day + n * 1_000, payload: n }))
    await call('POST', '/v1/tasks/batch', tasks)
    const seen: unknown[] = []
    let cursor: string | undefined
    do {
      const page: Answer = await call(
        'GET',
        `/v1/tasks?queue=pages&limit=10${cursor === undefined ? '' : `&cursor=${cursor}`}`,
      )
      seen.push(...field<{ payload: number }[]>(page, 'tasks').map(({ payload }) => payload))
      cursor = (page.json as { cursor?: string }).cursor
    } while (cursor !== undefined)
    expect(seen).toEqual(tasks.map(({ payload }) => payload))
    const some = await call('GET', `/v1/tasks?queue=pages&from=${day + 5_000}&to=2040-01-01T00:00:06Z`)
    expect(field<object[]>(some, 'tasks')).toHaveLength(2)
  })

  it.each([
    'limit=0',
    'limit=1001',
    'limit=x',
    'state=ended',
    'cursor=x',
    'from=tomorrow',
    'queue=a%2Fb',
    'nonsense=1',
    'queue=a&queue=b',
  ])('?%s is refused', async (query) => {
    expect(await call('GET', `/v1/tasks?${query}`)).toMatchObject({ status: 400 })
  })
})

describe('events', () => {
  /** Reads events until one is called `last`. */
  function listen(path: string, headers: Record<string, string>, last: string): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = ''
      const stream = request({ socketPath: daemon.socket, path, headers }, (response) => {
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk
          if (!text.includes(`"queue":"${last}"`)) return
          resolve(text)
          stream.destroy()
        })
        response.on('error', () => undefined)
      })
      stream.on('error', reject)
      stream.end()
    })
  }
  const cancelled = async (queue: string): Promise<void> => {
    const id = field(await schedule({ queue, delay: '1d' }), 'id')
    await call('DELETE', `/v1/tasks/${id}`)
  }
  const idsOf = (text: string): string[] => [...text.matchAll(/^id: (.*)$/gmu)].map(([, id]) => id!)

  it('go on after Last-Event-ID, and tell of a gap when that is too long ago', async () => {
    const first = listen('/v1/events?types=cancelled', {}, 'sse-1')
    await until(async () => /hourwheel_event_readers 1\n/u.test((await call('GET', '/metrics')).text))
    await cancelled('sse-1')
    const last = idsOf(await first).at(-1)!
    for (let n = 0; n < 10; n++) await cancelled('sse-2')
    await cancelled('sse-3')
    const missed = await listen('/v1/events?types=cancelled', { 'last-event-id': last }, 'sse-3')
    expect(missed).not.toContain('event: gap')
    expect(idsOf(missed)).toHaveLength(11)
    for (let n = 0; n < 60; n++) await cancelled('sse-4')
    await cancelled('sse-5')
    const late = await listen(`/v1/events?since=${last}`, {}, 'sse-5')
    expect(late).toContain(`event: gap\ndata: {"since":"${last}"}`)
    expect(idsOf(late)).toHaveLength(50)
    expect(await listen('/v1/events?queue=sse-5', { 'last-event-id': '0.5' }, 'sse-5')).toContain('event: gap')
  })

  it('with a name that is none are refused', async () => {
    expect(code(await call('GET', '/v1/events?types=fired,exploded'))).toBe('HW_INVALID_REQUEST')
  })
})

describe('other routes', () => {
  it('say what there is not', async () => {
    expect(await call('GET', '/v1/nothing')).toMatchObject({ status: 404, json: { code: 'HW_NOT_FOUND' } })
    expect(await call('POST', '/v1/stats', {})).toMatchObject({ status: 405, headers: { allow: 'GET' } })
    expect(await call('GET', '/v1/queues/nobody')).toMatchObject({ status: 404 })
    expect(await call('GET', '/v1/errors/HW_NONE')).toMatchObject({ status: 404 })
    expect(await call('GET', '/v1/tasks/nonsense')).toMatchObject({ status: 400, json: { code: 'HW_INVALID_REF' } })
    expect(await call('GET', '/v1/stats?x=1')).toMatchObject({ status: 400 })
  })

  it('give an error the id of its request', async () => {
    const answer = await call('GET', '/v1/nothing', undefined, { 'x-request-id': 'abc-1' })
    expect(answer.headers['x-request-id']).toBe('abc-1')
    expect(await call('POST', '/v1/tasks', '{', { 'x-request-id': 'abc-2' })).toMatchObject({
      json: { requestId: 'abc-2' },
    })
  })

  it('refuse a backup where there is no directory for it', async () => {
    const answer = await call('POST', '/v1/backups', { name: 'a' })
    expect([answer.status, code(answer)]).toEqual([403, 'HW_FORBIDDEN'])
    for (const name of ['../a', '/a', '', '.a']) {
      expect(await call('POST', '/v1/backups', { name }), name).toMatchObject({ status: 400 })
    }
  })

  it('pause and resume a queue, durably', async () => {
    await schedule({ queue: 'stop', delay: '1d' })
    await call('POST', '/v1/queues/stop/pause')
    expect((await call('GET', '/v1/queues/stop')).json).toMatchObject({ stats: { paused: true } })
    await call('POST', '/v1/queues/stop/resume')
    expect((await call('GET', '/v1/queues/stop')).json).toMatchObject({ stats: { paused: false } })
  })
})

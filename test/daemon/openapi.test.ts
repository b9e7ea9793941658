/** The OpenAPI document says what the daemon does: its shape, and every example in it, played against a daemon. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Compile } from 'typebox/compile'
import { exampleId, examples, exampleToken, type Example } from '../../src/protocol/examples.ts'
import { answerSchema, openApiText } from '../../src/protocol/openapi.ts'
import { pathOf, routes, type RouteName } from '../../src/protocol/routes.ts'
import { serve, temporary, until, type Served } from './rig.ts'

const directory = temporary()
let daemon: Served

beforeAll(async () => {
  daemon = await serve(['--dir', `${directory.path}/data`, '--drain', '0', '--backup-dir', directory.path])
})

afterAll(async () => {
  await daemon.end()
  directory.remove()
})

type Json = Record<string, unknown>

describe('the document', () => {
  const document = JSON.parse(openApiText()) as Json & { paths: Record<string, Record<string, Json>> }
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )

  it('is OpenAPI 3.1 with all routes and nothing else', () => {
    expect(document).toMatchObject({
      openapi: expect.stringMatching(/^3\.1\.\d+$/u) as string,
      info: { title: 'hourwheel' },
    })
    const described = operations.map(({ path, method }) => `${method.toUpperCase()} ${path}`).toSorted()
    expect(described).toEqual(
      Object.values(routes)
        .map(({ method, path }) => `${method} ${path}`)
        .toSorted(),
    )
    const ids = operations.map(({ operation }) => operation['operationId'])
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('has a component for every reference, and uses every component', () => {
    const used = new Set([...openApiText().matchAll(/"\$ref":"([^"]+)"/gu)].map(([, ref]) => ref!))
    const components = Object.keys((document['components'] as { schemas: Json }).schemas)
    expect([...used].toSorted()).toEqual(components.map((name) => `#/components/schemas/${name}`).toSorted())
  })

  it('declares each parameter of a path, once, as required', () => {
    for (const { path, operation } of operations) {
      const parameters = operation['parameters'] as { name: string; in: string; required: boolean }[]
      const inPath = parameters.filter((parameter) => parameter.in === 'path')
      expect(inPath.map(({ name }) => `{${name}}`)).toEqual(path.match(/\{\w+\}/gu) ?? [])
      expect(inPath.every(({ required }) => required)).toBe(true)
      expect(new Set(parameters.map(({ name }) => name)).size).toBe(parameters.length)
    }
  })

  it('shows answers that have the shape it gives them', () => {
    for (const [name, { status, answer }] of Object.entries(examples) as [RouteName, Example][]) {
      const schema = answerSchema(name, status)
      if (schema === undefined) continue
      const validator = Compile(schema)
      expect(validator.Errors(JSON.parse(JSON.stringify(answer))), name).toEqual([])
    }
  })

  it('is what the daemon serves', async () => {
    const { status, text } = await daemon.call('GET', '/openapi.json')
    // Not by toEqual, whose report would be as long as the document.
    expect({ status, isSame: text === openApiText() }).toEqual({ status: 200, isSame: true })
  })
})

describe('every example', () => {
  let count = 0

  /** What must be there before a route can be called as in its example: the id and token that stand for those in it. */
  async function prepare(name: RouteName): Promise<{ id?: string; token?: string }> {
    const queue = 'email'
    const schedule = async (body: object): Promise<string> => {
      const { status, json } = await daemon.call('POST', '/v1/tasks', { body: { queue, ...body } })
      expect([200, 201]).toContain(status)
      return (json as { id: string }).id
    }
    const lease = async (): Promise<string> => {
      await schedule({ delay: 0, payload: count++ })
      const { json } = await daemon.call('POST', `/v1/queues/${queue}/leases`, { body: { wait: '10s' } })
      return (json as { tasks: { token: string }[] }).tasks[0]!.token
    }
    switch (name) {
      case 'list':
        await schedule({ delay: '31d', payload: 1, key: `key-${count++}` })
        return { id: await schedule({ delay: '30d', payload: {}, key: `key-${count++}` }) }
      case 'queue':
      case 'queues':
      case 'calendar':
      case 'get':
      case 'cancel':
      case 'reschedule':
        return { id: await schedule({ delay: '30d', payload: { to: 'ada@example.com' }, key: `key-${count++}` }) }
      case 'getByKey':
      case 'cancelByKey':
      case 'rescheduleByKey':
        await schedule({ delay: '30d', payload: {}, key: 'trial-42', onConflict: 'replace' })
        return {}
      case 'lease':
        await schedule({ delay: 0, payload: { to: 'ada@example.com' } })
        return {}
      case 'ack':
      case 'ackMany':
      case 'nack':
      case 'extend':
        return { token: await lease() }
      case 'listDead':
      case 'redrive':
      case 'purge': {
        const token = await lease()
        await daemon.call('POST', '/v1/leases/nack', { body: { token, dead: true, error: 'no' } })
        return { id: token.slice(0, 14) }
      }
      case 'getSettings':
        await daemon.call('PUT', `/v1/queues/${queue}/settings`, { body: examples.putSettings.body })
        return {}
      default:
        return {}
    }
  }

  it.each(Object.keys(examples) as RouteName[])('%s', async (name) => {
    const { body, headers = {}, path = {}, query = {}, status, answer } = examples[name]
    const { id, token } = await prepare(name)
    const real = (value: unknown): unknown =>
      value === undefined
        ? undefined
        : (JSON.parse(
            JSON.stringify(value)
              .replaceAll(exampleToken, token ?? exampleToken)
              .replaceAll(exampleId, id ?? exampleId),
          ) as unknown)
    const url = pathOf(name, real(path) as Record<string, string>, query)
    if (name === 'events') {
      await playEvents(url)
      return
    }
    const got = await daemon.call(routes[name].method, url, { headers, body: real(body) })
    expect(got.status, got.text).toBe(status)
    const schema = answerSchema(name, status)
    if (schema !== undefined) expect(Compile(schema).Errors(got.json), got.text).toEqual([])
    if (typeof answer === 'object') {
      const fieldsOf = (value: unknown): string[] => Object.keys(JSON.parse(JSON.stringify(value)) as object).toSorted()
      expect(fieldsOf(got.json)).toEqual(fieldsOf(answer))
    }
  })

  async function playEvents(url: string): Promise<void> {
    const { request } = await import('node:http')
    let text = ''
    const stream = request({ socketPath: daemon.socket, path: url }, (response) => {
      expect(response.headers['content-type']).toBe('text/event-stream')
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    }).end()
    await until(() => text.startsWith('retry: 1000\n\n'))
    await prepare('ack')
    await until(() =>
      /id: 1\.\d+\nevent: fired\ndata: \{"id":"\w{14}","queue":"email","attempt":1,"lateMs":\d+\}\n\n/u.test(text),
    )
    stream.destroy()
  }
})

it('a backup under a name that is taken is refused as the wrong name that it is', async () => {
  const again = (name: string) => daemon.call('POST', '/v1/backups', { body: { name } })
  for (const name of ['taken', 'taken.tar']) {
    expect((await again(name)).status).toBe(201)
    expect(await again(name)).toMatchObject({
      status: 409,
      json: { code: 'HW_DIRECTORY_UNUSABLE', outcome: 'not done' },
    })
  }
})

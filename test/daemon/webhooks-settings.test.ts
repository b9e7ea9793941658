/** Settings of queues: durable, applied at once, refused when wrong or damaged; secrets go in and never come out. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
// Threads run from compiled code only.
import { QueueSettingsFile, type QueueSettings } from '../../dist/daemon/queue-settings.js'
import { openEngine, verify, type Engine } from '../../dist/index.js'
import { refuse } from '../../dist/model/errors.js'

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const other = `whsec_${Buffer.alloc(32, 8).toString('base64')}`
const url = 'https://example.com/hooks?token=t0p'

let directory: string
let engine: Engine
let changes: [string, QueueSettings][]

/** One engine for all; settings lie in a directory of their own but where a restart is tried. */
const engineDirectory = mkdtempSync(join(tmpdir(), 'hourwheel-settings-'))
beforeAll(async () => {
  engine = await openEngine({ dir: engineDirectory })
})
afterAll(async () => {
  await engine.close()
  rmSync(engineDirectory, { recursive: true, force: true })
})
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hourwheel-settings-'))
  changes = []
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const file = (): string => join(directory, 'queue-settings.json')

function openFile(used: Engine = engine): Promise<QueueSettingsFile> {
  return QueueSettingsFile.open({
    directory,
    engine: used,
    checkWebhook: (webhook) => {
      if (!webhook.url.startsWith('https://example.com/')) throw refuse('HW_WEBHOOK_REFUSED', 'not there')
    },
    changed: (queue, settings) => changes.push([queue, settings]),
  })
}

test('settings hold at once and after a restart; the engine and verify leave the file alone', async () => {
  const first = await openEngine({ dir: directory })
  const settings = await openFile(first)
  expect(settings.get('email')).toEqual({})
  const given = { retry: { attempts: 1 }, timeout: '90s', concurrency: 7, webhook: { url, secrets: [secret] } }
  const view = await settings.set('email', given)
  expect(view).toEqual({
    retry: { attempts: 1 },
    timeout: '90s',
    concurrency: 7,
    webhook: { url, secretIds: [expect.stringMatching(/^[0-9a-f]{8}$/)] },
  })
  expect(changes).toEqual([['email', given]])
  expect(statSync(file()).mode & 0o777).toBe(0o600)
  // One attempt: the engine has heard of it.
  await first.handle('email', () => {
    throw new Error('no')
  })
  const died = new Promise((resolve) => first.on('deadLettered', resolve))
  await first.schedule({ queue: 'email', delay: 0 })
  expect(await died).toMatchObject({ reason: 'attempts' })
  await first.close()

  expect((await verify({ dir: directory })).problems).toEqual([])
  const second = await openEngine({ dir: directory })
  changes = []
  const again = await openFile(second)
  expect(again.get('email')).toEqual(given)
  expect(again.view('email')).toEqual(view)
  expect(again.names()).toEqual(['email'])
  expect(changes).toEqual([['email', given]])
  await second.close()
})

test('a webhook keeps its secrets until others are given, makes one where there is none, and shows it once', async () => {
  const settings = await openFile()
  const made = await settings.set('a', { webhook: { url } })
  expect(made.webhook?.newSecret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
  expect(settings.view('a').webhook).not.toHaveProperty('newSecret')
  const moved = await settings.set('a', { webhook: { url: 'https://example.com/else' } })
  expect(moved.webhook).toEqual({ url: 'https://example.com/else', secretIds: made.webhook?.secretIds })
  // What was read may be written back.
  const { secretIds } = moved.webhook!
  expect(await settings.set('a', settings.view('a'))).toMatchObject({ webhook: { secretIds } })
  const rotated = await settings.set('a', { webhook: { url, secrets: [other, secret] } })
  expect(rotated.webhook?.secretIds).toHaveLength(2)
  expect(JSON.stringify([rotated, settings.view('a')])).not.toContain('whsec_')
  await settings.set('a', { webhook: { url, secretRef: 'main' } })
  expect(settings.get('a').webhook).toEqual({ url, secretRef: 'main' })
  await settings.set('a', { webhook: null })
  expect(settings.names()).toEqual([])
})

const hook = (fields: object): object => ({ webhook: { url, ...fields } })

test.each([
  ['no object', 3, 'HW_INVALID_OPTIONS'],
  ['an unknown field', { timeuot: 3 }, 'HW_UNKNOWN_FIELD'],
  ['a bad retry', { retry: { attempts: 0 } }, 'HW_INVALID_RETRY'],
  ['a bad time-out', { timeout: 'soon' }, 'HW_INVALID_DURATION'],
  ['a bad key window', { keyWindow: '400d' }, 'HW_INVALID_OPTIONS'],
  ['no concurrency', { concurrency: 0 }, 'HW_INVALID_OPTIONS'],
  ['an unknown field of a webhook', hook({ uri: 3 }), 'HW_UNKNOWN_FIELD'],
  ['no URL', { webhook: {} }, 'HW_INVALID_OPTIONS'],
  ['a relative URL', hook({ url: '/hooks' }), 'HW_INVALID_OPTIONS'],
  ['a file', hook({ url: 'file:///etc/passwd' }), 'HW_INVALID_OPTIONS'],
  ['a password in the URL', hook({ url: 'https://a:b@example.com/' }), 'HW_INVALID_OPTIONS'],
  ['a fragment', hook({ url: 'https://example.com/#a' }), 'HW_INVALID_OPTIONS'],
  ['a host that is not allowed', hook({ url: 'https://example.net/' }), 'HW_WEBHOOK_REFUSED'],
  ['no secrets', hook({ secrets: [] }), 'HW_INVALID_OPTIONS'],
  ['a short secret', hook({ secrets: ['whsec_c2hvcnQ='] }), 'HW_INVALID_OPTIONS'],
  ['a secret that is no base64', hook({ secrets: [`whsec_${'%'.repeat(44)}`] }), 'HW_INVALID_OPTIONS'],
  ['five secrets', hook({ secrets: Array(5).fill(secret) }), 'HW_INVALID_OPTIONS'],
  ['secrets and a reference', hook({ secrets: [secret], secretRef: 'a' }), 'HW_INVALID_OPTIONS'],
  ['a request longer than its attempt', { timeout: '5s', ...hook({ timeout: '5s' }) }, 'HW_INVALID_OPTIONS'],
  ['too many requests at once', hook({ concurrency: 1_001 }), 'HW_INVALID_OPTIONS'],
])('%s is refused, and changes nothing', async (_what, given, code) => {
  const settings = await openFile()
  const refusal: unknown = await settings.set('q', given).catch((error: unknown) => error)
  expect(refusal).toMatchObject({ code, outcome: 'not done' })
  expect(String(refusal)).not.toContain(secret)
  expect(String(refusal)).not.toContain('t0p')
  expect(settings.names()).toEqual([])
  expect(readdirSync(directory)).not.toContain('queue-settings.json')
})

test('every changed byte of the file is refused, with its name; so is a newer format', async () => {
  const settings = await openFile()
  await settings.set('email', { timeout: '90s', webhook: { url, secrets: [secret] } })
  const good = readFileSync(file())
  for (let at = 0; at < good.length; at += 3) {
    const bad = Buffer.from(good)
    bad[at]! ^= 1
    writeFileSync(file(), bad)
    const refusal: unknown = await openFile().catch((error: unknown) => error)
    expect(refusal, `byte ${at}`).toMatchObject({ details: { file: 'queue-settings.json' } })
    // The digit of the format is the one byte that may say something else.
    const { code } = refusal as { code: string }
    expect(['HW_CORRUPT', 'HW_FORMAT_NEWER'], `byte ${at}`).toContain(code)
  }
  for (const length of [0, 10, good.indexOf('\n') + 1, good.length - 1]) {
    writeFileSync(file(), good.subarray(0, length))
    await expect(openFile()).rejects.toMatchObject({ code: 'HW_CORRUPT' })
  }
  writeFileSync(file(), good.toString().replace('"format":1', '"format":2'))
  await expect(openFile()).rejects.toMatchObject({ code: 'HW_FORMAT_NEWER' })
  writeFileSync(file(), good)
  expect((await openFile()).get('email').timeout).toBe('90s')
})

test('changes made at once are all kept, and reload applies what was put there', async () => {
  const settings = await openFile()
  await Promise.all(Array.from({ length: 20 }, (_, i) => settings.set(`q${i}`, { concurrency: i + 1 })))
  const copy = readFileSync(file())
  await settings.set('q3', { concurrency: 99 })
  changes = []
  writeFileSync(file(), copy)
  await settings.reload()
  expect(changes).toEqual([['q3', { concurrency: 4 }]])
  expect(settings.names()).toHaveLength(20)
})

test('what cannot be written changes nothing', async () => {
  const settings = await openFile()
  await settings.set('q', { concurrency: 1 })
  changes = []
  rmSync(directory, { recursive: true })
  await expect(settings.set('q', { concurrency: 2 })).rejects.toMatchObject({
    code: 'HW_DISK_FAILED',
    outcome: 'not done',
  })
  expect(settings.get('q')).toEqual({ concurrency: 1 })
  expect(changes).toEqual([])
})

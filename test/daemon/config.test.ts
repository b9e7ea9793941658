/** Settings from flags, environment and file: what wins, what is refused, what check-config says; and `dev`. */

import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readConfig } from '../../src/daemon/config.ts'
import { daemonSettings, environmentName, settingNames } from '../../src/daemon/settings.ts'
import { callAt, program, temporary, until } from './rig.ts'

const directory = temporary()
afterAll(() => directory.remove())

const file = (settings: unknown): string => {
  const path = join(directory.path, 'config.json')
  writeFileSync(path, typeof settings === 'string' ? settings : JSON.stringify(settings))
  return path
}
const refusal = (...given: Parameters<typeof readConfig>): Promise<string> =>
  readConfig(...given).then(
    () => 'accepted',
    (error: Error & { code: string }) => `${error.code}: ${error.message}`,
  )

describe('settings', () => {
  it('come from flags before environment before file', async () => {
    const config = file({ dir: '/a', nearBytesMax: '1MiB', walFilesMax: 2, hosts: ['One', 'two'] })
    const environment = { HOURWHEEL_DIR: '/b', HOURWHEEL_WAL_FILES_MAX: '3' }
    const read = await readConfig({ dir: '/c' }, environment, config)
    expect(read).toMatchObject({ dir: '/c', socket: '/c/hourwheel.sock', hosts: ['one', 'two'], drainMs: 10_000 })
    expect(read.engine).toMatchObject({ dir: '/c', nearBytesMax: 1 << 20, walFilesMax: 3, payloadBytesMax: undefined })
  })

  it.each<[object, string]>([
    [{}, 'dir is missing'],
    [{ dir: '/a', listen: '7420' }, 'listen'],
    [{ dir: '/a', listen: 'localhost:70000' }, 'listen'],
    [{ dir: '/a', socket: 'none' }, 'nothing to listen on'],
    [{ dir: '/a', socket: `/${'x'.repeat(110)}` }, 'socket'],
    [{ dir: '/a', tlsCert: '/c' }, 'belong together'],
    [{ dir: '/a', walFilesMax: '0' }, 'walFilesMax'],
    [{ dir: '/a', nearBytesMax: '1 gallon' }, 'nearBytesMax'],
    [{ dir: '/a', nearBytesMax: '1' }, 'nearBytesMax'],
    [{ dir: '/a', drain: 'soon' }, 'drain'],
    [{ dir: '/a', logLevel: 'loud' }, 'logLevel'],
    [{ dir: '/a', listen: '0.0.0.0:1' }, 'tokens'],
    [{ dir: '/a', listen: '0.0.0.0:1', tokens: 'x' }, 'TLS'],
    [{ dir: '/a', nonsense: 1 }, 'nonsense'],
    [{ dir: 5 }, 'dir'],
  ])('%j are refused', async (settings, text) => {
    const said = await refusal({}, {}, file(settings))
    expect(said).toMatch(/^HW_INVALID_CONFIG: /u)
    expect(said).toContain(text)
  })

  it('of a file that is none are refused', async () => {
    expect(await refusal({}, {}, join(directory.path, 'nowhere'))).toContain('cannot be read')
    expect(await refusal({}, {}, file('{'))).toContain('is not JSON')
    expect(await refusal({}, {}, file([]))).toContain('object')
  })

  it('that are secret are not shown', async () => {
    expect(await refusal({}, {}, file({ dir: '/a', tokens: 5 }))).toBe(
      `HW_INVALID_CONFIG: tokens in ${join(directory.path, 'config.json')} is not usable; give text`,
    )
  })

  it('are all in docs/operations.md, with variable and default', () => {
    const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')
    for (const name of settingNames) {
      const { otherwise = '' } = daemonSettings[name]
      const row = new RegExp(`^\\| \`${name}\` .*\`${environmentName(name)}\`.*$`, 'mu').exec(page)?.[0]
      expect(row, name).toBeDefined()
      expect(row, name).toContain(otherwise)
    }
  })
})

describe('check-config', () => {
  const check = (
    flags: readonly string[],
    env: Record<string, string> = {},
  ): { code: number | null; out: string; err: string } => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, 'check-config', ...flags], {
      encoding: 'utf8',
      timeout: 20_000,
      env: { ...process.env, ...env },
    })
    return { code: status, out: stdout, err: stderr }
  }

  it('shows what holds, without secrets, and warns of variables that mean nothing', () => {
    const token = 't'.repeat(30)
    const env = { HOURWHEEL_TOKENS: `admin ${token}`, HOURWHEEL_NEAR_BYTE_MAX: '1' }
    const { code, out, err } = check(['--dir', join(directory.path, 'd'), '--listen', '127.0.0.1:0'], env)
    expect(code).toBe(0)
    expect(out).toMatch(/^dir +\/.*\/d$/mu)
    expect(out + err).not.toContain(token)
    expect(err).toContain('HOURWHEEL_NEAR_BYTE_MAX')
  })

  it('shows every setting under its own name, with its default or in a form that a file takes', () => {
    const dir = join(directory.path, 'd')
    const { out } = check(['--dir', dir, '--listen', '[::1]:7420', '--drain', '3s', '--hosts', 'a.example,b.example'])
    const shown = new Map([...out.matchAll(/^(\w+) +(.*)$/gmu)].map(([, name, value]) => [name, value]))
    expect([...shown.keys()].slice(0, settingNames.length)).toEqual(settingNames)
    expect(Object.fromEntries(shown)).toMatchObject({
      listen: '[::1]:7420',
      drain: '3000 ms',
      hosts: 'a.example,b.example',
      webhookHosts: 'no webhooks',
      nearBytesMax: '256MiB',
      forwardJumpMax: '1d',
    })
    const asFile = join(directory.path, 'again.json')
    writeFileSync(
      asFile,
      JSON.stringify((JSON.parse(check(['--dir', dir, '--json']).out) as { config: object }).config),
    )
    expect(check(['--config', asFile])).toMatchObject({ code: 0 })
  })

  it('fails where serve would, and leaves nothing behind', () => {
    const handlers = join(directory.path, 'handlers.mjs')
    writeFileSync(handlers, 'export default { email: 5 }')
    expect(check(['--dir', join(directory.path, 'd'), '--handlers', handlers])).toMatchObject({ code: 2 })
    expect(check(['--dir', handlers])).toMatchObject({ code: 2 })
    expect(check(['--dir', '/nowhere/at/all'])).toMatchObject({ code: 2 })
    expect(check(['--dir', join(directory.path, 'd'), '--token-file', '/nowhere'])).toMatchObject({ code: 2 })
    expect(check(['--dir', join(directory.path, 'd')])).toMatchObject({ code: 0 })
  })
})

describe('serve', () => {
  it('runs handlers of a module, inline and in threads', async () => {
    const { serve } = await import('./rig.ts')
    const place = join(directory.path, 'handlers')
    mkdirSync(place)
    writeFileSync(
      join(place, 'thread.mjs'),
      `import { writeFileSync } from 'node:fs'\nexport default (task) => writeFileSync(task.payload, 'thread')\n`,
    )
    writeFileSync(
      join(place, 'all.mjs'),
      `import { writeFileSync } from 'node:fs'
export default {
  inline: (task) => writeFileSync(task.payload, 'inline'),
  threads: { module: './thread.mjs', threads: 1, concurrency: 2, retry: { attempts: 1 } },
}\n`,
    )
    const daemon = await serve([
      '--dir',
      join(directory.path, 'with-handlers'),
      '--handlers',
      join(place, 'all.mjs'),
      '--drain',
      '0',
    ])
    for (const queue of ['inline', 'threads']) {
      await daemon.call('POST', '/v1/tasks', { body: { queue, delay: 0, payload: join(place, queue) } })
    }
    await until(async () => {
      const { json } = await daemon.call('GET', '/v1/stats')
      return (json as { total: { succeeded: number } }).total.succeeded === 2
    })
    expect(readFileSync(join(place, 'inline'), 'utf8')).toBe('inline')
    expect(readFileSync(join(place, 'threads'), 'utf8')).toBe('thread')
    await daemon.end()
  })
})

describe('dev', () => {
  it('fires tasks of its own, prints a line to paste, and takes its directory away', async () => {
    const child = spawn(process.execPath, [program, 'dev', '--port', '0'], {
      env: { ...process.env, TMPDIR: directory.path },
    })
    let out = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    await until(() => out.includes('curl '))
    const line = /curl http:\/\/127\.0\.0\.1:(\d+)(\S+) -d '(.*)'/u.exec(out)!
    const { status } = await callAt({ port: Number(line[1]) }, 'POST', line[2]!, { body: line[3]! })
    expect(status).toBe(201)
    await until(() => out.includes('hello, {"from":"curl"}') && out.includes('hello, {"after":"5 s"}'))
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGINT')
    expect(await ended).toBe(0)
    const { readdirSync } = await import('node:fs')
    expect(readdirSync(directory.path).filter((name) => name.startsWith('hourwheel-dev-'))).toEqual([])
  })
})

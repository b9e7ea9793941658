/** The `hourwheel` program of the built package: usage, help, hints, terminals, and verify's exit codes. */

import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { builtEngine, typed, program, scratch } from './hourwheel.ts'

const directory = scratch()
const dir = join(directory, 'data')

beforeAll(async () => {
  const engine = await builtEngine(dir)
  await engine.scheduleMany(
    Array.from({ length: 5 }, (_, n) => ({ queue: 'email', delay: `${n + 1}d`, payload: { n } })),
  )
  await engine.close()
})

describe('what was typed', () => {
  it('is refused with exit code 2, and what was meant is guessed', () => {
    const typo = typed(['schedul'])
    expect(typo).toMatchObject({ code: 2, out: '' })
    expect(typo.err).toContain('Did you mean schedule?')
    expect(typed(['list', '--dirr', 'x']).err).toContain('Did you mean --dir?')
    expect(typed(['list', 'too', 'many', '--dir', dir])).toMatchObject({ code: 2 })
  })

  it('helps with examples', () => {
    const said = typed(['schedule', '--help'])
    expect(said).toMatchObject({ code: 0, err: '' })
    expect(said.out).toContain("--at 'tomorrow 9am'")
    expect(typed(['--version']).out).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it('is answered with the next command to try', async () => {
    const nowhere = typed(['stats', '--dir', join(directory, 'nowhere')])
    expect(nowhere).toMatchObject({ code: 2, out: '' })
    expect(nowhere.err).toContain('HW_DIRECTORY_UNUSABLE')
    expect(nowhere.err).toContain('try: hourwheel schedule')
    expect(typed(['stats']).err).toContain('--dir')

    const engine = await builtEngine(dir)
    const locked = typed(['stats', '--dir', dir])
    await engine.close()
    expect(locked).toMatchObject({ code: 2, out: '' })
    expect(locked.err).toContain(`HW_DIRECTORY_LOCKED: ${dir} is open already, by process ${process.pid}`)
    expect(locked.err).toContain('--socket')
  })
})

describe('on a terminal', () => {
  const onTerminal = (env: Record<string, string>, ...args: string[]): string => {
    const command = [process.execPath, program, ...args].join(' ')
    const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
      encoding: 'utf8',
      env: { ...process.env, TERM: 'xterm', NO_COLOR: '', COLUMNS: '100', ...env },
    })
    return stdout
  }
  const hasScript = spawnSync('script', ['--version']).status === 0

  it.skipIf(!hasScript)('there are tables with titles, and colour only where it is wanted', () => {
    const shown = onTerminal({}, 'list', '--dir', dir)
    expect(shown).toMatch(/id\S* +\S*fires/)
    expect(shown).toContain('in 23 h')
    expect(shown).toContain('\u001b[1m')
    const plain = onTerminal({ NO_COLOR: '1' }, 'list', '--dir', dir)
    expect(plain).toMatch(/^id +fires +state +attempt +queue +payload/m)
    expect(plain).not.toContain('\u001b[')
  })

  it.skipIf(!hasScript)('run redraws a screen, and leaves the cursor as it was', () => {
    writeFileSync(join(directory, 'handlers.js'), 'export const quick = () => {}\n')
    writeFileSync(join(directory, 'tasks.ndjson'), '{"queue":"quick","delay":0}\n')
    const args = ['--handlers', join(directory, 'handlers.js'), '--input', join(directory, 'tasks.ndjson')]
    const shown = onTerminal({}, 'run', '--dir', join(directory, 'live'), ...args, '--until-empty')
    expect(shown).toMatch(/hourwheel {2}\S+live {2}opened in \d+ ms/)
    expect(shown).toContain('pending by hour, the next three days:')
    expect(shown.lastIndexOf('\u001b[?25h')).toBeGreaterThan(shown.lastIndexOf('\u001b[?25l'))
    expect(shown).toContain('stopped after 1 attempts')
  })
})

it('what is opened many times stays small', async () => {
  for (let count = 0; count < 15; count++) await (await builtEngine(dir)).close()
  expect(typed(['stats', '--dir', dir])).toMatchObject({ code: 0, err: '' })
  expect(readdirSync(dir).filter((name) => name.startsWith('wal-')).length).toBeLessThan(12)
})

describe('verify', () => {
  it('finds a sound directory sound', () => {
    expect(typed(['verify', '--dir', dir])).toMatchObject({ code: 0, err: '' })
    const { out } = typed(['verify', '--dir', dir, '--json'])
    expect(JSON.parse(out)).toMatchObject({ sound: true, tasks: 5, problems: [] })
  })

  it('exits with 1 and names file and offset of damage', () => {
    const name = readdirSync(dir).find((file) => file.startsWith('wal-'))!
    const path = join(dir, name)
    const bytes = readFileSync(path)
    const damaged = Buffer.from(bytes)
    damaged[64 + 64 + 20] = damaged[64 + 64 + 20]! ^ 0xff
    writeFileSync(path, damaged)
    const { code, out } = typed(['verify', '--dir', dir])
    writeFileSync(path, bytes)
    expect(code).toBe(1)
    expect(out).toContain(name)
    expect(out).toContain('DAMAGED')
  })
})

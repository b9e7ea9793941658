/** The `hourwheel` program of the built package, as a user types it. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { openEngine as OpenEngine } from '../../src/index.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const index = new URL('../../dist/index.js', import.meta.url).href
const directory = mkdtempSync(join(tmpdir(), 'hourwheel-cli-'))
let id = ''

function hourwheel(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' })
  return { code: status, out: stdout, err: stderr }
}

beforeAll(async () => {
  const { openEngine } = (await import(index)) as { openEngine: typeof OpenEngine }
  const engine = await openEngine({ dir: directory })
  const tasks = Array.from({ length: 5 }, (_, n) => ({ queue: 'email', delay: `${n + 1}d`, payload: { n } }))
  const receipts = await engine.scheduleMany(tasks)
  id = receipts[0]!.id
  await engine.close()
})

afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('hourwheel', () => {
  it('verify finds a sound directory sound', () => {
    expect(hourwheel('verify', '--dir', directory)).toMatchObject({ code: 0, err: '' })
    const found = JSON.parse(hourwheel('verify', '--dir', directory, '--json').out) as object
    expect(found).toMatchObject({ sound: true, tasks: 5, problems: [] })
  })

  it('list, get and stats show what is in it', () => {
    const lines = hourwheel('list', '--dir', directory, '--json').out.trim().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as { payload: unknown }).payload)).toEqual(
      [0, 1, 2, 3, 4].map((n) => ({ n })),
    )
    expect(hourwheel('list', '--dir', directory, '--limit', '2').out.trim().split('\n')).toHaveLength(2)
    expect(JSON.parse(hourwheel('get', id, '--dir', directory, '--json').out)).toMatchObject({
      id,
      state: 'pending',
      queue: 'email',
    })
    expect(JSON.parse(hourwheel('stats', '--dir', directory, '--json').out)).toMatchObject({ total: { pending: 5 } })
    expect(hourwheel('stats', '--dir', directory).out).toContain('email')
  })

  it('says what is wrong with what was typed, and what there is', () => {
    expect(hourwheel('verify')).toMatchObject({ code: 2 })
    expect(hourwheel('verify').err).toContain('--dir')
    expect(hourwheel('nonsense').code).toBe(2)
    expect(hourwheel('--help')).toMatchObject({ code: 0 })
    expect(hourwheel('get', 'nonsense', '--dir', directory)).toMatchObject({ code: 2 })
    expect(hourwheel('get', 'nonsense', '--dir', directory).err).toContain('HW_INVALID_REF')
    expect(hourwheel('stats', '--dir', join(directory, 'nowhere')).err).toContain('HW_DIRECTORY_UNUSABLE')
    expect(hourwheel('list', '--dir', directory, '--limit', 'many').code).toBe(2)
    const stranger = `${id.slice(0, 4)}zzzz0${id.slice(9)}`
    expect(hourwheel('get', stranger, '--dir', directory)).toMatchObject({ code: 1 })
  })

  it('verify exits with 1 and names file and offset of damage', () => {
    const name = readdirSync(directory).find((file) => file.startsWith('wal-'))!
    const path = join(directory, name)
    const bytes = readFileSync(path)
    const damaged = Buffer.from(bytes)
    damaged[64 + 64 + 20] = damaged[64 + 64 + 20]! ^ 0xff
    writeFileSync(path, damaged)
    const { code, out } = hourwheel('verify', '--dir', directory)
    writeFileSync(path, bytes)
    expect(code).toBe(1)
    expect(out).toContain(name)
    expect(out).toContain('DAMAGED')
  })
})

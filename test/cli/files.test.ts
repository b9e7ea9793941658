/** The commands that look into a directory, repair it or copy it, through the built package, with good and bad input. */

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { builtEngine, hourwheel, objectsOf, scratch, start } from './hourwheel.ts'

const directory = scratch()
const dir = join(directory, 'data')
const at = (name: string): string => join(directory, name)
let id = ''

/** Enough that the first log file has been moved into segments. */
beforeAll(async () => {
  const engine = await builtEngine(dir, { walFileBytes: 32 << 10, walFilesMax: 1 })
  for (let i = 0; i < 10; i++) {
    const tasks = Array.from({ length: 50 }, (_, k) => ({
      queue: 'email',
      delay: `${1 + ((i * k) % 40)}d`,
      key: `k${i}-${k}`,
      payload: { i, k, note: 'x'.repeat(60) },
    }))
    const receipts = await engine.scheduleMany(tasks)
    id = receipts[7]!.id
  }
  for (let tries = 0; tries < 200 && (await engine.stats()).checkpoints < 2; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await engine.close()
})

/** A copy of the data directory, to be damaged. */
function copyOf(name: string): string {
  cpSync(dir, at(name), { recursive: true, mode: 0 })
  return at(name)
}

function damage(path: string, offset: number): void {
  const bytes = readFileSync(path)
  bytes[offset] = bytes[offset]! ^ 0xff
  writeFileSync(path, bytes)
}

const segmentOf = (data: string): string => readdirSync(data).find((name) => name.startsWith('seg-'))!

describe('inspect', () => {
  it('prints one record a line, as text and as JSON, of all files or of one', () => {
    const lines = objectsOf(hourwheel(['inspect', '--dir', dir, '--json']))
    const counting = lines.filter((line) => line['counts'] === true)
    expect(counting).toHaveLength(500)
    expect(new Set(counting.map((line) => line['id'])).size).toBe(500)
    const text = hourwheel(['inspect', '--dir', dir, '--file', 'MANIFEST'])
    expect(text).toMatchObject({ code: 0, err: '' })
    expect(text.out).toMatch(/^MANIFEST:0 manifest number=\d+ incarnation=\d+/u)
  })

  it('follows one task, with its payload', () => {
    const lines = objectsOf(hourwheel(['inspect', '--dir', dir, '--id', id, '--payloads', '--json']))
    expect(lines.at(-1)).toMatchObject({ kind: 'verdict', id, state: 'pending' })
    expect(lines.find((line) => line['counts'] === true)).toMatchObject({ id, queue: 'email', key: 'k9-7' })
    expect(lines.some((line) => String(line['payload']).includes('"k":7'))).toBe(true)
  })

  it('goes on behind damage, exits with 1 then, and refuses what is not there', () => {
    const data = copyOf('inspected')
    damage(join(data, segmentOf(data)), 120)
    const found = hourwheel(['inspect', '--dir', data, '--json'])
    expect(found.code).toBe(1)
    expect(found.err).toContain('hourwheel salvage')
    expect(objectsOf(found).filter(({ kind }) => kind === 'damage')).toMatchObject([
      { file: segmentOf(data), offset: 80 },
    ])
    expect(hourwheel(['inspect', '--dir', dir, '--file', 'nonsense'])).toMatchObject({ code: 2, out: '' })
    expect(hourwheel(['inspect', '--dir', at('nowhere')]).err).toContain('HW_DIRECTORY_UNUSABLE')
  })
})

describe('salvage', () => {
  it('recovers the rest of a damaged directory, copies the originals aside, and says what is gone', () => {
    const data = copyOf('salvaged')
    damage(join(data, segmentOf(data)), 120)
    const original = readFileSync(join(data, segmentOf(data)))
    const [dry] = objectsOf(hourwheel(['salvage', '--dir', data, '--dry-run', '--json']))
    expect(dry).toMatchObject({ dryRun: true, lostDeadLetters: 0 })
    const lost = Number(dry!['lostTasks'])
    expect(lost).toBeGreaterThan(0)
    const name = segmentOf(data)
    const done = hourwheel(['salvage', '--dir', data, '--aside', at('originals')])
    expect(done.code).toBe(1)
    expect(done.out).toContain(`${name} at 80: a damaged block`)
    expect(done.out).toContain(`${lost} tasks and 0 dead letters are gone`)
    expect(readFileSync(join(at('originals'), name))).toEqual(original)
    const verified = hourwheel(['verify', '--dir', data, '--json'])
    expect(verified.code).toBe(0)
    expect(objectsOf(verified)).toMatchObject([{ sound: true, tasks: 500 - lost }])
    expect(hourwheel(['get', id, '--dir', data]).code).toBe(1)
    expect(hourwheel(['get', '--queue', 'email', '--key', 'k9-7', '--dir', data]).code).toBe(0)
  })

  it('leaves a sound directory alone, and refuses one that is none', () => {
    const before = readdirSync(dir).sort()
    const sound = hourwheel(['salvage', '--dir', dir])
    expect(sound).toMatchObject({ code: 0, out: '' })
    expect(sound.err).toContain('nothing to salvage')
    expect(readdirSync(dir).sort()).toEqual(before)
    mkdirSync(at('empty'))
    expect(hourwheel(['salvage', '--dir', at('empty')])).toMatchObject({ code: 2 })
  })
})

describe('rebuild-keys', () => {
  it('makes a view of keys that was lost', () => {
    const data = copyOf('keyed')
    rmSync(join(data, 'keys.mdb'))
    rmSync(join(data, 'keys.mdb-lock'), { force: true })
    expect(objectsOf(hourwheel(['rebuild-keys', '--dir', data, '--json']))).toMatchObject([{ keys: 500 }])
    expect(hourwheel(['get', '--queue', 'email', '--key', 'k3-3', '--dir', data]).code).toBe(0)
  })
})

describe('a directory in use', () => {
  it('is refused with what can be done instead, which works: its backup', async () => {
    const data = at('used')
    const engine = await builtEngine(data)
    await engine.schedule({ queue: 'q', delay: '1d' })
    try {
      const refused = hourwheel(['inspect', '--dir', data])
      expect(refused).toMatchObject({ code: 2, out: '' })
      expect(refused.err).toContain('HW_DIRECTORY_LOCKED')
      expect(refused.err).toContain('try: stop that process; or let it make a backup')
      await engine.backup(at('used.tar'))
      expect(hourwheel(['verify', '--dir', at('used.tar')]).out).toContain('1 live tasks')
    } finally {
      await engine.close()
    }
  })
})

describe('a running daemon', () => {
  it('is backed up under a name, into its directory for backups', async () => {
    mkdirSync(at('backups'))
    const socket = at('d.sock')
    const daemon = start(['serve', '--dir', at('served'), '--socket', socket, '--backup-dir', at('backups')])
    try {
      while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 20))
      expect(hourwheel(['schedule', 'q', '--in', '3d', '--socket', socket]).code).toBe(0)
      const made = hourwheel(['backup', '--socket', socket, '--to', 'monday.tar'])
      expect(made).toMatchObject({ code: 0, err: '' })
      expect(made.out).toContain(join(at('backups'), 'monday.tar'))
      expect(hourwheel(['backup', '--socket', socket, '--to', '../elsewhere'])).toMatchObject({ code: 2, out: '' })
    } finally {
      daemon.child.kill('SIGTERM')
      await daemon.ended
    }
    expect(hourwheel(['verify', '--dir', join(at('backups'), 'monday.tar')]).out).toContain('1 live tasks')
  })
})

describe('backup and restore', () => {
  it('a directory and an archive are sound, and become a directory again', () => {
    for (const to of [at('copy'), at('copy.tar')]) {
      expect(hourwheel(['backup', '--dir', dir, '--to', to])).toMatchObject({ code: 0, err: '' })
      const target = `${to}-restored`
      const [report] = objectsOf(hourwheel(['restore', '--from', to, '--dir', target, '--overdue', 'fire', '--json']))
      expect(report).toMatchObject({ tasks: 500, overdue: 0 })
    }
    expect(hourwheel(['verify', '--dir', at('copy.tar')]).out).toContain('500 live tasks')
    expect(hourwheel(['verify', '--dir', `${at('copy.tar')}-restored`]).code).toBe(0)
    const again = hourwheel(['backup', '--dir', dir, '--to', at('copy.tar')])
    expect(again).toMatchObject({ code: 2, out: '' })
    const over = hourwheel(['restore', '--from', at('copy'), '--dir', dir, '--overdue', 'fire'])
    expect(over).toMatchObject({ code: 2, out: '' })
  })

  it('a restore asks what to do about tasks whose time has passed', async () => {
    const late = at('late')
    const engine = await builtEngine(late)
    await engine.scheduleMany([
      { queue: 'q', at: '2026-01-01T00:00Z' },
      { queue: 'q', at: '2026-02-01T00:00Z' },
      { queue: 'q', delay: '300d' },
    ])
    await engine.close()
    const from = at('late.tar')
    expect(hourwheel(['backup', '--dir', late, '--to', from, '--no-verify']).code).toBe(0)
    const asked = hourwheel(['restore', '--from', from, '--dir', at('unasked')])
    expect(asked).toMatchObject({ code: 1, out: '' })
    expect(asked.err).toContain('the time of 2 tasks has passed')
    expect(existsSync(at('unasked'))).toBe(false)
    const skipped = hourwheel([
      'restore',
      '--from',
      from,
      '--dir',
      at('skipped'),
      '--overdue',
      'skip-before',
      '2026-01-15T00:00Z',
    ])
    expect(skipped.out).toContain('has 2 tasks and 0 dead letters')
    hourwheel(['restore', '--from', from, '--dir', at('aside'), '--overdue', 'set-aside'])
    expect(objectsOf(hourwheel(['dead', 'list', '--dir', at('aside'), '--json']))).toHaveLength(2)
    expect(hourwheel(['restore', '--from', from, '--dir', at('x'), '--overdue', 'maybe'])).toMatchObject({ code: 2 })
    // In the first frame of the first file.
    damage(from, 512 + 64 + 70)
    expect(hourwheel(['restore', '--from', from, '--dir', at('x'), '--overdue', 'fire'])).toMatchObject({ code: 1 })
  })
})

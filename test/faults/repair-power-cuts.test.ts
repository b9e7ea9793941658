/**
 * Real power cuts while the program salvages, backs up or restores: HOURWHEEL_POWER_CUTS=<rounds> runs them, as root on Linux. What is
 * found afterwards is the old or the new, and the same command makes it whole.
 */

import { spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { builtEngine, hourwheel, objectsOf, program, scratch } from '../cli/hourwheel.ts'
import { LoopDisk, whyNoPowerCuts, type FileSystem } from './loop-disk.ts'

const rounds = Number(process.env['HOURWHEEL_POWER_CUTS'] ?? 0)
const directory = scratch()
const sound = join(directory, 'sound')
const damaged = join(directory, 'damaged')
const archive = join(directory, 'backup.tar')

async function prepare(): Promise<void> {
  if (existsSync(archive)) return
  const engine = await builtEngine(sound, { walFileBytes: 64 << 10, walFilesMax: 1 })
  for (let i = 0; i < 20; i++) {
    const at = (k: number): string => `${1 + ((i * k) % 50)}d`
    await engine.scheduleMany(
      Array.from({ length: 100 }, (_, k) => ({ queue: 'q', delay: at(k), payload: 'x'.repeat(80) })),
    )
    await sleep(20)
  }
  await engine.close()
  cpSync(sound, damaged, { recursive: true })
  const segment = join(
    damaged,
    readdirSync(damaged).find((name) => name.startsWith('seg-'))!,
  )
  const bytes = readFileSync(segment)
  // Of the head alone: no task is lost by it.
  bytes[66] = bytes[66]! ^ 0xff
  writeFileSync(segment, bytes)
  expect(hourwheel(['backup', '--dir', sound, '--to', archive]).code).toBe(0)
}

interface Work {
  readonly from: string
  /** The command, with files in this directory, where `from` was copied to as `data`. */
  readonly command: (on: string) => string[]
  /** What must be sound in the end. */
  readonly result: string
  /** There while it writes. */
  readonly stage: string
  /** Whether it may be taken for made. */
  readonly isMade: (on: string) => boolean
}

const isSound = (path: string): boolean => hourwheel(['verify', '--dir', path]).code === 0

const works: Readonly<Record<string, Work>> = {
  salvage: {
    from: damaged,
    command: (on) => ['salvage', '--dir', join(on, 'data')],
    result: 'data',
    stage: 'data/salvage-stage',
    isMade: (on) => isSound(join(on, 'data')),
  },
  'backup to a directory': {
    from: sound,
    command: (on) => ['backup', '--no-verify', '--dir', join(on, 'data'), '--to', join(on, 'copy')],
    result: 'copy',
    stage: 'copy/backup-stage',
    isMade: (on) => existsSync(join(on, 'copy', 'MANIFEST')),
  },
  'backup to a .tar': {
    from: sound,
    command: (on) => ['backup', '--no-verify', '--dir', join(on, 'data'), '--to', join(on, 'copy.tar')],
    result: 'copy.tar',
    stage: 'copy.tar.stage',
    isMade: (on) => existsSync(join(on, 'copy.tar')),
  },
  restore: {
    from: archive,
    command: (on) => ['restore', '--from', join(on, 'data'), '--dir', join(on, 'new'), '--overdue', 'set-aside'],
    result: 'new',
    stage: 'new/restore-stage',
    isMade: (on) => existsSync(join(on, 'new', 'MANIFEST')),
  },
}

function clear(on: string): void {
  for (const name of readdirSync(on)) if (name !== 'lost+found') rmSync(join(on, name), { recursive: true })
}

describe.each(['ext4', 'xfs'] as const)('on %s', (kind: FileSystem) => {
  const missing = rounds === 0 ? 'HOURWHEEL_POWER_CUTS is not set' : whyNoPowerCuts(kind)
  test.skipIf(missing !== undefined).each(Object.keys(works))('%s', { timeout: 3_600_000 }, async (name) => {
    await prepare()
    const { from, command, result, stage, isMade } = works[name]!
    const disk = new LoopDisk(kind, join(directory, `${kind}-${name.replaceAll(' ', '-')}`))
    const on = disk.mountPoint
    let made = 0
    /** From the first write to the end, as far as it was seen. */
    let spanMs = 300
    try {
      for (let round = 0; round < rounds; round++) {
        clear(on)
        const source = from === archive ? join(on, 'data.tar') : join(on, 'data')
        cpSync(from, source, { recursive: true })
        spawnSync('sync')
        const args = command(on).map((arg) => (from === archive && arg === join(on, 'data') ? source : arg))
        const child = spawn(process.execPath, [program, ...args], { stdio: 'ignore' })
        let isOver = false
        const ended = new Promise<void>((resolve) =>
          child.on('exit', () => {
            isOver = true
            resolve()
          }),
        )
        while (!isOver && !existsSync(join(on, stage))) await sleep(1)
        const begunMs = performance.now()
        const endMs = begunMs + Math.random() * spanMs * 1.2
        while (!isOver && performance.now() < endMs) await sleep(1)
        // Half of the time it lasted longer than was thought, or was over before it was seen.
        spanMs = isOver ? Math.max(20, performance.now() - begunMs) : spanMs * 1.1
        disk.cut(round % 2 === 0)
        child.kill('SIGKILL')
        await ended
        disk.unmount()
        disk.mount()
        if (from !== archive && from !== damaged) expect([round, isSound(source)]).toEqual([round, true])
        if (isMade(on)) made++
        else expect([round, hourwheel(args).err]).toEqual([round, expect.not.stringContaining('HW_')])
        const [verified] = objectsOf(hourwheel(['verify', '--dir', join(on, result), '--json']))
        expect([round, verified]).toMatchObject([round, { sound: true, tasks: 2_000 }])
      }
      process.stdout.write(`${kind}, ${name}: ${rounds} cuts, found made after ${made}\n`)
    } finally {
      disk.remove()
    }
  })
})

import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { packageUnderTest } from '../kill/package-under-test.ts'

interface Seen {
  readonly refusedWith: readonly string[]
  readonly acceptedBefore: number
  readonly cancelled: number
  readonly succeeded: number
  readonly startedWhileFull: number
  readonly isFullInStats: boolean
  readonly resumedAfterMs: number
  readonly conservation: number
  readonly lost: number
  readonly extra: number
}

/** Runs a command with a small disk of its own, which is gone with it: it is mounted in its own namespace. */
function withSmallDisk(directory: string, bytes: string, ...command: string[]): SpawnSyncReturns<string> {
  const script = `mount -t tmpfs -o size=${bytes},mode=700 tmpfs "$0" && exec "$@"`
  return spawnSync('unshare', ['--mount', 'sh', '-c', script, directory, ...command], {
    encoding: 'utf8',
    timeout: 60_000,
  })
}

function whyNoDisk(): string | undefined {
  if (process.platform !== 'linux') return 'mount namespaces are for Linux'
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'hourwheel-mount-'))
  const tried = withSmallDisk(directory, '1m', 'true')
  fs.rmdirSync(directory)
  return tried.status === 0 ? undefined : 'mount is not permitted'
}

const missing = whyNoDisk()

test.skipIf(missing !== undefined)(
  `on a full disk new tasks are refused, what frees space goes on, and service resumes${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'hourwheel-full-'))
    onTestFinished(() => fs.rmdirSync(directory))
    const run = withSmallDisk(
      directory,
      '2m',
      process.execPath,
      'test/faults/disk-full.mjs',
      packageUnderTest,
      directory,
    )
    expect(run.stderr).toBe('')
    expect(run.status).toBe(0)
    const seen = JSON.parse(run.stdout) as Seen
    expect(new Set(seen.refusedWith)).toEqual(new Set(['HW_DISK_FULL, not done']))
    expect(seen.acceptedBefore).toBeGreaterThanOrEqual(90)
    expect(seen.cancelled).toBe(25)
    expect(seen.succeeded).toBe(40)
    expect(seen.startedWhileFull).toBe(20)
    expect(seen.resumedAfterMs).toBeLessThan(10_000)
    expect(seen).toMatchObject({ isFullInStats: true, conservation: 0, lost: 0, extra: 0 })
  },
  90_000,
)

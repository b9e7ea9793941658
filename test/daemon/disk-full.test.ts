/** A full disk under the daemon, on a small disk in a mount namespace of its own; skipped where that is not permitted. */

import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { program, temporary } from './rig.ts'

const directory = temporary()
afterAll(() => directory.remove())
const disk = join(directory.path, 'disk')
mkdirSync(disk)

function withSmallDisk(...command: string[]): SpawnSyncReturns<string> {
  const script = 'mount -t tmpfs -o size=2m,mode=700 tmpfs "$0" && exec "$@"'
  return spawnSync('unshare', ['--mount', 'sh', '-c', script, disk, ...command], { encoding: 'utf8', timeout: 60_000 })
}

const isPossible = process.platform === 'linux' && withSmallDisk('true').status === 0

it.skipIf(!isPossible)(
  'a full disk is told as 503 with Retry-After; cancels work, and a killed daemon comes back with all',
  () => {
    const run = withSmallDisk(process.execPath, 'test/daemon/disk-full.mjs', program, disk, join(directory.path, 's'))
    expect(run.stderr).toBe('')
    expect(run.status).toBe(0)
    const seen = JSON.parse(run.stdout) as { refused: string[]; kept: number }
    expect(new Set(seen.refused)).toEqual(new Set(['503 HW_DISK_FULL not done 1']))
    expect(seen).toMatchObject({ ready: [200, 503, 200], cancelled: 10, lost: 0, conservation: 0 })
    expect(seen.kept).toBeGreaterThanOrEqual(40)
  },
)

/**
 * What `doctor` looks at: the machine and the directory first, then the counters of the engine. Each finding says what is the
 * case and, when it is not fine, what to do. Changes nothing.
 */

import { constants } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import type { QueueStats, Stats } from '../model/engine-reports.ts'
import { minuteMs } from '../model/units.ts'
import { showDuration } from './human-time.ts'
import { grouped } from './output.ts'
import { packageVersion } from './version.ts'

export interface Finding {
  readonly check: string
  readonly level: 'fine' | 'warning' | 'problem'
  readonly found: string
  readonly remedy?: string | undefined
}

const freeBytesMin = 1 << 30
const freeShareMin = 0.05
const overdueMsMax = minuteMs

/** File systems by the number that statfs gives, of those that matter here. */
const fileSystems: Readonly<Record<number, readonly [name: string, remedy: string]>> = {
  0x01021994: ['tmpfs', 'use a directory on a disk: this one is gone after a restart of the machine'],
  0x6969: ['NFS', 'use a local disk: syncs and locks of network file systems are not to be relied on'],
  0xff534d42: ['CIFS', 'use a local disk: syncs and locks of network file systems are not to be relied on'],
  0xfe534d42: ['SMB', 'use a local disk: syncs and locks of network file systems are not to be relied on'],
}

export function checkVersions(): Finding {
  const found = `hourwheel ${packageVersion()}, Node.js ${process.versions.node}, ${process.platform} ${process.arch}`
  return { check: 'versions', level: 'fine', found }
}

/** The directory from outside: there, ours to use, on a disk with room. */
export async function checkDirectory(dir: string): Promise<Finding[]> {
  const info = await stat(dir).catch(() => undefined)
  if (info === undefined) {
    return [problem('directory', `${dir} is not there`, `check the path; hourwheel schedule --dir ${dir} makes one`)]
  }
  if (!info.isDirectory()) return [problem('directory', `${dir} is not a directory`, 'give the directory it lies in')]
  if ((await stat(`${dir}/MANIFEST`).catch(() => undefined)) === undefined) {
    return [problem('directory', `${dir} has no MANIFEST`, 'it is no data directory; check the path')]
  }
  return [fine('directory', dir), await permissions(dir, info), ...(await space(dir))]
}

async function permissions(dir: string, { mode, uid }: { mode: number; uid: number }): Promise<Finding> {
  const shown = `mode ${(mode & 0o777).toString(8).padStart(4, '0')}, owner ${uid}`
  if ((mode & 0o002) !== 0) return problem('permissions', `${shown}: everyone may write to it`, `chmod 700 ${dir}`)
  try {
    await access(dir, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch {
    return problem('permissions', `${shown}: this user may not read and write it`, `run as its owner, or chown it`)
  }
  if ((mode & 0o077) !== 0) {
    return { check: 'permissions', level: 'warning', found: `${shown}: others may look in`, remedy: `chmod 700 ${dir}` }
  }
  return fine('permissions', shown)
}

async function space(dir: string): Promise<Finding[]> {
  const { bavail, blocks, bsize, ffree, files, type } = await statfs(dir)
  const [freeBytes, share] = [bavail * bsize, bavail / Math.max(1, blocks)]
  const shown = `${grouped(Math.floor(freeBytes / 2 ** 20))} MiB free, ${Math.round(share * 100)} %`
  const isLow = freeBytes < freeBytesMin || share < freeShareMin
  const remedy = 'make room: when the disk is full new tasks are refused, while cancelling still works'
  const findings: Finding[] = [
    freeBytes < 128 << 20
      ? problem('disk space', shown, remedy)
      : isLow
        ? warning('disk space', shown, remedy)
        : fine('disk space', shown),
  ]
  if (files > 0 && ffree < 1_000) findings.push(warning('disk space', `${ffree} inodes free`, remedy))
  const unsafe = fileSystems[type]
  if (unsafe !== undefined) findings.push(warning('file system', unsafe[0], unsafe[1]))
  return findings
}

/** The engine from inside. `isServed`: somebody is there to run handlers. */
export function checkStats(stats: Stats, isServed: boolean): Finding[] {
  const { clock, total, conservation, wal } = stats
  const findings = [
    clock.held
      ? problem('clock', `held: ${clock.heldBecause ?? 'it jumped'}`, 'put the clock right: firing resumes by itself')
      : fine('clock', new Date().toISOString()),
    conservation === 0
      ? fine('conservation', `${grouped(total.accepted)} accepted, all accounted for`)
      : problem('conservation', `off by ${conservation}`, 'a bug: keep a copy of the directory and report it'),
    total.damaged === 0
      ? fine('damage', 'none known')
      : problem(
          'damage',
          `${grouped(total.damaged)} tasks are damaged`,
          'hourwheel verify names the files; then salvage',
        ),
    total.dead === 0
      ? fine('dead letters', 'none')
      : warning('dead letters', grouped(total.dead), 'hourwheel dead list says why; then dead redrive or dead purge'),
  ]
  if (wal.diskFull) findings.push(problem('log', 'the disk is full: new tasks are refused', 'make room on it'))
  return [
    ...findings,
    overdue(stats),
    ...Object.entries(stats.queues).flatMap(([name, queue]) => checkQueue(name, queue, isServed)),
  ]
}

function overdue({ overdueOldestMs }: Stats): Finding {
  if (overdueOldestMs === 0) return fine('overdue', 'nothing')
  const found = `the oldest by ${showDuration(overdueOldestMs)}`
  if (overdueOldestMs < overdueMsMax) return fine('overdue', found)
  return warning('overdue', found, 'see which queue it is below')
}

function checkQueue(name: string, queue: QueueStats, isServed: boolean): Finding[] {
  const { due, paused, handled, overdueOldestMs } = queue
  if (due === 0) return []
  const check = `queue ${name}`
  if (paused) return [warning(check, `paused, with ${grouped(due)} due`, `hourwheel resume ${name}`)]
  if (isServed && !handled) {
    const found = `${grouped(due)} are due and nobody handles them`
    // Those who lease come and go.
    const judge = overdueOldestMs < overdueMsMax ? warning : problem
    return [judge(check, found, 'start what handles or leases from it')]
  }
  return isServed
    ? []
    : [warning(check, `${grouped(due)} are due`, 'start an engine with handlers: hourwheel run, or serve')]
}

export function fine(check: string, found: string): Finding {
  return { check, level: 'fine', found }
}

function warning(check: string, found: string, remedy: string): Finding {
  return { check, level: 'warning', found, remedy }
}

export function problem(check: string, found: string, remedy: string): Finding {
  return { check, level: 'problem', found, remedy }
}

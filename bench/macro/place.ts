/** Where benchmarks keep their files: a directory of their own on a real disk, removed when they end. */

import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** File systems in memory: there a sync costs nothing, and figures mean nothing. */
const inMemory = new Set(['tmpfs', 'ramfs', 'devtmpfs'])

export interface Place {
  readonly directory: string
  /** In words: path, device and file system, where they are known. */
  readonly description: string
  readonly remove: () => void
}

/** A fresh directory below `parent`, or below the system's directory for temporary files when that is on a disk. */
export function makePlace(parent: string | undefined): Place {
  const chosen = parent ?? [tmpdir(), fileURLToPath(new URL('.', import.meta.url))].find((path) => !isInMemory(path))
  if (chosen === undefined) throw new Error('no directory on a real disk was found: give one with --dir')
  const mount = mountOf(chosen)
  const directory = mkdtempSync(join(realpathSync(chosen), 'hourwheel-bench-'))
  const on = mount === undefined ? '' : `, ${mount.type} on ${mount.device}`
  const warning = mount !== undefined && inMemory.has(mount.type) ? ' (IN MEMORY: syncs cost nothing here)' : ''
  return {
    directory,
    description: `${directory}${on}${warning}`,
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}

function isInMemory(path: string): boolean {
  const mount = mountOf(path)
  return mount !== undefined && inMemory.has(mount.type)
}

/** The mount that holds a path, on Linux. */
function mountOf(path: string): { device: string; type: string } | undefined {
  try {
    const real = realpathSync(path)
    let best: { point: string; device: string; type: string } | undefined
    for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
      const [device, point, type] = line.split(' ')
      if (device === undefined || point === undefined || type === undefined) continue
      const holds = point === '/' || real === point || real.startsWith(`${point}/`)
      if (holds && (best === undefined || point.length >= best.point.length)) best = { point, device, type }
    }
    return best
  } catch {
    return undefined
  }
}

/** Bytes that the files of a directory take on the disk. */
export function bytesOnDisk(directory: string): number {
  let bytes = 0
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) bytes += bytesOnDisk(path)
    else if (entry.isFile()) bytes += statSync(path).blocks * 512
  }
  return bytes
}

import { expect, it } from 'vitest'
import { withFinalDirectorySyncs } from '../../src/platform/directory-syncs.ts'
import { MemoryDisk } from '../storage/wal/memory-disk.ts'

function failing(code: string): MemoryDisk {
  const disk = new MemoryDisk()
  let syncs = 0
  disk.hook = ({ op, path }) => {
    if (op === 'syncDirectory' && path === '/data' && ++syncs === 2) throw Object.assign(new Error(code), { code })
  }
  return disk
}

const syncsOf = (disk: MemoryDisk): string[] =>
  disk.calls.filter(({ op }) => op === 'syncDirectory').map(({ path }) => path)

it.each(['EIO', 'ENOSPC'])(
  'a directory whose sync failed with %s is not synced again, another one is',
  async (code) => {
    const raw = failing(code)
    const disk = withFinalDirectorySyncs(raw)
    await disk.syncDirectory('/data')
    // Asked for before it has failed, and after.
    const [failed, waiting] = [disk.syncDirectory('/data'), disk.syncDirectory('/data')]
    const lost = { code: 'EIO', message: `a sync of /data failed: ${code}` }
    await expect(failed).rejects.toMatchObject(lost)
    await expect(waiting).rejects.toMatchObject(lost)
    await expect(disk.syncDirectory('/data')).rejects.toMatchObject(lost)
    await disk.syncDirectory('/other')
    expect(syncsOf(raw)).toEqual(['/data', '/data', '/other'])
  },
)

it('too few descriptors pass: nothing was synced', async () => {
  const raw = failing('EMFILE')
  const disk = withFinalDirectorySyncs(raw)
  await disk.syncDirectory('/data')
  await expect(disk.syncDirectory('/data')).rejects.toMatchObject({ code: 'EMFILE' })
  await disk.syncDirectory('/data')
  expect(syncsOf(raw)).toEqual(['/data', '/data', '/data'])
})

it('syncs of a directory go one after the other', async () => {
  const raw = new MemoryDisk()
  let running = 0
  let runningMax = 0
  raw.hook = async () => {
    runningMax = Math.max(runningMax, ++running)
    await new Promise((resolve) => setImmediate(resolve))
    running--
  }
  const disk = withFinalDirectorySyncs(raw)
  await Promise.all(Array.from({ length: 5 }, () => disk.syncDirectory('/data')))
  expect([syncsOf(raw).length, runningMax]).toEqual([5, 1])
})

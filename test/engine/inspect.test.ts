import { describe, expect, it } from 'vitest'
import {
  inspectDirectory,
  type Inspection,
  type InspectLine,
  type InspectOptions,
} from '../../src/engine/inspect/inspect.ts'
import { busyCopy } from './damaged-rig.ts'
import { Rig } from './rig.ts'

const day = 86_400_000

async function inspect(rig: Rig, options: InspectOptions = {}): Promise<{ lines: InspectLine[]; found: Inspection }> {
  const lines: InspectLine[] = []
  const onLine = (line: InspectLine): undefined => void lines.push(line)
  const found = await rig.run(() => inspectDirectory(rig.machine.platform, '/data', options, onLine))
  return { lines, found }
}

describe('inspect', () => {
  it('shows every record of every file, and which copy of each task counts', async () => {
    const { rig, live, dead } = await busyCopy(3, 30)
    const { lines, found } = await inspect(rig)
    expect(found).toMatchObject({ damaged: 0, lines: lines.length })
    expect(lines.filter(({ kind }) => kind === 'damage')).toEqual([])
    const counting = lines.filter((line) => line['counts'] === true)
    const isDead = ({ kind }: InspectLine): boolean => kind === 'dead' || kind === 'deadLetter'
    const idsOf = (found: readonly { readonly id?: string | undefined }[]): Set<string> =>
      new Set(found.map(({ id }) => id!))
    const living = counting.filter((line) => !isDead(line))
    const died = counting.filter(isDead)
    expect([living.length, died.length]).toEqual([live.length, dead.length])
    expect([idsOf(living), idsOf(died)]).toEqual([idsOf(live), idsOf(dead)])
    const byId = new Map(counting.map((line) => [line.id, line]))
    for (const { id, fireAt, queue } of live) {
      expect(byId.get(id)).toMatchObject({ queue, fireAt: new Date(fireAt).toISOString() })
    }
    const kinds = new Set(lines.map(({ kind }) => kind))
    for (const kind of ['manifest', 'namesLog', 'namesSegment', 'new', 'put', 'end', 'head', 'task', 'ends']) {
      expect(kinds).toContain(kind)
    }
    expect(lines.filter((line) => line['counts'] === false).length).toBeGreaterThan(0)
  })

  it('follows one task from the record that made it to where it is now', async () => {
    const rig = await Rig.open()
    const { id } = await rig.run(() => rig.engine.schedule({ queue: 'q', delay: 3 * day }))
    for (let i = 0; i < 40; i++) {
      await rig.run(() =>
        rig.engine.scheduleMany(
          Array.from({ length: 20 }, (_, k) => ({ queue: 'other', delay: (k % 2 === 0 ? 3 : 9) * day })),
        ),
      )
      if (i === 20) await rig.run(() => rig.engine.reschedule(id, { delay: 5 * day }))
      await rig.advance(300)
    }
    await rig.run(() => rig.engine.cancel(id))
    await rig.close()
    const { lines, found } = await inspect(rig, { id })
    expect(lines.map(({ kind, ['counts']: counts }) => [kind, counts])).toEqual(
      expect.arrayContaining([
        ['task', false],
        ['put', false],
        ['end', undefined],
      ]),
    )
    expect(lines.at(-1)).toMatchObject({ kind: 'verdict', state: 'ended', how: 'cancelled' })
    expect(found.state).toBe('ended')
    expect(lines.every((line) => line.id === id)).toBe(true)
  })

  it('says what cannot be read and goes on, whatever is damaged', async () => {
    const { rig, live } = await busyCopy(3, 30)
    const { disk } = rig.machine
    const names = await rig.run(() => disk.list('/data'))
    const segment = names.find((name) => name.startsWith('seg-'))!
    const log = names.filter((name) => name.startsWith('wal-')).at(-2)!
    disk.corrupt(`/data/${segment}`, 110, Buffer.from([0xff, 0xff, 0xff]))
    disk.corrupt(`/data/${log}`, 400, Buffer.from([0xff, 0xff, 0xff]))
    disk.install('/data/MANIFEST', undefined)
    disk.faults.add({ on: 'read', path: /snap-/u, code: 'EIO', times: Infinity })
    const { lines, found } = await inspect(rig)
    const damage = lines.filter(({ kind }) => kind === 'damage')
    expect(new Set(damage.map(({ file }) => file))).toEqual(
      new Set(['MANIFEST', segment, log, names.find((name) => name.startsWith('snap-'))]),
    )
    expect(found.damaged).toBe(damage.length)
    const shown = new Set(lines.filter(({ id }) => id !== undefined).map(({ id }) => id!.slice(0, 10)))
    expect(live.filter(({ id }) => shown.has(id.slice(0, 10))).length).toBeGreaterThan(live.length / 2)
  })

  it('shows one file, one queue, payloads; and refuses what is not there', async () => {
    const { rig } = await busyCopy(3, 30)
    const { lines } = await inspect(rig, { queue: 'dying', payloads: true })
    expect(new Set(lines.map(({ queue }) => queue))).toEqual(new Set(['dying']))
    const manifest = await inspect(rig, { file: 'MANIFEST' })
    expect(new Set(manifest.lines.map(({ file }) => file))).toEqual(new Set(['MANIFEST']))
    await expect(inspect(rig, { file: 'seg-0.seg' })).rejects.toMatchObject({ code: 'HW_INVALID_OPTIONS' })
    await expect(inspect(rig, { id: 'nonsense' })).rejects.toMatchObject({ code: 'HW_INVALID_REF' })
  })

  it('refuses a directory that an engine has open', async () => {
    const rig = await Rig.open()
    await expect(inspect(rig)).rejects.toMatchObject({ code: 'HW_DIRECTORY_LOCKED' })
    await rig.close()
  })
})

import { describe, expect, test } from 'vitest'
import { assertFresh } from '../../src/engine/directory.ts'
import {
  fileNumberOf,
  isDataFileName,
  parseLogFileName,
  segmentFileName,
  snapshotFileName,
} from '../../src/storage/file-meta.ts'
import { logFileName } from '../../src/storage/wal/log-format.ts'
import { SimulatedMachine } from '../../src/testing/simulated-platform.ts'

const most = 999_999_999_999_999

describe('names of files', () => {
  test.each([0, 7, 10, 4_294_967_296, most])('with the number %i are read as they are made', (number) => {
    expect(parseLogFileName(logFileName(3, number))).toEqual({ openCount: 3, number })
    expect(fileNumberOf(segmentFileName({ kind: 'tasks', number }))).toBe(number)
    expect(fileNumberOf(segmentFileName({ kind: 'dead', number }))).toBe(number)
    expect(fileNumberOf(snapshotFileName(number))).toBe(number)
    for (const kind of ['tasks', 'dead'] as const) expect(isDataFileName(segmentFileName({ kind, number }))).toBe(true)
    expect(isDataFileName(logFileName(3, number))).toBe(true)
    expect(isDataFileName(snapshotFileName(number))).toBe(true)
  })

  const foreign = [
    'seg-012.seg',
    'dead-00.seg',
    'snap-01.snap',
    'wal-01-2.log',
    'wal-1-02.log',
    `seg-1${most}.seg`,
    `wal-1-1${most}.log`,
    'seg-1.snap',
    'snap-1.seg',
    'seg--1.seg',
    'seg-1.seg\n',
    ' seg-1.seg',
    'seg-1.seg.tmp',
    'seg-x.seg',
    'SEG-1.seg',
  ]

  test.each(foreign)('%j is nobody’s', (name) => {
    expect([isDataFileName(name), fileNumberOf(name), parseLogFileName(name)]).toEqual([false, undefined, undefined])
  })

  test('without a manifest, a file of ours is damage, and one that only looks like it a mistake', async () => {
    for (const [name, code] of [
      ['seg-12.seg', 'HW_CORRUPT'],
      ['wal-1-2.log', 'HW_CORRUPT'],
      ['seg-012.seg', 'HW_DIRECTORY_UNUSABLE'],
      ['wal-1-02.log', 'HW_DIRECTORY_UNUSABLE'],
    ] as const) {
      const machine = new SimulatedMachine({ seed: 1 })
      machine.disk.install(`/data/${name}`, new Uint8Array(8))
      await expect(machine.loop.run(() => assertFresh(machine.platform, '/data'))).rejects.toMatchObject({ code })
    }
  })
})

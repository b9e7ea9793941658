/**
 * The simulator and its checker are believed because they see bugs that were planted: in the platform below the engine, or
 * in the evidence given to the checker. Each must be found within a few seeds, and for the right reason.
 */

import { describe, expect, test } from 'vitest'
import { HourwheelError } from '../../src/model/errors.ts'
import { diskBut } from '../../src/platform/disk-but.ts'
import type { DiskFile, Platform } from '../../src/platform/ports.ts'
import { Checker } from '../../src/testing/checker.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import { Journal } from '../../src/testing/simulator/journal.ts'
import { simulate } from '../../src/testing/simulator/simulation.ts'
import type { SimulationOptions } from '../../src/testing/simulator/simulation-result.ts'
import type { TaskSpec } from '../../src/testing/simulator/task-model.ts'
import { open, openIn, place, scheduleSome } from './stage.ts'

/** The rules that the first broken seeds break. */
async function rulesBroken(options: Omit<SimulationOptions, 'seed'>, seeds = 12): Promise<string[]> {
  const rules = new Set<string>()
  for (let seed = 1; seed <= seeds && rules.size < 6; seed++) {
    for (const { rule } of (await simulate({ ...options, seed, soundDisk: true })).violations) rules.add(rule)
  }
  return [...rules]
}

/** A platform whose log files behave as `change` makes them. */
function withLogFiles(platform: Platform, change: (file: DiskFile) => Partial<DiskFile>): Platform {
  const { disk } = platform
  const bound = (file: DiskFile): DiskFile => ({
    path: file.path,
    read: (into, at) => file.read(into, at),
    write: (from, at) => file.write(from, at),
    sync: () => file.sync(),
    truncate: (bytes) => file.truncate(bytes),
    size: () => file.size(),
    close: () => file.close(),
    ...change(file),
  })
  const changed = diskBut(disk, {
    open: async (path, access, options) => {
      const file = await disk.open(path, access, options)
      return /wal-\d+-\d+\.log$/.test(path) ? bound(file) : file
    },
  })
  return { ...platform, disk: changed }
}

describe('below the engine', () => {
  test('without a bug the same seeds are sound', async () => {
    expect(await rulesBroken({ ends: 'powerCut' })).toEqual([])
    expect(await rulesBroken({}, 4)).toEqual([])
  })

  const lostOrRefused = expect.stringMatching(/^(D1 lost|D1 acknowledged|D5 ended|D6 opens|same data)$/)

  test('a sync that does nothing is found after a power cut', async () => {
    expect(await rulesBroken({ ends: 'powerCut', disk: { lies: ['syncDoesNothing'] } })).toContainEqual(lostOrRefused)
  })

  test('an answer before its sync is found', async () => {
    const wrap = (platform: Platform): Platform =>
      withLogFiles(platform, (file) => ({
        sync: () => {
          void file.sync()
          return Promise.resolve()
        },
      }))
    expect(await rulesBroken({ ends: 'powerCut', wrap })).toContainEqual(lostOrRefused)
  })

  test('a directory that is not synced is found', async () => {
    const rules = await rulesBroken({ ends: 'powerCut', disk: { lies: ['directorySyncDoesNothing'] } })
    expect(rules).toContainEqual(lostOrRefused)
  })

  test('a short write that is taken for a whole one is found', async () => {
    const random = new SeededRandom('short')
    const wrap = (platform: Platform): Platform =>
      withLogFiles(platform, (file) => ({
        write: async (from, at) => {
          const part = random.chance(0.02) ? from.subarray(0, from.length - 1) : from
          await file.write(part, at)
          return from.length
        },
      }))
    expect(await rulesBroken({ wrap })).toContainEqual(lostOrRefused)
  })

  test('a failed sync that is tried again, and then says it is good, is found', async () => {
    const random = new SeededRandom('again')
    const wrap = (platform: Platform): Platform =>
      withLogFiles(platform, (file) => ({
        // What the first call covered is gone; the second has nothing left to sync.
        sync: () => (random.chance(0.2) ? Promise.resolve() : file.sync()),
      }))
    expect(await rulesBroken({ ends: 'powerCut', wrap })).toContainEqual(lostOrRefused)
  })

  test('a clock that is early is found', async () => {
    const wrap = (platform: Platform): Platform => {
      const { clock } = platform
      return {
        ...platform,
        clock: {
          wallMs: () => clock.wallMs() + 5_000,
          monotonicMs: () => clock.monotonicMs(),
          setTimer: (afterMs, run) => clock.setTimer(afterMs, run),
          clearTimer: (timer) => clock.clearTimer(timer),
          soon: (run) => clock.soon(run),
        },
      }
    }
    expect(await rulesBroken({ wrap })).toContain('D4 never early')
  })
})

describe('damage that the engine must refuse', () => {
  test('a changed byte in the middle of a log file is no end of it: the file is named', async () => {
    for (const back of [0.2, 0.5, 0.8]) {
      const machine = await place()
      await scheduleSome(machine, 60)
      machine.kill()
      const { disk } = machine
      const path = disk.model.files().find((file) => file.endsWith('/wal-1-1.log'))!
      const bytes = disk.contents(path)
      const at = 64 + Math.floor((bytes.findLastIndex((byte) => byte !== 0) - 64) * back)
      disk.corrupt(path, at, new Uint8Array([bytes[at]! ^ 0x40]))
      const error = await machine.loop.run(
        open(machine).then(
          () => undefined,
          (cause: unknown) => cause,
        ),
      )
      expect(error).toBeInstanceOf(HourwheelError)
      expect((error as HourwheelError).code).toBe('HW_CORRUPT')
      expect((error as HourwheelError).message).toContain('wal-1-1.log')
    }
  })

  test('a read error while recovering is never the end of a file', async () => {
    const machine = await place()
    const ids = await scheduleSome(machine, 60)
    machine.kill()
    let index = 1
    for (let failed = true; failed; index++) {
      const twin = machine.fork('keepAll')
      twin.disk.faults.add({ on: 'read', first: index, code: 'EIO' })
      const opened = await twin.loop.run(
        open(twin).then(
          (engine) => engine,
          () => undefined,
        ),
      )
      failed = twin.disk.faults.hits > 0
      if (failed) expect(opened, `read ${index} failed, and the engine opened`).toBeUndefined()
      else expect((await twin.loop.run(opened!.stats())).total.pending).toBe(ids.length)
    }
    expect(index).toBeGreaterThan(5)
  })

  test('a failed sync of the log closes the engine, and open calls have an unknown outcome', async () => {
    const machine = await place()
    const engine = await openIn(machine)
    machine.disk.faults.add({ on: 'sync', path: /wal-/, code: 'EIO' })
    const call = engine.schedule({ queue: 'mail', delay: '1h' }).then(
      () => undefined,
      (cause: unknown) => cause,
    )
    const closed = await machine.loop.run(engine.closed)
    expect(closed.reason).toBe('failed')
    expect(await call).toMatchObject({ code: 'HW_OUTCOME_UNKNOWN', outcome: 'unknown' })
  })
})

describe('in the evidence', () => {
  const id = '000000000000g0'
  const spec: TaskSpec = {
    tag: 't1',
    queue: 'mail',
    fireFromAt: 1_000,
    fireToAt: 1_000,
    payload: 'none',
    headers: 'n=t1',
    untagged: false,
    expiresAt: undefined,
    timeoutMs: 60_000,
    attemptsMax: 3,
    maxAge: false,
    retryDelayMsMax: 1_000,
    key: undefined,
    onConflict: undefined,
    keyWindowMs: 0,
  }
  const start = {
    id,
    queue: 'mail',
    tag: 't1',
    payload: 'none',
    headers: 'n=t1',
    attempt: 1,
    fence: 1,
    scheduledFor: 1_000,
    lateMs: 0,
    by: 'function' as const,
  }
  const listed = { ...start, state: 'pending' as const, fireAt: 1_000, attempt: 0, generation: 0, key: undefined }
  const receipt = { id, fireAt: 1_000, generation: 0, outcome: 'created' }

  function stage(wallMs = 1_000): Checker {
    const checker = new Checker(new Journal(() => 0), { wallMs: () => wallMs, nowMs: () => 0 })
    checker.opened()
    return checker
  }

  function accepted(checker: Checker): ReturnType<Checker['submit']> {
    const submission = checker.submit('schedule', [spec])
    checker.accepted(submission, [receipt])
    return submission
  }

  const rules = (checker: Checker): string[] => checker.violations.map(({ rule }) => rule)

  test('a run without fault is none', () => {
    const checker = stage()
    accepted(checker)
    checker.scanned([listed])
    checker.answered(checker.started(start)!, 'ok')
    checker.event('succeeded', { id, attempt: 1 })
    checker.scanned([])
    expect(checker.violations).toEqual([])
  })

  test('a start after an acknowledged cancel is seen', () => {
    const checker = stage()
    const [task] = accepted(checker).tasks
    checker.cancelAnswered(checker.cancelCalled(task!), { outcome: 'cancelled' })
    checker.started(start)
    expect(rules(checker)).toContain('D5 ended')
  })

  test('a start after a crash, of a task that was cancelled while leased, is seen', () => {
    const checker = stage()
    const [task] = accepted(checker).tasks
    checker.started(start)
    checker.cancelAnswered(checker.cancelCalled(task!), { outcome: 'leased' })
    checker.died('powerCut')
    checker.started({ ...start, fence: 2 })
    expect(rules(checker)).toContain('D5 cancelled')
  })

  test('a start after a durable success is seen', () => {
    const checker = stage()
    accepted(checker)
    checker.answered(checker.started(start)!, 'ok')
    checker.event('succeeded', { id, attempt: 1 })
    checker.died('powerCut')
    checker.started({ ...start, fence: 2 })
    expect(rules(checker)).toContain('D5 ended')
  })

  test('an acknowledged task that is gone is seen', () => {
    const checker = stage()
    accepted(checker)
    checker.died('kill')
    checker.scanned([])
    expect(rules(checker)).toEqual(['D1 lost'])
  })

  test('a task that comes back with other data is seen', () => {
    for (const other of [
      { fireAt: 2_000 },
      { headers: 'n=t1&x=y' },
      { payload: 'json {"n":"t1"}' },
      { queue: 'rare' },
    ]) {
      const checker = stage()
      accepted(checker)
      checker.scanned([{ ...listed, ...other }])
      expect(rules(checker)).toEqual(['same data'])
    }
  })

  test('a task that nobody submitted is seen', () => {
    const checker = stage()
    checker.scanned([{ ...listed, tag: 't9' }])
    expect(rules(checker)).toEqual(['nothing made up'])
  })

  test('half a batch is seen', () => {
    const checker = stage()
    checker.submit('scheduleMany', [spec, { ...spec, tag: 't2', headers: 'n=t2' }])
    checker.died('powerCut')
    checker.scanned([listed])
    expect(rules(checker)).toContain('D2 whole')
  })

  test('a task that was refused as not done, and starts, is seen', () => {
    const checker = stage()
    checker.rejected(checker.submit('schedule', [spec]), 'HW_DISK_FULL', 'not done')
    checker.started(start)
    expect(rules(checker)).toContain('D5 ended')
  })

  test('an early start is seen', () => {
    const checker = stage(999)
    accepted(checker)
    checker.started(start)
    expect(rules(checker)).toContain('D4 never early')
  })

  test('an attempt that a lost lease has used up is seen', () => {
    const checker = stage()
    accepted(checker)
    checker.started(start)
    checker.died('kill')
    checker.scanned([{ ...listed, attempt: 1 }])
    expect(rules(checker)).toContain('attempts')
  })

  test('two attempts at once are seen', () => {
    const checker = stage()
    accepted(checker)
    checker.started(start)
    checker.started({ ...start, fence: 2 })
    expect(rules(checker)).toContain('one attempt')
  })

  test('a successor without the success that scheduled it is seen', () => {
    const checker = stage()
    accepted(checker)
    const attempt = checker.started(start)!
    checker.nextScheduled(attempt, { ...spec, tag: 't2', headers: 'n=t2' })
    checker.answered(attempt, 'ok')
    checker.died('powerCut')
    checker.scanned([listed, { ...listed, id: '000000000000h0', tag: 't2', headers: 'n=t2' }])
    expect(rules(checker)).toContain('one successor')
  })

  test('an id that is given twice is seen', () => {
    const checker = stage()
    accepted(checker)
    const second = checker.submit('schedule', [{ ...spec, tag: 't2' }])
    checker.accepted(second, [receipt])
    expect(rules(checker)).toContain('ids once')
  })

  test('a start in a paused queue is seen', () => {
    const checker = stage()
    accepted(checker)
    checker.pauseCalled('mail', true)
    checker.pauseAnswered('mail', true, true)
    checker.started(start)
    expect(rules(checker)).toContain('pause')
  })

  test('a reschedule under a condition that takes effect once more when it is made again is seen', () => {
    const made = (answer: { outcome: string; generation: number; fireAt?: number }): string[] => {
      const checker = stage()
      const [task] = accepted(checker).tasks
      checker.rescheduleCalled(task!, 2_000, 2_000, 0)
      checker.died('powerCut')
      checker.opened()
      checker.scanned([{ ...listed, fireAt: 2_000, generation: 1 }])
      checker.rescheduleAnswered(checker.rescheduleCalled(task!, 2_000, 2_000, 0), answer, 0)
      return rules(checker)
    }
    expect(made({ outcome: 'changed', generation: 1 })).toEqual([])
    expect(made({ outcome: 'rescheduled', fireAt: 2_000, generation: 1 })).toEqual(['generations'])
  })

  test('a start while the clock is held is seen', () => {
    const checker = stage(400_000_000)
    accepted(checker)
    checker.hold(399_999_500)
    checker.started({ ...start, lateMs: 399_999_000 })
    expect(rules(checker)).toContain('clock held')
  })
})

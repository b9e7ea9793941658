/**
 * Lives of a log that end in crashes at chosen I/O steps. A stand-in for the engine appends numbers, keeps a manifest (taken
 * for durable at once), trims, and after each crash holds what is recovered against what was acknowledged.
 */

import { describe, expect, test } from 'vitest'
import type { DiskFault } from '../../../src/testing/disk-faults.ts'
import type { CrashPolicy } from '../../../src/testing/disk-model.ts'
import { SeededRandom } from '../../../src/testing/seeded-random.ts'
import { SimulatedClock } from '../../../src/testing/simulated-clock.ts'
import { SimulatedDisk, type DiskLie } from '../../../src/testing/simulated-disk.ts'
import { SimulationLoop } from '../../../src/testing/simulation-loop.ts'
import { BlockStore } from '../../../src/wheel/block-store.ts'
import { LogWriter } from '../../../src/storage/wal/log-writer.ts'
import type { LogFileInfo } from '../../../src/storage/wal/log.ts'
import { recoverLog, removeLeftovers } from '../../../src/storage/wal/wal-recovery.ts'
import { append, directory, headRecord } from './log-rig.ts'

class Lives {
  readonly loop = new SimulationLoop()
  readonly random: SeededRandom
  disk: SimulatedDisk
  clock: SimulatedClock
  /** The stand-in for a manifest. */
  openCount = 0
  files: LogFileInfo[] = []
  /** What is no longer in the log: values up to here, and the log's first file and LSN then. */
  checkpointed = 0
  firstFileNumber = 1
  firstLsn = 1
  acked = 0
  ackedLsn = 0
  appended = 0
  tornTails = 0
  failures: Error[] = []
  /** Last value of every group, by its values. */
  groupEnd = new Map<number, number>()

  constructor(seed: number, lies: DiskLie[] = []) {
    this.random = new SeededRandom(seed)
    this.disk = new SimulatedDisk({ loop: this.loop, random: this.random.fork('disk'), slowSyncChance: 0, lies })
    this.clock = new SimulatedClock({ loop: this.loop, random: this.random.fork('clock') })
    this.disk.install(`${directory}/x`, undefined)
  }

  /** One life: recovers, checks, appends; ends by a crash after `steps` I/O steps, or by itself. */
  async live(steps: number, policy: CrashPolicy | 'kill', appends: number): Promise<void> {
    let over = false
    let done = 0
    this.disk.calls.onDone = () => {
      if (++done !== steps) return
      over = true
      this.clock.stop()
      this.disk = policy === 'kill' ? this.disk.kill() : this.disk.crash(policy)
      this.clock = this.clock.next()
    }
    const life = this.#life(appends).then(
      () => (over = true),
      (error: unknown) => {
        over = true
        this.failures.push(error as Error)
      },
    )
    void life
    await this.loop.runUntil(() => over)
    if (this.failures.length > 0) throw this.failures[0]!
    this.disk.calls.onDone = undefined
  }

  /** One life with planned faults; it may end by them, but only in ways that say so. Then the process, or the power, goes. */
  async suffer(fault: DiskFault, appends: number, policy: CrashPolicy | 'kill'): Promise<'lived' | 'died'> {
    this.disk.faults.add(fault)
    let end: 'lived' | 'died' | undefined
    this.#life(appends).then(
      () => (end = 'lived'),
      (error: unknown) => {
        end = 'died'
        const code = String((error as { code?: string }).code)
        if (!/^(HW_DISK_FAILED|HW_DISK_FULL|HW_OUTCOME_UNKNOWN|E[A-Z]+)$/.test(code)) this.failures.push(error as Error)
      },
    )
    await this.loop.runUntil(() => end !== undefined)
    if (this.failures.length > 0) throw this.failures[0]!
    this.clock.stop()
    this.disk = policy === 'kill' ? this.disk.kill() : this.disk.crash(policy)
    this.clock = this.clock.next()
    return end!
  }

  async recover(): Promise<Awaited<ReturnType<typeof recoverLog>>> {
    const { disk, random } = this
    const values: number[] = []
    const recovered = await recoverLog({
      disk,
      random,
      directory,
      knownOpenCount: this.openCount,
      known: this.files,
      firstFileNumber: this.firstFileNumber,
      firstLsn: this.firstLsn,
      openCount: this.openCount + 1,
      onRecord: (_file, bytes, at) => {
        if (bytes[at] === 0xc4) values.push(bytes.readUInt32LE(at + 1))
      },
    })
    expect(values).toEqual(Array.from({ length: values.length }, (_, index) => this.checkpointed + 1 + index))
    const last = values.at(-1) ?? this.checkpointed
    expect(last).toBeGreaterThanOrEqual(this.acked)
    expect(recovered.nextLsn).toBeGreaterThan(this.ackedLsn)
    expect(this.groupEnd.get(last) ?? last).toBe(last)
    this.appended = last
    this.tornTails += recovered.tornTails.length
    return recovered
  }

  async #life(appends: number): Promise<void> {
    const { disk, clock } = this
    const random = this.random.fork('life')
    const recovered = await this.recover()
    this.openCount++
    this.files = recovered.files
    await removeLeftovers(disk, directory, recovered.leftovers)
    for (const name of await disk.list(directory)) if (name.endsWith('.tmp')) await disk.remove(`${directory}/${name}`)
    const { log, failed } = await this.#open(disk, clock, recovered)
    for (let count = 0; count < appends; count++) {
      const size = random.chance(0.2) ? random.between(2, 12) : 1
      const bytes = random.between(10, 120)
      if (!log.beginGroup(size, size * bytes, 'new')) {
        await new Promise<void>((resolve) => clock.setTimer(1, resolve))
        continue
      }
      const end = this.appended + size
      for (let index = 0; index < size; index++) {
        this.groupEnd.set(++this.appended, end)
        append(log, this.appended, bytes)
      }
      log.endGroup()
      const value = this.appended
      const lsn = log.appendedLsn
      if (random.chance(0.6)) {
        const synced = log.whenSynced(lsn).then(() => {
          if (this.disk !== disk) return
          this.acked = Math.max(this.acked, value)
          this.ackedLsn = Math.max(this.ackedLsn, lsn)
        })
        synced.catch(() => undefined)
        if (random.chance(0.5)) await synced
      } else if (random.chance(0.5)) await log.whenWritten(lsn)
      if (random.chance(0.05)) await this.#checkpoint(log)
      if (failed.length > 0) throw failed[0]!
    }
    await log.close()
    this.acked = this.appended
  }

  async #open(
    disk: SimulatedDisk,
    clock: SimulatedClock,
    recovered: Awaited<ReturnType<typeof recoverLog>>,
  ): Promise<{ log: LogWriter; failed: Error[] }> {
    const failed: Error[] = []
    const nothing = (): void => undefined
    const log = await LogWriter.open({
      disk,
      clock,
      random: this.random.fork('log'),
      blocks: new BlockStore({ blockBytes: 4096 }),
      directory,
      openCount: this.openCount,
      firstFileNumber: recovered.nextFileNumber,
      firstLsn: recovered.nextLsn,
      link: recovered.link,
      recovered: recovered.files,
      fileBytes: 4096,
      reserveBytes: 256,
      fillChunkBytes: 2048,
      readyFilesMax: 1,
      headRecord: headRecord(),
      listener: {
        written: nothing,
        synced: nothing,
        room: nothing,
        rotated: nothing,
        failed: (error) => failed.push(error),
      },
    })
    return { log, failed }
  }

  /** Drops the oldest sealed file, whose records are taken for safe elsewhere. */
  async #checkpoint(log: LogWriter): Promise<void> {
    const files = log.files()
    const [oldest, next] = files
    if (oldest === undefined || next === undefined || !oldest.sealed) return
    const { disk } = this
    let last = this.checkpointed
    await recoverLogFile(disk, oldest, (value) => (last = value))
    if (this.disk !== disk) return
    this.checkpointed = last
    this.files = files.slice(1)
    this.firstFileNumber = next.number
    this.firstLsn = next.firstLsn
    await log.trim(oldest.number)
  }
}

async function recoverLogFile(disk: SimulatedDisk, file: LogFileInfo, take: (value: number) => void): Promise<void> {
  const { readLogFile } = await import('../../../src/storage/wal/wal-reader.ts')
  const [, openCount] = file.name.split('-')
  const expected = { number: file.number, openCount: Number(openCount), fileId: file.fileId }
  await readLogFile(disk, `${directory}/${file.name}`, expected, (bytes, at) => {
    if (bytes[at] === 0xc4) take(bytes.readUInt32LE(at + 1))
  })
}

async function stepsOf(seed: number, appends: number): Promise<number> {
  const lives = new Lives(seed)
  await lives.live(Infinity, 'loseAll', appends)
  return lives.disk.calls.done
}

const policies: readonly (CrashPolicy | 'kill')[] = ['loseAll', 'keepAll', 'random', 'kill']

describe('a crash after an I/O step loses nothing acknowledged and leaves a gapless prefix', () => {
  test.each(policies)('%s', async (policy) => {
    const steps = await stepsOf(7, 60)
    const stride = Number(process.env['LOG_CRASH_STRIDE'] ?? 9)
    for (let step = 1; step <= steps; step += stride) {
      const lives = new Lives(7)
      await lives.live(step, policy, 60)
      await lives.live(Infinity, 'loseAll', 20)
      await lives.live(Infinity, 'loseAll', 0)
    }
  })
})

test('crashes again and again, during recovery too, lose nothing acknowledged', async () => {
  const seeds = Number(process.env['LOG_CRASH_SEEDS'] ?? 25)
  let checkpoints = 0
  let tornTails = 0
  for (let seed = 1; seed <= seeds; seed++) {
    const lives = new Lives(seed)
    try {
      for (let life = 0; life < 12; life++) {
        const steps = lives.random.chance(0.4) ? lives.random.between(1, 40) : lives.random.between(1, 500)
        await lives.live(steps, lives.random.pick(policies), 80)
      }
      await lives.live(Infinity, 'loseAll', 10)
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error })
    }
    checkpoints += lives.checkpointed > 0 ? 1 : 0
    tornTails += lives.tornTails
  }
  expect(checkpoints).toBeGreaterThan(seeds / 4)
  expect(tornTails).toBeGreaterThan(0)
})

describe('a fault at any I/O call loses nothing acknowledged', () => {
  const faults: [string, Omit<DiskFault, 'first'>][] = [
    ['EIO once', { code: 'EIO', times: 1 }],
    ['EIO for ever', { code: 'EIO', times: Infinity }],
    ['ENOSPC once', { code: 'ENOSPC', times: 1, on: ['write', 'create', 'rename', 'sync', 'syncDirectory'] }],
    ['EMFILE five times', { code: 'EMFILE', times: 5, on: ['open', 'create'] }],
    ['short writes', { short: 5, times: 3, on: 'write' }],
  ]
  test.each(faults)('%s', async (_what, fault) => {
    const stride = Number(process.env['LOG_CRASH_STRIDE'] ?? 9)
    const steps = await stepsOf(7, 60)
    let lived = 0
    for (let first = 1; first <= steps; first += stride) {
      const lives = new Lives(7)
      if ((await lives.suffer({ ...fault, first }, 60, lives.random.pick(policies))) === 'lived') lived++
      await lives.live(Infinity, 'loseAll', 20)
      await lives.live(Infinity, 'loseAll', 0)
    }
    if (fault.short !== undefined) expect(lived).toBeGreaterThan(0)
  })
})

test.each<DiskLie>(['syncDoesNothing', 'directorySyncDoesNothing'])(
  'a disk on which %s is noticed, so the checks above mean something',
  async (lie) => {
    let noticed = 0
    for (let seed = 1; seed <= 12; seed++) {
      const lives = new Lives(seed, [lie])
      try {
        for (let life = 0; life < 6; life++) await lives.live(lives.random.between(60, 300), 'loseAll', 80)
      } catch {
        noticed++
      }
    }
    expect(noticed).toBeGreaterThan(6)
  },
)

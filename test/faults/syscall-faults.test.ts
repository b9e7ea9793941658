import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Checker } from '../kill/checker.ts'
import { packageUnderTest } from '../kill/package-under-test.ts'
import { seededRandom } from '../kill/random.ts'
import { drainAndVerify, planOf } from '../kill/rounds.ts'
import { judgeFaulty, liveWithFault, nextLogFiles, whyNoStrace } from './syscall-faults.ts'

const missing = whyNoStrace()

/** On one directory, one after the other: what the log is written to, at work, and what an opening needs. */
const faults = [
  { call: 'fdatasync', inject: 'error=EIO', when: '3', ofLog: true, code: 'HW_DISK_FAILED' },
  { call: 'fdatasync', inject: 'error=EIO', when: '2+', ofLog: false, code: 'HW_DISK_FAILED' },
  { call: 'pwrite64', inject: 'error=EIO', when: '3', ofLog: true, code: 'HW_DISK_FAILED' },
  { call: 'pwrite64', inject: 'error=ENOSPC', when: '1+', ofLog: false, code: 'HW_DISK_FULL' },
  { call: 'pwrite64', inject: 'retval=0', when: '4', ofLog: true, code: 'HW_DISK_FAILED' },
  { call: 'rename', inject: 'error=EIO', when: '1', ofLog: false, code: 'HW_DISK_FAILED' },
]

test.skipIf(missing !== undefined)(
  `system calls that fail stop the engine, and lose nothing that was acknowledged${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  async () => {
    const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'hourwheel-faults-'))
    onTestFinished(() => fs.rmSync(parent, { recursive: true }))
    const seed = Math.floor(Math.random() * 2 ** 31)
    const random = seededRandom(seed)
    const checker = new Checker()
    const dir = path.join(parent, 'data')
    const load = { clients: 8, pauseMs: 3, runMs: 2_000, options: { walFileBytes: 64 << 10, walFilesMax: 1 } }
    const planNow = () => ({ ...planOf(packageUnderTest, dir, checker, random, 150), ...load })
    const codes: (string | undefined)[] = []
    for (const { ofLog, call, inject, when } of faults) {
      const fault = { call, inject, when, ...(ofLog ? { files: nextLogFiles(dir) } : {}) }
      judgeFaulty(checker, await liveWithFault(planNow(), checker, random, fault, path.join(parent, 'trace')), fault)
      codes.push(checker.end?.code)
    }
    await drainAndVerify(planNow(), checker, random)
    const evidence = checker.violations.length === 0 ? [] : [`seed ${seed}`, ...checker.evidence()]
    expect([...checker.violations, ...evidence]).toEqual([])
    expect(codes).toEqual(faults.map(({ code }) => code))
    expect(checker.counts.unknown).toBeGreaterThan(0)
  },
  120_000,
)

import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Checker } from '../kill/checker.ts'
import { packageUnderTest } from '../kill/package-under-test.ts'
import { seededRandom } from '../kill/random.ts'
import { drainAndVerify, planOf } from '../kill/rounds.ts'
import { judgeFaulty, liveWithFault, whyNoStrace } from './syscall-faults.ts'

const missing = whyNoStrace()

/** On one directory, one after the other; whether it is met while opening or at work depends on what is there already. */
const faults = [
  { call: 'fdatasync', inject: 'error=EIO', first: 12, span: '', code: 'HW_DISK_FAILED' },
  { call: 'fdatasync', inject: 'error=EIO', first: 2, span: '+', code: 'HW_DISK_FAILED' },
  { call: 'pwrite64', inject: 'error=EIO', first: 23, span: '', code: 'HW_DISK_FAILED' },
  { call: 'pwrite64', inject: 'error=ENOSPC', first: 1, span: '+', code: 'HW_DISK_FULL' },
  { call: 'pwrite64', inject: 'retval=0', first: 16, span: '', code: 'HW_DISK_FAILED' },
  { call: 'rename', inject: 'error=EIO', first: 3, span: '', code: 'HW_DISK_FAILED' },
]

test.skipIf(missing !== undefined)(
  `system calls that fail stop the engine, and lose nothing that was acknowledged${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  async () => {
    const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'hourwheel-faults-'))
    onTestFinished(() => fs.rmSync(parent, { recursive: true }))
    const seed = Math.floor(Math.random() * 2 ** 31)
    const random = seededRandom(seed)
    const checker = new Checker()
    const planNow = () => ({ ...planOf(packageUnderTest, path.join(parent, 'data'), checker, random, 150), runMs: 200 })
    const codes: unknown[] = []
    for (const { call, inject, first, span } of faults) {
      // It may hit what the engine can do without: space that it sets aside.
      for (let tries = 0; tries < 3; tries++) {
        const fault = { call, inject, when: `${first + 7 * tries}${span}` }
        judgeFaulty(checker, await liveWithFault(planNow(), checker, random, fault, path.join(parent, 'trace')), fault)
        if (checker.end?.reason !== 'closed') break
      }
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

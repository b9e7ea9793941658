/**
 * System calls that fail, one after the other on one directory: each life of the worker meets one fault at a call of its
 * own, every few lives there is none, and then the directory must open and hold all that was acknowledged.
 */

import { Checker } from '../kill/checker.ts'
import { judgeOrderly, live } from '../kill/life.ts'
import { seededRandom } from '../kill/random.ts'
import { drainAndVerify, planOf } from '../kill/rounds.ts'
import { judgeFaulty, liveWithFault, opensOfLoading, type SyscallFault } from './syscall-faults.ts'

export interface FaultRoundsOptions {
  readonly dir: string
  readonly package: string
  readonly rounds: number
  readonly seed: number
  readonly onRound?: (round: number, checker: Checker) => void
}

const cleanEvery = 4
const drainEvery = 40

interface Kind {
  readonly call: string
  readonly injects: readonly string[]
  /** Which of its thread's calls are hit: those before are the loader's. */
  readonly first: number
  readonly count: number
}

function kindsFor(opensOfLoading: number): readonly Kind[] {
  return [
    { call: 'fdatasync', injects: ['error=EIO', 'error=ENOSPC'], first: 1, count: 60 },
    { call: 'fsync', injects: ['error=EIO'], first: 1, count: 30 },
    { call: 'pwrite64', injects: ['error=EIO', 'error=ENOSPC', 'retval=0'], first: 1, count: 80 },
    { call: 'pread64', injects: ['error=EIO'], first: 12, count: 120 },
    { call: 'rename', injects: ['error=EIO', 'error=ENOSPC'], first: 1, count: 12 },
    { call: 'unlink', injects: ['error=EIO'], first: 1, count: 12 },
    { call: 'getdents64', injects: ['error=EIO'], first: 3, count: 8 },
    { call: 'openat', injects: ['error=EMFILE', 'error=EIO'], first: opensOfLoading, count: 60 },
  ]
}

export async function faultRounds(options: FaultRoundsOptions): Promise<Checker> {
  const { dir, rounds, seed } = options
  const checker = new Checker()
  const random = seededRandom(seed)
  const probe = planOf(options.package, `${dir}.probe`, checker, random, 0)
  const kinds = kindsFor(await opensOfLoading(probe, `${dir}.trace`))
  for (let round = 1; round <= rounds && checker.violations.length === 0; round++) {
    const plan = { ...planOf(options.package, dir, checker, random, 200), runMs: Math.floor(50 + random() * 200) }
    if (round % drainEvery === 0 || round === rounds) await drainAndVerify(plan, checker, random)
    else if (round % cleanEvery === 0) judgeOrderly(checker, await live({ plan, checker, random }))
    else {
      const fault = faultOf(random, kinds)
      const faulty = await liveWithFault(plan, checker, random, fault, `${dir}.trace`)
      judgeFaulty(checker, faulty, fault)
      if (checker.violations.length > 0)
        checker.note(`the fault: ${JSON.stringify(fault)} ${faulty.injected.join('; ')}`)
    }
    options.onRound?.(round, checker)
  }
  return checker
}

function faultOf(random: () => number, kinds: readonly Kind[]): SyscallFault {
  const { call, injects, first, count } = kinds[Math.floor(random() * kinds.length)]!
  const at = first + Math.floor(random() ** 1.5 * count)
  const span = random()
  const when = span < 0.6 ? `${at}` : span < 0.8 ? `${at}+` : `${at}..${at + 3}`
  return { call, inject: injects[Math.floor(random() * injects.length)]!, when }
}

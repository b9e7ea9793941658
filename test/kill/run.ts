/**
 * `npm run torture -- --kills N | --daemon-kills N | --faults N | --power-cuts N [--fs xfs] | --clock N`: long campaigns against the built package on a
 * real disk. Prints what breaks the contract with its evidence, keeps the directory it happened in, goes on in a new one, and
 * ends with a line of sums. Exits with 1 if anything broke.
 */

import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { parseArgs } from 'node:util'
import type { Checker } from './checker.ts'
import { daemonRounds } from './daemon-rounds.ts'
import { packageUnderTest, programUnderTest } from './package-under-test.ts'
import { killRounds } from './rounds.ts'
import { clockRounds, whyNoClock } from '../faults/clock-rounds.ts'
import { faultRounds } from '../faults/fault-rounds.ts'
import { whyNoPowerCuts } from '../faults/loop-disk.ts'
import { powerCutRounds } from '../faults/power-cut-rounds.ts'
import { whyNoStrace } from '../faults/syscall-faults.ts'

const progressEveryMs = 30_000

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '0' },
    faults: { type: 'string', default: '0' },
    'power-cuts': { type: 'string', default: '0' },
    clock: { type: 'string', default: '0' },
    'daemon-kills': { type: 'string', default: '0' },
    /** Of power cuts. */
    fs: { type: 'string', default: 'ext4' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    /** The main module of the package under test: another build than that of this repository. */
    package: { type: 'string', default: packageUnderTest },
    /** Where data directories are made. */
    under: { type: 'string', default: os.tmpdir() },
  },
})

const fileSystem = values.fs === 'xfs' ? 'xfs' : 'ext4'
/** Takes the place of all syncs: the proof that a missing one is seen. */
const noSyncs = ['/usr/lib/x86_64-linux-gnu/libeatmydata.so', '/usr/lib/aarch64-linux-gnu/libeatmydata.so']

interface Campaign {
  readonly name: string
  readonly rounds: number
  /** Why it cannot be run here. */
  readonly cannot?: () => string | undefined
  /** Runs up to `rounds` rounds in `dir`; ends early when something broke. */
  run(dir: string, rounds: number, seed: number, onRound: (checker: Checker) => void): Promise<Checker>
}

const campaigns: Campaign[] = [
  {
    name: 'kills',
    rounds: whole('kills'),
    run: (dir, rounds, seed, onRound) =>
      killRounds({
        dir,
        package: values.package,
        rounds,
        seed,
        drainEvery: 50,
        killMsMax: 300,
        liveMax: 250,
        keepsBefore: true,
        onRound: (_, checker) => onRound(checker),
      }),
  },
  {
    name: 'faults',
    rounds: whole('faults'),
    cannot: whyNoStrace,
    run: (dir, rounds, seed, onRound) =>
      faultRounds({ dir, package: values.package, rounds, seed, onRound: (_, checker) => onRound(checker) }),
  },
  {
    name: `power cuts on ${fileSystem}`,
    rounds: whole('power-cuts'),
    cannot: () => whyNoPowerCuts(fileSystem) ?? whyNoProof(),
    run: (dir, rounds, seed, onRound) => cutRounds(dir, rounds, seed, (_, checker) => onRound(checker)),
  },
  {
    name: 'clock',
    rounds: whole('clock'),
    cannot: whyNoClock,
    run: (dir, rounds, seed, onRound) =>
      clockRounds({ dir, package: values.package, rounds, seed, onRound: (_, checker) => onRound(checker) }),
  },
]

function cutRounds(
  dir: string,
  rounds: number,
  seed: number,
  onRound: (round: number, checker: Checker) => void,
  env: Readonly<Record<string, string>> = {},
): Promise<Checker> {
  return powerCutRounds({ dir, package: values.package, rounds, seed, fileSystem, env, onRound })
}

function whyNoProof(): string | undefined {
  return noSyncs.some((file) => fs.existsSync(file)) ? undefined : 'libeatmydata is missing (libeatmydata1)'
}

/** Power cuts with syncs that do nothing: they must be found out. */
async function seesMissingSyncs(): Promise<boolean> {
  const parent = fs.mkdtempSync(path.join(values.under, 'hourwheel-no-syncs-'))
  const env = { LD_PRELOAD: noSyncs.find((file) => fs.existsSync(file))! }
  const { violations } = await cutRounds(path.join(parent, 'data'), 20, whole('seed'), () => undefined, env)
  fs.rmSync(parent, { recursive: true })
  console.log(`power cuts without syncs: ${violations[0] ?? 'NOT found out: this rig proves nothing'}`)
  return violations.length > 0
}

let broken = 0
for (const campaign of campaigns) {
  if (campaign.rounds === 0) continue
  const why = campaign.cannot?.()
  if (why === undefined && campaign.name.startsWith('power') && !(await seesMissingSyncs())) broken++
  if (why === undefined) broken += await runCampaign(campaign)
  else {
    broken++
    console.log(`${campaign.name}: not run, ${why}`)
  }
}
if (whole('daemon-kills') > 0) broken += await runDaemonKills(whole('daemon-kills'))
process.exitCode = broken > 0 ? 1 : 0

function whole(name: 'kills' | 'faults' | 'power-cuts' | 'clock' | 'daemon-kills' | 'seed'): number {
  const value = Number(values[name])
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new Error(`--${name} must be a whole number, not ${values[name]}`)
}

/** The daemon over HTTP, in one directory, until something breaks. */
async function runDaemonKills(rounds: number): Promise<number> {
  const dir = fs.mkdtempSync(path.join(values.under, 'hw-daemon-'))
  const seed = whole('seed')
  const { violations, counts } = await daemonRounds({ dir, program: programUnderTest, rounds, seed })
  for (const violation of violations) console.log(`daemon-kills, seed ${seed}, in ${dir}: ${violation}`)
  console.log(`daemon-kills: ${JSON.stringify(counts)}, ${violations.length} broke`)
  if (violations.length === 0) fs.rmSync(dir, { recursive: true })
  return violations.length
}

async function runCampaign(campaign: Campaign): Promise<number> {
  const { name, rounds } = campaign
  const startedMs = performance.now()
  const sums: Record<string, number> = {}
  let done = 0
  let failures = 0
  let printedMs = startedMs
  const say = (checker: Checker | undefined): void => {
    const minutes = (performance.now() - startedMs) / 60_000
    const all = { ...sums }
    for (const [key, count] of Object.entries(checker?.counts ?? {})) all[key] = (all[key] ?? 0) + count
    const figures = Object.entries(all).map(([key, count]) => `${count} ${key}`)
    console.log(
      `${name}: ${done} of ${rounds} rounds, ${(done / minutes).toFixed(0)} a minute, ${failures} broke; ${figures.join(', ')}`,
    )
  }
  for (let seed = whole('seed'); done < rounds; seed++) {
    const parent = fs.mkdtempSync(path.join(values.under, `hourwheel-${name.replaceAll(' ', '-')}-`))
    const checker = await campaign.run(path.join(parent, 'data'), rounds - done, seed, (checker) => {
      done++
      if (performance.now() - printedMs < progressEveryMs) return
      printedMs = performance.now()
      say(checker)
    })
    for (const [key, count] of Object.entries(checker.counts)) sums[key] = (sums[key] ?? 0) + count
    if (checker.violations.length === 0) fs.rmSync(parent, { recursive: true })
    else {
      failures++
      console.log(`\n${name}, seed ${seed}, round ${done}: kept in ${parent}`)
      for (const violation of checker.violations.slice(0, 10)) console.log(`  ${violation}`)
      for (const line of checker.evidence()) console.log(`    ${line}`)
    }
  }
  say(undefined)
  return failures
}

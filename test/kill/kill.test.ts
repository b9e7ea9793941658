import { expect, test } from 'vitest'
import { packageUnderTest } from './package-under-test.ts'
import { killRounds } from './rounds.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

const rounds = 20

test(`kill -9 under load, ${rounds} times on one directory: nothing acknowledged is lost, nothing comes back`, async () => {
  const seed = Math.floor(Math.random() * 2 ** 31)
  const checker = await killRounds({
    dir: `${temporaryDirectory()}/data`,
    package: packageUnderTest,
    rounds,
    seed,
    drainEvery: rounds,
    killMsMax: 300,
    liveMax: 150,
  })
  const evidence = checker.violations.length === 0 ? [] : [`seed ${seed}`, ...checker.evidence()]
  expect([...checker.violations, ...evidence]).toEqual([])
  expect(checker.counts.scans).toBeGreaterThan(rounds / 2)
  expect(checker.counts.starts).toBeGreaterThan(100)
}, 120_000)

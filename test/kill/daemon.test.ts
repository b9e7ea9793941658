/** kill -9 of the daemon under load; `npm run torture -- --daemon-kills N` does it for as long as one likes. */

import { expect, test } from 'vitest'
import { daemonRounds } from './daemon-rounds.ts'
import { programUnderTest } from './package-under-test.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

const rounds = 10

test(`kill -9 of the daemon, ${rounds} times, with clients that repeat by key: nothing lost, nothing doubled`, async () => {
  const dir = temporaryDirectory()
  const seed = Math.floor(Math.random() * 2 ** 31)
  const { violations, counts } = await daemonRounds({ dir, program: programUnderTest, rounds, seed })
  expect(violations, `seed ${seed}`).toEqual([])
  expect(counts.kills).toBe(rounds)
  expect(counts.acknowledged).toBeGreaterThan(100)
  expect(counts.acked).toBeGreaterThan(10)
  expect(counts.cancelled).toBeGreaterThan(10)
}, 120_000)

/** kill -9 of the daemon under load; `npm run torture -- --daemon-kills N` does it for as long as one likes. */

import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { daemonRounds } from './daemon-rounds.ts'
import { programUnderTest } from './package-under-test.ts'

const rounds = 10

test(`kill -9 of the daemon, ${rounds} times, with clients that repeat by key: nothing lost, nothing doubled`, async () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'hw-kill-'))
  onTestFinished(() => fs.rmSync(dir, { recursive: true }))
  const seed = Math.floor(Math.random() * 2 ** 31)
  const socket = path.join(dir, 's')
  const { violations, counts } = await daemonRounds({
    dir,
    socket,
    program: programUnderTest,
    rounds,
    seed,
    killMsMax: 300,
  })
  expect(violations, `seed ${seed}`).toEqual([])
  expect(counts.kills).toBe(rounds)
  expect(counts.acknowledged).toBeGreaterThan(100)
  expect(counts.acked).toBeGreaterThan(10)
  expect(counts.cancelled).toBeGreaterThan(10)
}, 120_000)

/** The example that the README names does what it says. */

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

test('examples/worker-threads.mjs draws its pictures and ends', () => {
  const example = fileURLToPath(new URL('../../examples/worker-threads.mjs', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, [example, '--once'], {
    encoding: 'utf8',
    timeout: 25_000,
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toMatch(/^12 pictures in .*; this thread was never busy for more than \d+ ms\n$/)
})

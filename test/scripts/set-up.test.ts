/** Set-up: an old Node is refused by name, and two set-ups never run at once. */

import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import { makeTrialRepository, plainEnvironment, type TrialRepository } from './trial-repository.ts'

const run = promisify(execFile)
let trial: TrialRepository

afterEach(() => trial.remove())

describe('an old Node', () => {
  const entries = readdirSync(new URL('../../scripts', import.meta.url)).filter((name) => name.endsWith('.mjs'))

  test.each(entries)('%s says which is needed and which was found', (entry) => {
    trial = makeTrialRepository('>=99.1')
    const { status, stderr } = spawnSync(process.execPath, [join(trial.root, 'scripts', entry)], {
      env: plainEnvironment(),
      encoding: 'utf8',
    })
    expect(stderr).toBe(`hourwheel needs Node.js >=99.1; this is ${process.version} (${process.execPath}).\n`)
    expect(status).toBe(1)
  })

  test.each(entries)('%s imports nothing else before', (entry) => {
    trial = makeTrialRepository()
    const text = readFileSync(join(trial.root, 'scripts', entry), 'utf8')
    const imports = [...text.matchAll(/^import .*$/gm)].map(([line]) => line)
    expect(imports).toEqual([`import { isNodeSupported } from './lib/node-version.mjs'`])
    expect(text).not.toMatch(/\?\?|\?\.|^await /m)
  })
})

describe('the set-up lock', () => {
  const writeHolder = (): string =>
    trial.write(
      'holder.mjs',
      `import { appendFileSync } from 'node:fs'\nimport { withSetupLock } from './scripts/lib/setup-lock.mjs'\n` +
        `await withSetupLock(async () => {\n  appendFileSync('log', 'in ' + process.pid + '\\n')\n` +
        `  await new Promise((resolve) => setTimeout(resolve, 100))\n` +
        `  appendFileSync('log', 'out ' + process.pid + '\\n')\n})\n`,
    )

  test('lets one in after the other, also past a lock whose holder was killed', async () => {
    trial = makeTrialRepository()
    const holder = writeHolder()
    const lock = join(trial.root, 'dist/.setup-lock')
    const longAgo = new Date(Date.now() - 60_000)
    mkdirSync(join(trial.root, 'dist'))
    writeFileSync(lock, 'left behind')
    utimesSync(lock, longAgo, longAgo)

    const holders = Array.from({ length: 4 }, () =>
      run(process.execPath, [holder], { cwd: trial.root, env: plainEnvironment() }),
    )
    await Promise.all(holders)

    const lines = readFileSync(join(trial.root, 'log'), 'utf8').trim().split('\n')
    expect(lines).toHaveLength(8)
    for (let i = 0; i < lines.length; i += 2) expect(lines[i + 1]).toBe(lines[i]!.replace('in', 'out'))
    expect(readdirSync(join(trial.root, 'dist'))).toEqual([])
  })

  test('keeps others out while its holder lives', async () => {
    trial = makeTrialRepository()
    const holder = writeHolder()
    mkdirSync(join(trial.root, 'dist'))
    writeFileSync(join(trial.root, 'dist/.setup-lock'), 'held')
    const waiting = run(process.execPath, [holder], { cwd: trial.root, env: plainEnvironment(), timeout: 1_500 })
    await expect(waiting).rejects.toMatchObject({ killed: true })
    expect(existsSync(join(trial.root, 'log'))).toBe(false)
  })
})

describe('the totals of a run', () => {
  const totalsOf = (report: object | undefined): { status: number | null; lastLine: string | undefined } => {
    trial = makeTrialRepository()
    if (report !== undefined) trial.write('report.json', JSON.stringify(report))
    const { status, stdout } = spawnSync(
      process.execPath,
      [join(trial.root, 'scripts/lib/test-totals.mjs'), join(trial.root, 'report.json')],
      { encoding: 'utf8', env: plainEnvironment() },
    )
    return { status, lastLine: stdout.trimEnd().split('\n').at(-1) }
  }
  const ranFile = { status: 'passed', assertionResults: [{}] }
  const brokenFile = { status: 'failed', assertionResults: [] }

  test.each([
    ['all passed', { numPassedTests: 5, numFailedTests: 0, testResults: [ranFile] }, 0, '5 passed, 0 failed'],
    ['one failed', { numPassedTests: 4, numFailedTests: 1, testResults: [ranFile] }, 1, '4 passed, 1 failed'],
    [
      'a file broke',
      { numPassedTests: 5, numFailedTests: 0, testResults: [ranFile, brokenFile] },
      1,
      '5 passed, 1 failed',
    ],
    ['none ran', { numPassedTests: 0, numFailedTests: 0, testResults: [] }, 1, '0 passed, 0 failed'],
    ['no report', undefined, 1, '0 passed, 0 failed'],
  ])('%s', (_what, report, status, lastLine) => {
    expect(totalsOf(report)).toEqual({ status, lastLine })
  })
})

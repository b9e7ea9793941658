/** Every benchmark runs to its end in its tiny size and answers rows of sane figures. How fast, is no test's business. */

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

type Row = Record<string, unknown> & { benchmark: string }

function run(script: string, ...args: string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, 'scripts', script), ...args], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })
}

let directory = ''

/** The rows that a run appends to a file of results. */
async function rowsOf(script: string, name: string): Promise<Row[]> {
  const file = join(directory, `${name}.jsonl`)
  const { code, output } = await run(script, name, '--size', 'tiny', '--json', file)
  expect(output, `${name} ended with ${code}`).toContain(name)
  expect(code, output).toBe(0)
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Row)
}

function numbersOf(row: Row): number[] {
  return Object.values(row)
    .flat()
    .filter((value) => typeof value === 'number')
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'hourwheel-bench-test-'))
  // Compiles what is missing once, before several need it; says how it is used, and fails for want of a name.
  const { code, output } = await run('bench-macro.mjs')
  expect(output).toContain('npm run bench:macro -- <benchmark>')
  expect(code).toBe(1)
}, 120_000)

afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('small benchmarks', () => {
  it.each(['ids', 'records', 'frames', 'ledger'])('%s answers a time for every contender', async (name) => {
    const rows = await rowsOf('bench.mjs', name)
    expect(rows.length).toBeGreaterThanOrEqual(3)
    for (const row of rows) expect(row, JSON.stringify(row)).toMatchObject({ benchmark: name, size: 'tiny' })
    expect(rows.every(({ medianNs }) => typeof medianNs === 'number' && medianNs > 0)).toBe(true)
  })

  it('the wheel runs to its end', async () => {
    const { code, output } = await run('bench.mjs', 'wheel', '--size', 'tiny')
    expect(code, output).toBe(0)
    expect(output).toContain('timing wheel')
  })
})

describe('benchmarks of the whole engine', () => {
  it.concurrent.each([
    'schedule',
    'fire',
    'memory',
    'far',
    'storm',
    'backlog',
    'threads',
    'verify',
    'http',
    'webhooks',
  ])(
    '%s answers whole rows',
    async (name) => {
      const rows = await rowsOf('bench-macro.mjs', name)
      expect(rows.length).toBeGreaterThan(0)
      for (const row of rows) {
        expect(row.benchmark).toBe(name)
        // A figure that could not be had is null in JSON.
        expect(Object.values(row).flat(), JSON.stringify(row)).not.toContain(null)
        expect(numbersOf(row).length, JSON.stringify(row)).toBeGreaterThan(0)
      }
    },
    120_000,
  )
})

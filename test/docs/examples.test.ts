/** What the pages and `examples/` show is compiled and run, against the built package, as its users do. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { examplesOf, root } from './markdown.ts'
import { UsersProject } from './users-project.ts'

const project = new UsersProject()
afterAll(() => project.remove())

const programs = ['embedded.ts', 'chain.ts', 'debounce-by-key.ts', 'worker-threads.ts', 'fake-clock.test.ts']
let compiled: string

beforeAll(() => {
  for (const name of [...programs, 'thumbnail.mjs'])
    project.write(name, readFileSync(join(root, 'examples', name), 'utf8'))
  for (const page of ['docs/testing.md', 'docs/typed-queues.md']) {
    for (const { name, code } of examplesOf(page)) project.write(`docs/${name}.test.ts`, code)
  }
  for (const { name, language, code } of examplesOf('README.md')) {
    if (language === 'js') project.write(`${name}.mjs`, code)
  }
  compiled = project.compile()
}, 120_000)

test('they compile', () => {
  expect(compiled).toBe('')
})

test('the types of the package need none of Node', () => {
  const user = new UsersProject()
  try {
    const names = ['hourwheel', 'hourwheel/testing']
    user.write('main.ts', names.map((name, index) => `export * as all${index} from '${name}'\n`).join(''))
    expect(user.compile({ types: [], lib: ['es2023', 'esnext.disposable', 'dom'], skipLibCheck: false })).toBe('')
  } finally {
    user.remove()
  }
}, 120_000)

test('those that are tests pass', () => {
  const said = project.vitest()
  expect(said).not.toContain('exit code')
  // Four of docs/testing.md, one of docs/typed-queues.md, one file of examples.
  expect(said).toMatch(/Test Files .*6 passed/)
}, 120_000)

test('the first task of the README', async () => {
  const said = await project.nodeUntil('first-task.mjs', [
    /on disk as \S{14}\n/,
    /to ada@example\.com, attempt 1, \d+ ms late/,
  ])
  expect(said.split('\n')).toHaveLength(3)
}, 120_000)

test('examples/embedded.ts, twice on the same data', () => {
  for (const succeeded of [3, 6]) {
    const said = project.node('embedded.js')
    for (const line of [
      'to ada, attempt 1',
      'to eve, attempt 1',
      'failed: 451',
      'to bob, attempt 2',
      "outcome: 'cancelled'",
    ]) {
      expect(said).toContain(line)
    }
    expect(said).toContain(`${succeeded} succeeded, ${succeeded / 3} cancelled, conservation 0\n`)
  }
}, 120_000)

test('examples/chain.ts', () => {
  expect(project.node('chain.js')).toBe('ada: reminder\nada: last call\nada: the end\n')
}, 120_000)

test('examples/worker-threads.ts draws its pictures and ends', () => {
  const said = project.node('worker-threads.js', '--once')
  expect(said).toMatch(/^12 pictures in .*; this thread was never busy for more than \d+ ms\n$/)
}, 120_000)

test('examples/debounce-by-key.ts', () => {
  const said = project.node('debounce-by-key.js').trim().split('\n')
  expect(said.filter((line) => line.startsWith('index:'))).toEqual(['index: "doc-17"'])
  expect(said.filter((line) => line.startsWith('charge '))).toEqual(['charge created', 'charge kept'])
  expect(said.at(-1)).toBe('index 1, notify 1, charge 1')
}, 120_000)

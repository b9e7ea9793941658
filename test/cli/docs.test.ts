/** docs/cli.md names every command and option there is, and no other; its examples run, and that of docs/tasks-or-workflows.md. */

import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { examplesOf, root } from '../docs/markdown.ts'
import { UsersProject } from '../docs/users-project.ts'
import { hourwheel, program, scratch, typed } from './hourwheel.ts'

const directory = scratch()
const project = new UsersProject()
afterAll(() => project.remove())
const page = readFileSync(join(root, 'docs/cli.md'), 'utf8')

/** Options by command, as the program completes them: its own tree. */
let real: Map<string, Set<string>>
/** The same as the page has them; a command whose settings are on another page has none. */
const told = new Map<string, Set<string>>()
for (const section of page.split(/^### /m).slice(1)) {
  const name = /^`hourwheel ([a-z -]+)`/.exec(section)?.[1]
  if (name === undefined) continue
  const cells = section.split('\n').filter((line) => line.startsWith('| `--'))
  told.set(
    name,
    new Set(cells.flatMap((line) => [...line.split(' | ')[0]!.matchAll(/--[a-z-]+/g)].map(([found]) => found))),
  )
}

beforeAll(() => {
  real = new Map()
  const paths = new Set<string>()
  for (const line of hourwheel(['completion', 'fish']).out.split('\n')) {
    const found =
      /^complete -c hourwheel -n 'test \(__hourwheel_path\) = ":([a-z -]*)"' (?:-a ([a-z-]+) -d|-l ([a-z-]+))/.exec(
        line,
      )
    if (found === null) continue
    const [, path, child, option] = found
    if (child !== undefined) paths.add(path === '' ? child : `${path} ${child}`)
    if (option !== undefined && option !== 'help' && path !== '') {
      real.set(path!, (real.get(path!) ?? new Set()).add(`--${option}`))
    }
  }
  for (const path of paths) {
    const isGroup = [...paths].some((other) => other.startsWith(`${path} `))
    if (!isGroup && path !== 'help' && !real.has(path)) real.set(path, new Set())
  }
})

it('the page has every command, and no other', () => {
  expect([...told.keys()].sort()).toEqual([...real.keys()].sort())
})

it('the page has every option of each, and no other', () => {
  const elsewhere = new Set(
    [...page.matchAll(/^### `hourwheel ([a-z -]+)`\n\n.*\n\nAll settings: /gm)].map(([, name]) => name!),
  )
  for (const [name, options] of told) {
    if (elsewhere.has(name)) continue
    expect([...options].sort(), `options of ${name}`).toEqual([...(real.get(name) ?? [])].sort())
  }
})

describe('examples', () => {
  const example = (name: string): string => examplesOf('docs/cli.md').find((each) => each.name === name)!.code

  it('the session runs', () => {
    const shim = join(directory, 'hourwheel')
    writeFileSync(shim, `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`)
    chmodSync(shim, 0o755)
    const { status, stdout } = spawnSync('sh', ['-ec', example('session')], {
      cwd: directory,
      encoding: 'utf8',
      env: { ...process.env, PATH: `${directory}:${process.env['PATH']}`, TZ: 'Europe/Berlin' },
    })
    expect(status).toBe(0)
    expect(stdout).toContain('2027-07-01 09:00:00 +02:00 (Europe/Berlin)')
    expect(stdout).toMatch(/cancelled +with key "account-7"/)
    expect(JSON.parse(stdout.trim().split('\n').at(-1)!)).toMatchObject({ total: { pending: 1, cancelled: 1 } })
  })

  it('the handler module runs', () => {
    writeFileSync(join(directory, 'handlers.js'), example('handlers'))
    writeFileSync(join(directory, 'thumbs.js'), 'export default () => {}\n')
    const input = `{"queue":"email","delay":0,"payload":{"to":"ada"}}\n{"queue":"thumbs","delay":0}\n{"queue":"charge","delay":0}\n`
    const said = typed(['run', '--dir', 'run', '--handlers', 'handlers.js', '--input', '-', '--until-empty'], {
      cwd: directory,
      input,
    })
    expect(said).toMatchObject({ code: 0, err: '' })
    expect(said.out).toContain('to ada, attempt 1')
  })

  it('the workflow on top of tasks runs', () => {
    const { name, code } = examplesOf('docs/tasks-or-workflows.md')[0]!
    project.write(`${name}.mjs`, code)
    expect(project.node(`${name}.mjs`)).toBe('order-1: reserve\norder-1: payment\norder-1: ship\n')
  })
})

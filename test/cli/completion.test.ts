/** Completion, by the machinery of the shells themselves where they are installed. */

import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { hourwheel, scratch } from './hourwheel.ts'

const directory = scratch()
const has = (shell: string): boolean => spawnSync(shell, ['--version']).status === 0

function script(shell: string): string {
  const path = join(directory, `completion.${shell}`)
  const { code, out } = hourwheel(['completion', shell])
  expect(code).toBe(0)
  writeFileSync(path, out)
  return path
}

const cases: readonly (readonly [typed: string, offered: readonly string[]])[] = [
  ['hourwheel sched', ['schedule']],
  ['hourwheel dead ', ['list', 'purge', 'redrive']],
  ['hourwheel dead re', ['redrive']],
  ['hourwheel list --state ', ['dead', 'leased', 'pending']],
  ['hourwheel list --state pe', ['pending']],
  // A value that is called like a command.
  ['hourwheel list --queue dead --lim', ['--limit']],
  ['hourwheel dead list --queue run --lim', ['--limit']],
  ['hourwheel completion ', ['bash', 'fish', 'zsh']],
  ['hourwheel schedule email --on-conflict la', ['latest']],
]

describe('bash', () => {
  it.skipIf(!has('bash'))('offers what may stand there', () => {
    const typed = cases.map(([text]) => `try ${text.endsWith(' ') ? `${text}''` : text}`)
    const program = `source ${script('bash')}
      complete -p hourwheel >&2
      try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=\${#COMP_LINE}; _hourwheel; echo "\${COMPREPLY[*]}"; }
      ${typed.join('\n')}`
    const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', program], { encoding: 'utf8' })
    expect(stderr).toBe('complete -o default -F _hourwheel hourwheel\n')
    const words = (line: string): string[] => line.split(' ').filter((word) => !/^(--help|-h)?$/.test(word))
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => words(line).sort()),
    ).toEqual(cases.map(([, offered]) => offered))
  })
})

describe('fish', () => {
  it.skipIf(!has('fish'))('offers what may stand there', () => {
    const typed = cases.map(([text]) => `complete -C '${text}' | string split -f1 \\t | string join ' '; echo`)
    const { stdout } = spawnSync('fish', ['--no-config', '-c', `source ${script('fish')}\n${typed.join('\n')}`], {
      encoding: 'utf8',
      env: { ...process.env, HOME: directory },
    })
    const lines = stdout.split('\n').filter((line) => line !== '')
    expect(lines.map((line) => line.split(' ').sort())).toEqual(cases.map(([, offered]) => offered))
  })
})

describe('zsh', () => {
  it.skipIf(!has('zsh'))('can read it', () => {
    const { status, stderr } = spawnSync('zsh', ['-n', script('zsh')], { encoding: 'utf8' })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })
})

it('other shells are refused', () => {
  expect(hourwheel(['completion', 'tcsh'])).toMatchObject({ code: 2, out: '' })
})

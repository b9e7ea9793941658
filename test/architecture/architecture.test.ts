/** Holds `src` to the rules of the house, and the rules to a list of offences that they must see. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { filesOver, linesGoal, rules, sourceFiles, type Texts } from './rules.ts'

const src = fileURLToPath(new URL('../../src', import.meta.url))

describe('src', () => {
  const files = sourceFiles(readTexts())

  test('was found, with its imports', () => {
    expect(files.length).toBeGreaterThan(20)
    expect(files.flatMap(({ imports }) => imports).length).toBeGreaterThan(files.length)
  })

  test.each(Object.entries(rules))('%s', (_words, rule) => {
    expect(rule(files)).toEqual([])
  })

  test(`most files stay within the goal of ${linesGoal} lines`, async ({ annotate }) => {
    const long = filesOver(linesGoal, files)
    if (long.length > 0) await annotate(`longer than ${linesGoal} lines: ${long.join(', ')}`)
    expect(long.length).toBeLessThan(files.length / 4)
  })
})

function readTexts(): Texts {
  const paths = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))
  return Object.fromEntries(paths.sort().map((path) => [path, readFileSync(join(src, path), 'utf8')]))
}

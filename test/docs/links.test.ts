import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { anchorsOf, linksOf, pages, root, targetOf } from './markdown.ts'

test('the pages were found, with their links', () => {
  expect(pages()).toEqual(expect.arrayContaining(['README.md', 'docs/architecture.md', 'docs/adr/README.md']))
  expect(linksOf('README.md').length).toBeGreaterThan(5)
  expect(anchorsOf('docs/testing.md')).toContain('time-moves-when-you-say-so')
})

test.each(pages())('every relative link of %s leads somewhere', (page) => {
  const broken = linksOf(page)
    .filter(({ target }) => !/^[a-z]+:/i.test(target))
    .filter(({ target }) => {
      const { path, anchor } = targetOf(page, target)
      if (!existsSync(join(root, path))) return true
      return anchor !== undefined && path.endsWith('.md') && !anchorsOf(path).has(anchor)
    })
    .map(({ line, target }) => `${page}:${line}: ${target}`)
  expect(broken).toEqual([])
})

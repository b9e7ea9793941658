/** The project's pages as tests see them: their links, headings and marked examples. */

import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root: string = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

export interface Example {
  readonly name: string
  readonly language: string
  readonly code: string
}

/** Paths from the root. */
export function pages(): string[] {
  const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  const top = readdirSync(root)
  return [...top, ...docs.map((name) => join('docs', name))].filter((name) => name.endsWith('.md')).sort()
}

function textOf(page: string): string {
  return readFileSync(join(root, page), 'utf8')
}

/** Blocks below `<!-- example: name -->`. */
export function examplesOf(page: string): Example[] {
  return [...textOf(page).matchAll(/<!-- example: ([\w-]+) -->\n+```(\w+)\n([^]*?)\n```/g)].map(
    ([, name, language, code]) => ({ name: name!, language: language!, code: `${code!}\n` }),
  )
}

export interface Link {
  readonly line: number
  readonly target: string
}

/** What is not inside a block of code. */
export function linksOf(page: string): Link[] {
  const lines = prose(textOf(page)).split('\n')
  return lines.flatMap((line, index) =>
    [...line.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)|^\[[^\]]+\]:\s*(\S+)/g)].map(
      ([, inline, reference]) => ({
        line: index + 1,
        target: (inline ?? reference)!,
      }),
    ),
  )
}

/** As GitHub makes them from headings. */
export function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, heading] of prose(textOf(page)).matchAll(/^#{1,6} +(.+)$/gm)) {
    const plain = heading!
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-')
    let anchor = plain
    for (let count = 1; anchors.has(anchor); count++) anchor = `${plain}-${count}`
    anchors.add(anchor)
  }
  return anchors
}

/** Where a link of a page leads, from the root. */
export function targetOf(page: string, link: string): { path: string; anchor: string | undefined } {
  const [path = '', anchor] = link.split('#')
  return { path: path === '' ? page : relative(root, join(root, page, '..', decodeURIComponent(path))), anchor }
}

function prose(text: string): string {
  return text.replaceAll(/^( *)(`{3,})[^]*?^\1\2$/gm, (block) => block.replaceAll(/[^\n]/g, ' '))
}

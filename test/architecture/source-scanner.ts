/**
 * Reads what a TypeScript file imports, without a compiler: a lexer that knows comments, strings, templates and regular
 * expressions, and patterns over what remains.
 *
 * It errs towards seeing too much: text in an odd place may be taken for an import, never the other way round. It knows
 * no JSX, and takes a slash after `)` or `}` for a division.
 */

export interface Import {
  readonly specifier: string
  /** 1 for the first line. */
  readonly line: number
  /** 'url' is `new URL('./file.js', import.meta.url)`, the way in which workers are named. */
  readonly kind: 'static' | 'dynamic' | 'url'
  readonly isTypeOnly: boolean
}

export interface Source {
  /** As long as the text, line by line: comments and the insides of strings are spaces. */
  readonly code: string
  readonly imports: readonly Import[]
  /** Lines of imports whose specifier is computed. */
  readonly computedImportLines: readonly number[]
}

export function scanSource(text: string): Source {
  const { code, strings } = blank(text)
  const imports: Import[] = []
  const computedImportLines: number[] = []
  const lineAt = (at: number): number => code.slice(0, at).split('\n').length

  const add = (quoteAt: number, kind: Import['kind'], isTypeOnly: boolean): void => {
    const specifier = strings.get(quoteAt)
    if (specifier === undefined) computedImportLines.push(lineAt(quoteAt))
    else imports.push({ specifier, line: lineAt(quoteAt), kind, isTypeOnly })
  }

  // import a, { b as c } from '...', export * from '...', import type ... from '...'
  for (const found of code.matchAll(
    /(?<![.\w$])(?:import|export)\b(?:(?!\b(?:import|export)\b)[\w$\s{},*'"])*?\bfrom\s*(?=['"`])/g,
  )) {
    const clause = found[0]
    const isTypeOnly = /^\w+\s+type\b(?!\s*(?:,|from\b))/.test(clause)
    add(found.index + clause.length, 'static', isTypeOnly)
  }
  // import '...'
  for (const found of code.matchAll(/(?<![.\w$])import\s*(?=['"`])/g))
    add(found.index + found[0].length, 'static', false)
  // await import('...'), and the type import('...').Name
  for (const found of code.matchAll(/(?<![.\w$])import\s*\(\s*/g)) add(found.index + found[0].length, 'dynamic', false)
  // require is no way to import here, and seen all the same
  for (const found of code.matchAll(/(?<![.\w$])require(?:\s*\.\s*resolve)?\s*\(\s*/g))
    add(found.index + found[0].length, 'dynamic', false)
  for (const found of code.matchAll(/\bnew\s+URL\s*\(\s*(?=['"`])/g)) {
    const at = found.index + found[0].length
    if (/^\.\.?\//.test(strings.get(at) ?? '')) add(at, 'url', false)
  }
  for (const found of text.matchAll(/^\s*\/\/\/\s*<reference\s+(?:types|path|lib)\s*=\s*["']([^"']*)["']/gm))
    imports.push({
      specifier: `node:${found[1]}`,
      line: lineAt(found.index + found[0].length),
      kind: 'static',
      isTypeOnly: true,
    })

  return { code, imports, computedImportLines }
}

/** Words after which a slash begins a regular expression, though a word usually ends an operand. */
const wordsBeforeRegex = /\b(?:return|typeof|case|in|of|void|delete|await|yield|throw|new|else|do)$/

/** Replaces comments and the insides of strings by spaces; `strings` has their values by where their quote is. */
function blank(text: string): { code: string; strings: ReadonlyMap<number, string> } {
  const strings = new Map<number, string>()
  const out = text.split('')
  /** For each open `${`, how many braces have been opened inside it. */
  const substitutions: number[] = []
  let at = 0

  const erase = (from: number, to: number): void => {
    for (let i = from; i < to; i++) if (out[i] !== '\n') out[i] = ' '
  }
  const skipUntil = (isEnd: (i: number) => boolean): void => {
    while (at < text.length && !isEnd(at)) at += text[at] === '\\' ? 2 : 1
  }
  /** From the first character of a template, or the first after a substitution in it. */
  const readTemplate = (): void => {
    const from = at
    skipUntil((i) => text[i] === '`' || (text[i] === '$' && text[i + 1] === '{'))
    erase(from, at)
    if (text[at] === '`') {
      const isWhole = out[from - 1] === '`'
      if (isWhole) strings.set(from - 1, unescape(text.slice(from, at)))
      at += 1
    } else {
      substitutions.push(0)
      at += 2
    }
  }

  while (at < text.length) {
    const char = text[at]!
    const two = text.slice(at, at + 2)
    if (two === '//') {
      const from = at
      const newline = text.indexOf('\n', at)
      at = newline === -1 ? text.length : newline
      erase(from, at)
    } else if (two === '/*') {
      const end = text.indexOf('*/', at + 2)
      const to = end === -1 ? text.length : end + 2
      erase(at, to)
      at = to
    } else if (char === "'" || char === '"') {
      const from = at++
      skipUntil((i) => text[i] === char || text[i] === '\n')
      strings.set(from, unescape(text.slice(from + 1, at)))
      erase(from + 1, at)
      at += 1
    } else if (char === '`') {
      at += 1
      readTemplate()
    } else if (char === '}' && substitutions.at(-1) === 0) {
      substitutions.pop()
      at += 1
      readTemplate()
    } else if (
      char === '/' &&
      startsRegex(
        out
          .slice(Math.max(0, at - 80), at)
          .join('')
          .trimEnd(),
      )
    ) {
      const from = at++
      let isInClass = false
      skipUntil((i) => {
        if (text[i] === '[') isInClass = true
        else if (text[i] === ']') isInClass = false
        return text[i] === '\n' || (text[i] === '/' && !isInClass)
      })
      erase(from + 1, at)
      at += 1
    } else {
      const depth = substitutions.length - 1
      if (depth >= 0 && char === '{') substitutions[depth]! += 1
      if (depth >= 0 && char === '}') substitutions[depth]! -= 1
      at += 1
    }
  }
  return { code: out.join(''), strings }
}

function startsRegex(before: string): boolean {
  return before === '' || /[(,=:[!&|?{;+\-*%~^<>]$/.test(before) || wordsBeforeRegex.test(before)
}

/** Enough for specifiers: one written with escapes must not slip through under another name. */
function unescape(raw: string): string {
  return raw.replace(
    /\\(?:u\{([0-9a-fA-F]+)\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))/gs,
    (_, braced, four, two, one) =>
      one === undefined ? String.fromCodePoint(Number.parseInt(braced ?? four ?? two, 16)) : one,
  )
}

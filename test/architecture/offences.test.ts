/** The rules must see every way of breaking them that we could think of, and none where there is none. */

import { describe, expect, test } from 'vitest'
import { rules, sourceFiles, type Texts } from './rules.ts'
import { scanSource } from './source-scanner.ts'

/** A house in order, which each offence is built into. */
const sound: Texts = {
  'index.ts': withHeader(
    `import { open } from './engine/open.ts'\nimport { clock } from './platform/node/clock.ts'\nexport { open, clock }\n`,
  ),
  'testing.ts': withHeader(`export * from './testing/kit.ts'\n`),
  'testing/kit.ts': withHeader(`import { open } from '../engine/open.ts'\nexport const kit = open\n`),
  'engine/open.ts': withHeader(
    `import { log } from '../storage/wal/log.ts'\nimport type { Port } from '../platform/ports.ts'\n` +
      `export const open = (port: Port) => [log, port.setTimeout, port.Date.now(), port?.process, { fetch: 1 }]\n`,
  ),
  'storage/header.ts': withHeader(`export const header = 1\n`),
  'storage/wal/log.ts': withHeader(
    `import { header } from '../header.ts'\nimport { crc } from '../../platform/checksum.ts'\nexport const log = [header, crc]\n`,
  ),
  'storage/segments/reader.ts': withHeader(`export const reader = 1\n`),
  'wheel/slots.ts': withHeader(
    `// Date.now() is for others\nexport const slot = 'setTimeout(run, 1)' + \`Date \${1 / 2} Math.random()\`\n`,
  ),
  'model/instants.ts': withHeader(`export const read = (value: Date) => new Date(value.getTime())\n`),
  'platform/ports.ts': withHeader(
    `export interface Port { readonly setTimeout: () => void; readonly Date: { now(): number }; fetch?: number }\n`,
  ),
  'platform/checksum.ts': withHeader(`import { crc32 } from 'node:zlib'\nexport const crc = crc32\n`),
  'platform/node/clock.ts': withHeader(
    `import { performance } from 'node:perf_hooks'\nexport const clock = [Date.now(), performance.now(), setTimeout, process]\n`,
  ),
}

function withHeader(code: string): string {
  return `/** What this is, its invariants, and what it does not do. */\n\n${code}`
}

/** Which rules are broken by `sound` with these files added or replaced. */
function broken(texts: Texts): string[] {
  const files = sourceFiles({ ...sound, ...texts })
  return Object.keys(rules).filter((words) => rules[words]!(files).length > 0)
}

test('a house in order breaks no rule', () => {
  expect(broken({})).toEqual([])
})

const resolve = 'imports resolve to a file of src, by its full name'
const down = 'imports go down the list of folders only'
const siblings = 'sub-folders of storage do not know each other'
const kit = 'only the entry point of the testing kit imports it'
const node = 'Node and its modules are met in platform/node only'
const packages = 'dependencies are used where they belong'
const ports = 'clock, chance, threads and environment come in through the ports'
const dates = 'wheel and model know no Date'
const cycle = 'no file imports itself through others'

const forbiddenImports: readonly (readonly [rule: string, path: string, code: string])[] = [
  [down, 'model/a.ts', `import { slot } from '../wheel/slots.ts'`],
  [down, 'model/a.ts', `import type { slot } from '../wheel/slots.ts'`],
  [down, 'model/a.ts', `import { type slot } from "../wheel/slots.ts"`],
  [down, 'model/a.ts', `import{slot}from'../wheel/slots.ts'`],
  [down, 'model/a.ts', `import\n  * as slots\nfrom\n  '../wheel/slots.ts'`],
  [down, 'model/a.ts', `import slots, { slot } from '../wheel/slots.ts'`],
  [down, 'model/a.ts', `import '../wheel/slots.ts'`],
  [down, 'model/a.ts', `import /* sly */ '../wheel/slots.ts'`],
  [down, 'model/a.ts', `export * from '../wheel/slots.ts'`],
  [down, 'model/a.ts', `export * as slots from '../wheel/slots.ts'`],
  [down, 'model/a.ts', `export type { slot } from '../wheel/slots.ts'`],
  [down, 'model/a.ts', `export const a = await import('../wheel/slots.ts')`],
  [down, 'model/a.ts', 'export const a = import(`../wheel/slots.ts`)'],
  [down, 'model/a.ts', `export type A = import('../wheel/slots.ts').Slot`],
  [down, 'model/a.ts', `export type A = typeof import(\n'../wheel/slots.ts')`],
  [down, 'model/a.ts', `import { slot } from '../wh\\u0065el/slots.ts'`],
  [down, 'model/a.ts', `const a = /'/.test(b) || /[/"]/.test(c); import { slot } from '../wheel/slots.ts'`],
  [down, 'model/a.ts', `const a = b / c; import { slot } from '../wheel/slots.ts' // '/`],
  [down, 'model/a.ts', 'const a = `${`${{ b: "}" }}`} \\` `; import { slot } from "../wheel/slots.ts"'],
  [down, 'model/a.ts', `export const { a } = b\nimport { slot } from '../wheel/slots.ts'`],
  [down, 'model/a.ts', `export default a\nimport { slot } from '../wheel/slots.ts' with { kind: 'x' }`],
  [down, 'wheel/a.ts', `import { log } from '../storage/wal/log.ts'`],
  [down, 'storage/wal/a.ts', `import { lease } from '../../delivery/lease.ts'`],
  [down, 'delivery/a.ts', `import { open } from '../engine/open.ts'`],
  [down, 'platform/a.ts', `import { read } from '../model/instants.ts'`],
  [down, 'engine/a.ts', `import { http } from '../daemon/http.ts'`],
  [down, 'client/a.ts', `import { http } from '../daemon/http.ts'`],
  [down, 'engine/a.ts', `import { open } from '../index.ts'`],
  [down, 'platform/node/a.ts', `export const worker = new URL('../../engine/open.js', import.meta.url)`],
  [down, 'elsewhere/a.ts', ''],
  [down, 'model.ts', ''],
  [siblings, 'storage/wal/a.ts', `import { reader } from '../segments/reader.ts'`],
  [siblings, 'storage/wal/deep/a.ts', `import type { reader } from '../../segments/reader.ts'`],
  [siblings, 'storage/a.ts', `import { log } from './wal/log.ts'`],
  [kit, 'engine/a.ts', `import { kit } from '../testing/kit.ts'`],
  [kit, 'index.ts', `import { kit } from './testing/kit.ts'`],
  [kit, 'index.ts', `import { kit } from './testing.ts'`],
  [node, 'engine/a.ts', `import { readFile } from 'node:fs/promises'`],
  [node, 'engine/a.ts', `import type { Readable } from 'node:stream'`],
  [node, 'engine/a.ts', `export type Stream = import('node:stream').Readable`],
  [node, 'engine/a.ts', `export const fs = require('node:fs')`],
  [node, 'engine/a.ts', `/// <reference types="node" />`],
  [node, 'platform/checksum.ts', `import { readFileSync } from 'node:fs'`],
  [node, 'storage/wal/a.ts', `import { crc32 } from 'node:zlib'`],
  [node, 'engine/a.ts', `import { clock } from '../platform/node/clock.ts'`],
  [node, 'testing/a.ts', `import { clock } from '../platform/node/clock.ts'`],
  [node, 'engine/a.ts', `export const load = (name: string) => import(name)`],
  [node, 'engine/a.ts', 'export const load = (name: string) => import(`../${name}.ts`)'],
  [packages, 'engine/a.ts', `import fs from 'fs'`],
  [packages, 'engine/a.ts', `import { Piscina } from 'piscina'`],
  [packages, 'wheel/a.ts', `import { pack } from 'msgpackr/pack'`],
  [packages, 'engine/a.ts', `import { x } from '@scope/unknown'`],
  [packages, 'platform/node/a.ts', `import { test } from 'vitest'`],
  [packages, 'engine/a.ts', `import { open } from 'hourwheel'`],
  [resolve, 'engine/a.ts', `import { open } from './open'`],
  [resolve, 'engine/a.ts', `import { open } from './open.js'`],
  [resolve, 'engine/a.ts', `import { a } from '../../test/a.ts'`],
  [resolve, 'engine/a.ts', `import { a } from '/engine/open.ts'`],
  [resolve, 'platform/node/a.ts', `export const worker = new URL('./gone.js', import.meta.url)`],
  [cycle, 'model/a.ts', `import { a } from './a.ts'`],
  [cycle, 'storage/header.ts', `import type { Log } from './wal/log.ts'`],
]

const ambientUses: readonly (readonly [rule: string, path: string, code: string])[] = [
  [ports, 'engine/a.ts', `setTimeout(run, 5)`],
  [ports, 'engine/a.ts', `const wait = setTimeout`],
  [ports, 'engine/a.ts', `globalThis.setTimeout(run, 5)`],
  [ports, 'engine/a.ts', `const now = Date.now()`],
  [ports, 'engine/a.ts', `const { now } = Date; const t = Date['now']()`],
  [ports, 'engine/a.ts', `const now = Date?.now()`],
  [ports, 'engine/a.ts', `const now = new Date()`],
  [ports, 'engine/a.ts', `const now = +new Date`],
  [ports, 'engine/a.ts', `const now = Date()`],
  [ports, 'engine/a.ts', 'const text = `at ${Date.now()}`'],
  [ports, 'engine/a.ts', `const chance = Math.random()`],
  [ports, 'engine/a.ts', `const chance = Math\n  .random()`],
  [ports, 'storage/wal/a.ts', `const id = crypto.randomUUID()`],
  [ports, 'delivery/a.ts', `const startedMs = performance.now()`],
  [ports, 'model/a.ts', `const isLinux = process.platform === 'linux'`],
  [ports, 'wheel/a.ts', `fetch('http://127.0.0.1')`],
  [ports, 'index.ts', `console.log(1)`],
  [ports, 'testing/a.ts', `setImmediate(run)`],
  [dates, 'wheel/a.ts', `const hour = new Date(0).getUTCHours()`],
  [dates, 'wheel/a.ts', `export type At = Date`],
  [dates, 'model/a.ts', `const isDate = value instanceof Date`],
]

describe('an offence is seen:', () => {
  test.each([...forbiddenImports, ...ambientUses])('%s | %s | %s', (rule, path, code) => {
    expect(broken({ [path]: withHeader(`${code}\n`) })).toContain(rule)
  })

  test.each([
    ['every file begins with a header comment', 'engine/a.ts', `export const a = 1\n`],
    ['every file begins with a header comment', 'engine/a.ts', `/** Short. */\nexport const a = 1\n`],
    ['no file is longer than 400 lines', 'engine/a.ts', withHeader('\n'.repeat(399))],
    ['folders and files are named for what they hold', 'engine/utils.ts', withHeader('')],
    ['folders and files are named for what they hold', 'engine/helpers/queues.ts', withHeader('')],
    ['folders and files are named for what they hold', 'engine/time-utils.ts', withHeader('')],
    [
      'no file names a place on the computer it was written on',
      'engine/a.ts',
      withHeader(`// see /home/ann/notes.md\n`),
    ],
  ])('%s | %s', (rule, path, text) => {
    expect(broken({ [path]: text })).toContain(rule)
  })
})

describe('the scanner', () => {
  test('sees no import in comments, strings and templates', () => {
    const text =
      `// import { a } from './a.ts'\n/* export * from './a.ts' */\nconst a = "import { a } from './a.ts'"\n` +
      'const b = `import("./a.ts") ${c} import("./b.ts")`\nconst d = object.import("./a.ts")\n'
    expect(scanSource(text)).toMatchObject({ imports: [], computedImportLines: [] })
  })

  test('tells line, kind and whether only types are meant', () => {
    const text =
      `import type { A } from './a.ts'\nimport type from './b.ts'\nimport {\n  c,\n} from './c.ts'\n` +
      `const d = await import('./d.ts')\nconst e = new URL('./e.js', import.meta.url)\nexport type { F }\nimport g from './g.ts'\n`
    expect(scanSource(text).imports.toSorted((one, other) => one.line - other.line)).toEqual([
      { specifier: './a.ts', line: 1, kind: 'static', isTypeOnly: true },
      { specifier: './b.ts', line: 2, kind: 'static', isTypeOnly: false },
      { specifier: './c.ts', line: 5, kind: 'static', isTypeOnly: false },
      { specifier: './d.ts', line: 6, kind: 'dynamic', isTypeOnly: false },
      { specifier: './e.js', line: 7, kind: 'url', isTypeOnly: false },
      { specifier: './g.ts', line: 9, kind: 'static', isTypeOnly: false },
    ])
  })
})

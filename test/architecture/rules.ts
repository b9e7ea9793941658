/**
 * The rules of the house, each a function from all files of `src` to what breaks it.
 *
 * Imports go down the list of folders only, so that each layer can be read, tested and simulated without those above it.
 * Whatever is not deterministic (clock, chance, disk, threads, environment) is reached through the ports, so that the
 * whole engine runs in a simulation with a seed.
 */

import { posix } from 'node:path'
import { scanSource, type Source } from './source-scanner.ts'

/** A file of `src`; `path` is relative to it, as in 'storage/wal/log.ts'. */
export interface SourceFile extends Source {
  readonly path: string
  readonly text: string
}

/** Path in `src` -> text. */
export type Texts = Readonly<Record<string, string>>

/** From the top down. A folder imports itself and what stands below it. */
const folders = [
  'cli',
  'daemon',
  'client',
  'protocol',
  'testing',
  'engine',
  'delivery',
  'storage',
  'wheel',
  'model',
  'platform',
]

/** What `exports` of package.json names: they stand on top of all folders. */
const entryPoints = ['index.ts', 'client.ts', 'testing.ts']

/** The places in the engine that put it on this machine: for those who open it, and for the program's work on closed directories. */
const thisMachine = ['engine/this-machine.ts', 'engine/offline.ts']

/** The only places that meet Node itself. */
const nodePlaces = ['platform/node/', 'cli/', 'daemon/', 'client/']

/** Exceptions, each a pure function of its arguments. */
const nodeImportsAllowed: Readonly<Record<string, readonly string[]>> = { 'platform/checksum.ts': ['node:zlib'] }

/** Who may use which dependency. */
const packagesAllowed: Readonly<Record<string, readonly string[]>> = {
  'chrono-node': ['cli/'],
  'cli-table3': ['cli/'],
  commander: ['cli/'],
  'find-my-way': ['daemon/'],
  lmdb: ['platform/node/'],
  msgpackr: ['model/', 'storage/', 'engine/', 'protocol/'],
  picocolors: ['cli/'],
  pino: ['daemon/', 'cli/'],
  piscina: ['platform/node/'],
  'prom-client': ['daemon/'],
  standardwebhooks: ['daemon/webhooks/'],
  typebox: ['protocol/', 'daemon/'],
  undici: ['daemon/webhooks/', 'client/'],
}

/** A module named at run time: the user's handler module, or the engine's job module. */
const computedImportsAllowed = ['platform/node/', 'testing/handlers-in-place.ts', 'daemon/handler-module.ts']

/** The turn of the real event loop between two simulated events, without which promises would not settle; a guard in real time. */
const ambientUsesAllowed: Readonly<Record<string, RegExp>> = {
  'testing/simulation-loop.ts': /: (?:setImmediate|process)$/,
  'testing/real-time.ts': /: (?:setTimeout|clearTimeout)$/,
}

/** Files that read the caller's Date objects; `Date` is no clock there. */
const dateReaders = ['model/instants.ts', 'model/hourwheel.ts']

const linesMax = 400
export const linesGoal = 300

export function sourceFiles(texts: Texts): SourceFile[] {
  return Object.entries(texts).map(([path, text]) => ({ path, text, ...scanSource(text) }))
}

/** All rules, by the words a failing test shows. */
export const rules: Readonly<Record<string, (files: readonly SourceFile[]) => string[]>> = {
  'imports resolve to a file of src, by its full name': unresolvedImports,
  'imports go down the list of folders only': upwardImports,
  'sub-folders of storage do not know each other': siblingImports,
  'only the entry point of the testing kit imports it': testingImports,
  'Node and its modules are met in platform/node only': nodeImports,
  'dependencies are used where they belong': packageImports,
  'clock, chance, threads and environment come in through the ports': ambientUses,
  'wheel and model know no Date': dateUses,
  'no file imports itself through others': cycles,
  'every file begins with a header comment': missingHeaders,
  [`no file is longer than ${linesMax} lines`]: longFiles,
  'folders and files are named for what they hold': emptyNames,
  'no file names a place on the computer it was written on': machinePaths,
}

function unresolvedImports(files: readonly SourceFile[]): string[] {
  const paths = new Set(files.map(({ path }) => path))
  return eachImport(files, (file, { specifier, kind }) => {
    if (!isRelative(specifier)) return undefined
    const target = targetOf(file.path, specifier)
    if (kind === 'url' ? paths.has(target.replace(/\.js$/, '.ts')) : paths.has(target)) return undefined
    return `no file of src: '${specifier}'`
  })
}

function upwardImports(files: readonly SourceFile[]): string[] {
  return eachImport(files, (file, { specifier }) => {
    const target = targetOf(file.path, specifier)
    if (!isRelative(specifier) || rankOf(target) >= rankOf(file.path)) return undefined
    return `${folderOf(file.path)} stands below ${folderOf(target)}: '${specifier}'`
  }).concat(
    files.filter(({ path }) => rankOf(path) === Infinity).map(({ path }) => `${path}: stands in no folder of the list`),
  )
}

function siblingImports(files: readonly SourceFile[]): string[] {
  return eachImport(files, (file, { specifier }) => {
    const [from, to] = [storagePart(file.path), storagePart(targetOf(file.path, specifier))]
    if (!isRelative(specifier) || from === undefined || to === undefined || to === from || to === '') return undefined
    return `${from === '' ? 'a shared file of storage' : `storage/${from}`} imports '${specifier}'`
  })
}

function testingImports(files: readonly SourceFile[]): string[] {
  return eachImport(files, (file, { specifier }) => {
    const isOutside = folderOf(file.path) !== 'testing' && file.path !== 'testing.ts'
    const target = targetOf(file.path, specifier)
    const isTesting = isRelative(specifier) && (folderOf(target) === 'testing' || target === 'testing.ts')
    return isOutside && isTesting ? `imports '${specifier}'` : undefined
  })
}

/** Type-only imports too: a type of Node in a signature is a promise to every user. */
function nodeImports(files: readonly SourceFile[]): string[] {
  const mayMeetNode = (path: string): boolean => isIn(path, nodePlaces)
  const ofModules = eachImport(files, (file, { specifier }) => {
    if (mayMeetNode(file.path)) return undefined
    if (specifier.startsWith('node:'))
      return nodeImportsAllowed[file.path]?.includes(specifier) ? undefined : `imports '${specifier}'`
    const meetsNode = isRelative(specifier) && isIn(targetOf(file.path, specifier), ['platform/node/'])
    return meetsNode && !entryPoints.includes(file.path) && !thisMachine.includes(file.path)
      ? `imports '${specifier}'`
      : undefined
  })
  const ofComputed = files.flatMap(({ path, computedImportLines }) =>
    isIn(path, computedImportsAllowed) ? [] : computedImportLines.map((line) => `${path}:${line}: computed import`),
  )
  return [...ofModules, ...ofComputed]
}

function packageImports(files: readonly SourceFile[]): string[] {
  return eachImport(files, (file, { specifier }) => {
    if (isRelative(specifier) || specifier.startsWith('node:')) return undefined
    const name = specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/')
    return isIn(file.path, packagesAllowed[name] ?? []) ? undefined : `imports '${specifier}'`
  })
}

/** Uses of a global: no property of that name, and no key. A method declared under such a name is taken for a use. */
const ambientGlobals = new RegExp(
  String.raw`(?<![.\w$#])(?:` +
    [
      'setTimeout|setInterval|setImmediate|clearTimeout|clearInterval|clearImmediate',
      'performance|process|fetch|crypto|console|navigator|globalThis|global|eval|Function(?=\\s*\\()',
      'Worker|MessageChannel|MessagePort|BroadcastChannel|WebSocket|FinalizationRegistry|WeakRef',
      String.raw`Math\s*\??\.\s*random|Math\s*\[|Atomics\s*\.\s*wait\w*`,
      String.raw`Date\s*\??\.\s*now|Date\s*\[|new\s+Date\b\s*(?!\s*\(\s*[^)\s])|(?<!\bnew\s+)Date\s*\(`,
    ].join('|') +
    String.raw`)(?![\w$]|\s*\??:)`,
  'g',
)

function ambientUses(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => !isIn(path, nodePlaces))
    .flatMap((file) => eachMatch([file], ambientGlobals).filter((use) => !ambientUsesAllowed[file.path]?.test(use)))
}

function dateUses(files: readonly SourceFile[]): string[] {
  return eachMatch(
    files.filter(({ path }) => isIn(path, ['wheel/', 'model/']) && !dateReaders.includes(path)),
    /(?<![.\w$])Date(?![\w$])/g,
  )
}

function cycles(files: readonly SourceFile[]): string[] {
  const next = new Map(
    files.map((file) => [
      file.path,
      file.imports
        .filter(({ specifier }) => isRelative(specifier))
        .map(({ specifier }) => targetOf(file.path, specifier)),
    ]),
  )
  const done = new Set<string>()
  const found: string[] = []
  const visit = (path: string, way: readonly string[]): void => {
    const at = way.indexOf(path)
    if (at !== -1) found.push([...way.slice(at), path].join(' -> '))
    if (at !== -1 || done.has(path)) return
    for (const target of next.get(path) ?? []) visit(target, [...way, path])
    done.add(path)
  }
  for (const { path } of files) visit(path, [])
  return found
}

function missingHeaders(files: readonly SourceFile[]): string[] {
  return files.filter(({ text }) => !/^(?:#!.*\n)?\/\*\*[^]{20,}?\*\//.test(text)).map(({ path }) => path)
}

function longFiles(files: readonly SourceFile[]): string[] {
  return filesOver(linesMax, files)
}

export function filesOver(lines: number, files: readonly SourceFile[]): string[] {
  return files
    .map(({ path, text }) => ({ path, count: text.replace(/\n$/, '').split('\n').length }))
    .filter(({ count }) => count > lines)
    .map(({ path, count }) => `${path}: ${count} lines`)
}

function emptyNames(files: readonly SourceFile[]): string[] {
  const isEmpty = (name: string): boolean => /^(?:.*-)?(?:utils?|helpers?|types?|common|misc)$/.test(name)
  return files.map(({ path }) => path).filter((path) => path.replace(/\.ts$/, '').split('/').some(isEmpty))
}

function machinePaths(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) =>
    [...text.matchAll(/(?<![\w.\-/])\/(?:work|home|Users|root|tmp)\/\w[\w/.-]*/g)].map(
      (found) => `${path}: ${found[0]}`,
    ),
  )
}

function eachImport(
  files: readonly SourceFile[],
  judge: (file: SourceFile, one: Source['imports'][number]) => string | undefined,
): string[] {
  return files.flatMap((file) =>
    file.imports.flatMap((one) => {
      const fault = judge(file, one)
      return fault === undefined ? [] : [`${file.path}:${one.line}: ${fault}`]
    }),
  )
}

function eachMatch(files: readonly SourceFile[], pattern: RegExp): string[] {
  return files.flatMap(({ path, code }) =>
    [...code.matchAll(pattern)].map(
      (found) => `${path}:${code.slice(0, found.index).split('\n').length}: ${found[0].trim()}`,
    ),
  )
}

function isRelative(specifier: string): boolean {
  return specifier.startsWith('.') || specifier.startsWith('/')
}

/** The path in `src` that a relative specifier means; it begins with '..' when it lies outside. */
function targetOf(from: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(from), specifier))
}

/** The folder directly below `src`; of an entry point, its own name. */
function folderOf(path: string): string {
  return path.split('/')[0]!
}

/** 0 for entry points, then down the list; Infinity for what is in neither. */
function rankOf(path: string): number {
  if (entryPoints.includes(path)) return 0
  const index = folders.indexOf(folderOf(path))
  return index === -1 || !path.includes('/') ? Infinity : index + 1
}

/** The sub-folder of storage that a file lies in, '' for the files they share, undefined outside storage. */
function storagePart(path: string): string | undefined {
  const [folder, part, ...rest] = path.split('/')
  if (folder !== 'storage') return undefined
  return rest.length === 0 ? '' : part
}

function isIn(path: string, places: readonly string[]): boolean {
  return places.some((place) => path.startsWith(place))
}

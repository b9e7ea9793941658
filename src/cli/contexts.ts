/**
 * Targets that are saved by name: `$XDG_CONFIG_HOME/hourwheel/contexts.json`, readable by its owner only.
 *
 * Holds paths of token files, never tokens. Written whole: to another file, then renamed.
 */

import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { CommandFailed } from './failures.ts'

/** Exactly one of `dir`, `url` and `socket`. */
export interface Context {
  readonly dir?: string
  readonly url?: string
  readonly socket?: string
  readonly tokenFile?: string
}

export interface Contexts {
  /** The one that holds where nothing else is said. */
  readonly used?: string | undefined
  readonly byName: Readonly<Record<string, Context>>
}

const nameForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const fields: readonly string[] = ['dir', 'url', 'socket', 'tokenFile']

export function contextsFile(): string {
  const { XDG_CONFIG_HOME: home = '' } = process.env
  return join(home === '' ? join(homedir(), '.config') : home, 'hourwheel', 'contexts.json')
}

export function readContexts(): Contexts {
  const file = contextsFile()
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { byName: {} }
    throw new CommandFailed(`the saved contexts cannot be read: ${(error as Error).message}`)
  }
  const contexts = parseContexts(text)
  if (contexts !== undefined) return contexts
  throw new CommandFailed(`${file} is not what hourwheel has written`, `correct it, or remove it: rm ${file}`)
}

function parseContexts(text: string): Contexts | undefined {
  try {
    const { used, byName } = JSON.parse(text) as Partial<Contexts>
    const isText = (value: unknown): boolean => typeof value === 'string'
    if (used !== undefined && !isText(used)) return undefined
    for (const [name, context] of Object.entries(byName ?? {})) {
      const entries = Object.entries(context)
      if (!nameForm.test(name) || !entries.every(([field, value]) => fields.includes(field) && isText(value)))
        return undefined
    }
    return byName === undefined ? undefined : { used, byName }
  } catch {
    return undefined
  }
}

export function writeContexts(contexts: Contexts): void {
  const file = contextsFile()
  const fresh = `${file}.${process.pid}.tmp`
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    writeFileSync(fresh, `${JSON.stringify(contexts, null, 2)}\n`, { mode: 0o600 })
    renameSync(fresh, file)
  } catch (error) {
    throw new CommandFailed(`the contexts cannot be saved: ${(error as Error).message}`)
  }
}

export function checkContextName(name: string): string {
  if (nameForm.test(name)) return name
  throw new CommandFailed(`${JSON.stringify(name)} is no name of a context: letters, digits, '.', '_' and '-'`)
}

export function contextNamed(contexts: Contexts, name: string): Context {
  const found = Object.hasOwn(contexts.byName, name) ? contexts.byName[name] : undefined
  if (found !== undefined) return found
  throw new CommandFailed(`there is no context ${name}`, 'hourwheel context list, or hourwheel context add')
}

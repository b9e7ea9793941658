/** A directory with a copy of `scripts` and nothing else of the repository, for scripts that lock, kill or refuse. */

import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface TrialRepository {
  readonly root: string
  /** Writes a program into it and returns its path. */
  write(name: string, text: string): string
  remove(): void
}

export function makeTrialRepository(neededNode = '>=20.19'): TrialRepository {
  const root = mkdtempSync(join(tmpdir(), 'hourwheel-scripts-'))
  cpSync(fileURLToPath(new URL('../../scripts', import.meta.url)), join(root, 'scripts'), { recursive: true })
  const write = (name: string, text: string): string => {
    writeFileSync(join(root, name), text)
    return join(root, name)
  }
  write('package.json', JSON.stringify({ name: 'trial', type: 'module', engines: { node: neededNode } }))
  return { root, write, remove: () => rmSync(root, { recursive: true, force: true }) }
}

/** This process's environment without what npm and vitest have put into it. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(([name]) => !/^npm_|^VITEST|^NODE_OPTIONS$/i.test(name))
  return Object.fromEntries(entries)
}

/**
 * A project as a user of the built package has it, in a directory of its own: TypeScript compiled by `tsc`, run by Node or
 * vitest, with `hourwheel` found in node_modules.
 */

import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { root } from './markdown.ts'

const tool = (name: string): string => join(root, 'node_modules', name)

export class UsersProject {
  readonly directory: string = realpathSync(mkdtempSync(join(tmpdir(), 'hourwheel-user-')))

  constructor() {
    this.write('package.json', '{ "type": "module" }\n')
    mkdirSync(join(this.directory, 'node_modules'))
    symlinkSync(root, join(this.directory, 'node_modules/hourwheel'))
    for (const name of ['vitest', '@types']) symlinkSync(tool(name), join(this.directory, 'node_modules', name))
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.directory, path)), { recursive: true })
    writeFileSync(join(this.directory, path), text)
  }

  /** Checks and compiles all TypeScript in place; answers what the compiler says. */
  compile(compilerOptions: Readonly<Record<string, unknown>> = {}): string {
    const options = {
      target: 'es2023',
      module: 'nodenext',
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      types: ['node'],
      skipLibCheck: true,
      ...compilerOptions,
    }
    this.write('tsconfig.json', JSON.stringify({ compilerOptions: options, include: ['**/*.ts'] }))
    return this.#run(process.execPath, tool('typescript/lib/tsc.js'), '-p', '.')
  }

  vitest(): string {
    // The package is linked here; without `external` it would be taken for a part of the project, and compiled again.
    this.write(
      'vitest.config.js',
      `export default {
        test: { include: ['**/*.test.js'], maxWorkers: 1, isolate: false, server: { deps: { external: [/\\/dist\\//] } } },
      }`,
    )
    return this.#run(process.execPath, tool('vitest/vitest.mjs'), 'run')
  }

  node(path: string, ...args: string[]): string {
    return this.#run(process.execPath, path, ...args)
  }

  /** Runs a program that goes on for ever until all patterns were seen in what it says; answers that. */
  nodeUntil(path: string, patterns: readonly RegExp[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [path], { cwd: this.directory, timeout: 60_000 })
      let said = ''
      const listen = (bytes: Buffer): void => {
        said += bytes.toString()
        if (patterns.every((pattern) => pattern.test(said))) child.kill()
      }
      child.stdout.on('data', listen)
      child.stderr.on('data', listen)
      child.on('error', reject)
      child.on('exit', () => resolve(said))
    })
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }

  /** Nothing when all is well, else all that was said; of a program that ended well, what it printed. */
  #run(...[command, ...args]: [string, ...string[]]): string {
    const { status, stdout, stderr } = spawnSync(command, args, { cwd: this.directory, encoding: 'utf8' })
    return status === 0 ? stdout : `exit code ${status}\n${stdout}${stderr}`
  }
}

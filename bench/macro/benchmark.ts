/** What a benchmark of the whole engine is: sizes, programs for fresh processes, and a plan that runs them and reports. */

import { spawn } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { shown, shownSpread, spreadOf } from '../shared/figures.ts'
import type { ResultRow } from '../shared/results-file.ts'

export type Size = 'tiny' | 'small' | 'full'

export type Figures = Record<string, number>

/** Runs in a process of its own. `directory` is fresh unless the plan gives one again. */
export type Program<S> = (specification: S & { readonly directory: string }) => Promise<Figures>

export interface Benchmark {
  readonly title: string
  /** What the columns mean. */
  readonly notes: string
  readonly programs: Readonly<Record<string, Program<never>>>
  run(runner: Runner): Promise<void>
}

export interface RunnerOptions {
  readonly benchmark: string
  readonly size: Size
  /** At least so many rounds of what is compared; more than the plan's own number only when asked for. */
  readonly rounds: number | undefined
  readonly place: string
}

export class Runner {
  readonly size: Size
  readonly rows: ResultRow[] = []
  readonly #options: RunnerOptions
  #directories = 0

  constructor(options: RunnerOptions) {
    this.#options = options
    this.size = options.size
  }

  rounds(usual: number): number {
    return this.#options.rounds ?? (this.size === 'tiny' ? 1 : usual)
  }

  /** A directory that a program may make its own. */
  newDirectory(): string {
    const directory = join(this.#options.place, `${this.#options.benchmark}-${++this.#directories}`)
    mkdirSync(directory)
    return directory
  }

  /** Runs a program in a fresh process. Without a directory it gets a new one, which goes when it has ended. */
  async child(
    program: string,
    specification: object,
    options: { directory?: string; nodeArguments?: readonly string[] } = {},
  ): Promise<Figures> {
    const directory = options.directory ?? this.newDirectory()
    try {
      const text = JSON.stringify({ ...specification, directory })
      return await runChild([this.#options.benchmark, program, text], options.nodeArguments ?? [])
    } finally {
      if (options.directory === undefined) rmSync(directory, { recursive: true, force: true })
    }
  }

  /** Runs `subjects` one after the other, round after round, so that a noisy minute meets all of them. */
  async alternate(
    rounds: number,
    subjects: Readonly<Record<string, () => Promise<Figures>>>,
  ): Promise<Record<string, Figures[]>> {
    const results: Record<string, Figures[]> = {}
    for (let round = 0; round < rounds; round++) {
      for (const [name, run] of Object.entries(subjects)) {
        const figures = await run()
        ;(results[name] ??= []).push(figures)
        const parts = Object.entries(figures).map(([figure, value]) => `${figure} ${shown(value)}`)
        console.log(`  round ${round + 1}, ${name}: ${parts.join(', ')}`)
      }
    }
    return results
  }

  /** Shows a table, and keeps its rows for the file of results. */
  table(rows: readonly Readonly<Record<string, string | number | readonly number[]>>[]): void {
    this.rows.push(...rows.map((row) => ({ benchmark: this.#options.benchmark, ...row })))
    console.table(
      rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, cell]) => [name, cellText(cell)]))),
    )
  }
}

/** Numbers of several rounds show as median and range. */
function cellText(cell: string | number | readonly number[]): string {
  if (typeof cell === 'string') return cell
  return typeof cell === 'number' ? shown(cell) : shownSpread(spreadOf(cell))
}

export function column(results: readonly Figures[], figure: string): number[] {
  return results.map((figures) => figures[figure]!)
}

/** Round by round: what was measured in the same minute is compared with each other. Nothing to nothing is 1. */
export function ratios(one: readonly Figures[], other: readonly Figures[], figure: string): number[] {
  return one.map((figures, round) => {
    const [value, base] = [figures[figure]!, other[round]![figure]!]
    return value === base ? 1 : value / base
  })
}

function runChild(programArguments: readonly string[], nodeArguments: readonly string[]): Promise<Figures> {
  const script = fileURLToPath(new URL('./child.js', import.meta.url))
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...nodeArguments, script, ...programArguments], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    child.on('error', reject)
    child.on('close', (code) => {
      const last = output.trimEnd().split('\n').at(-1) ?? ''
      if (code === 0 && last.startsWith('{')) resolve(JSON.parse(last) as Figures)
      else reject(new Error(`${programArguments.slice(0, 2).join(' ')} ended with code ${code}: ${output}`))
    })
  })
}

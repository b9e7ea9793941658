/**
 * Makes a data directory of a backup: verified first, under a higher incarnation, with a choice about what has fallen due since.
 *
 *   1 check     the backup is read as a whole; a damaged one is refused
 *   2 stage     its files are copied into a directory inside the new one, with a manifest that raises the incarnation
 *   3 settle    an engine without handlers does there what was chosen about overdue tasks, and closes
 *   4 move      the files get their places, the manifest last
 *
 * Until the manifest is there nothing opens the directory; a restore that was cut short is done again from the start.
 */

import { refuse } from '../../model/errors.ts'
import { incarnationLimit } from '../../model/ids.ts'
import type { Disk, Platform } from '../../platform/ports.ts'
import { copyFile, removeTree } from '../../storage/copy-file.ts'
import { filesOf, loadManifest, publishManifest, type Manifest } from '../../storage/manifest/manifest.ts'
import type { Core } from '../core.ts'
import { isOurs, queueSettingsFileName, syncParents, takeDirectory } from '../directory.ts'
import { openEngineOn } from '../open.ts'
import { verifyDirectory, type Verification } from '../verify.ts'
import { settleOverdue, type OverdueChoice, type Settled } from './overdue.ts'

export type { OverdueChoice } from './overdue.ts'

export interface RestoreSource {
  readonly disk: Disk
  readonly directory: string
  /** As messages call it. */
  readonly name: string
  /** Nobody can have it open: an archive, or a file system that is only read. */
  readonly needsNoLock?: boolean | undefined
}

export interface RestoreOptions {
  /** Left out, a restore is refused as soon as a task is overdue. */
  readonly overdue?: OverdueChoice | undefined
  readonly progress?: ((step: string) => void) | undefined
}

export interface RestoreReport extends Settled {
  readonly tasks: number
  readonly deadLetters: number
  /** Tasks whose time had passed, before the choice about them. */
  readonly overdue: number
  readonly incarnation: number
  readonly incarnationBefore: number
}

/** So few to settle need no log files of the usual size. */
const manyTasks = 1_000

const stageName = 'restore-stage'

export async function restoreBackup(
  platform: Platform,
  source: RestoreSource,
  directory: string,
  options: RestoreOptions = {},
): Promise<RestoreReport> {
  const nowMs = platform.clock.wallMs()
  const { overdue: choice } = options
  if (choice?.what === 'skip-before' && choice.at > nowMs) {
    throw refuse(
      'HW_INVALID_OPTIONS',
      'the instant to skip before lies in the future: only tasks whose time has passed are skipped',
    )
  }
  await assertNothingThere(platform.disk, directory)
  const checked = await check(platform, source, nowMs, options)
  if (checked.due > 0 && choice === undefined) {
    throw refuse(
      'HW_INVALID_OPTIONS',
      `the time of ${checked.due} tasks has passed since the backup, and they may have run since: say what to do about them, 'fire', 'skip-before' an instant, or 'set-aside'`,
      { details: { overdue: checked.due } },
    )
  }
  const lock = await takeDirectory(platform, directory)
  try {
    return await new Restore(platform, source, directory, options, checked).run(nowMs)
  } finally {
    await lock.release()
  }
}

/** Nothing but what an interrupted restore has left, which only its stage tells from a directory whose manifest was lost. */
async function assertNothingThere(disk: Disk, directory: string): Promise<void> {
  const found = await disk.stat(directory)
  if (found === undefined) return
  if (found.kind !== 'directory') throw unusable(directory, 'it is not a directory')
  const names = (await disk.list(directory)).filter((name) => name !== 'LOCK' && name !== 'lost+found')
  const isInterrupted = names.includes(stageName) && names.every((name) => name === stageName || isRestored(name))
  if (names.length > 0 && !isInterrupted) throw unusable(directory, `it is not empty: ${names[0]} is in it`)
}

async function check(
  platform: Platform,
  source: RestoreSource,
  nowMs: number,
  { progress }: RestoreOptions,
): Promise<Verification> {
  const unlocked = { lockDirectory: () => Promise.resolve({ release: () => Promise.resolve() }) }
  const reading: Platform = { ...platform, disk: source.disk, ...(source.needsNoLock === true ? unlocked : {}) }
  const told = (file: string, done: number, total: number): void =>
    progress?.(`checking ${file}, ${Math.floor((done / Math.max(1, total)) * 100)} %`)
  const checked = await verifyDirectory(reading, source.directory, told, nowMs)
  const [problem] = checked.problems
  if (problem === undefined) return checked
  throw refuse(
    'HW_CORRUPT',
    `the backup ${source.name} is damaged: ${problem.file} at ${problem.offset}: ${problem.what}; salvage a copy of it instead`,
    { details: { file: problem.file, offset: problem.offset } },
  )
}

class Restore {
  readonly #platform: Platform
  readonly #source: RestoreSource
  readonly #directory: string
  readonly #options: RestoreOptions
  readonly #checked: Verification
  readonly #stage: string

  constructor(
    platform: Platform,
    source: RestoreSource,
    directory: string,
    options: RestoreOptions,
    checked: Verification,
  ) {
    this.#platform = platform
    this.#source = source
    this.#directory = directory
    this.#options = options
    this.#checked = checked
    this.#stage = `${directory}/${stageName}`
  }

  async run(nowMs: number): Promise<RestoreReport> {
    const { disk } = this.#platform
    for (const name of await disk.list(this.#directory)) {
      if (isRestored(name)) await disk.remove(`${this.#directory}/${name}`)
    }
    await removeTree(disk, this.#stage)
    await disk.makeDirectory(this.#stage)
    await disk.syncDirectory(this.#directory)
    await syncParents(this.#platform, this.#directory)
    const manifest = (await loadManifest(this.#source.disk, this.#source.directory))!
    const incarnation = (manifest.incarnation % (incarnationLimit - 1)) + 1
    await this.#copy({
      ...manifest,
      incarnation,
      clockMs: Math.max(manifest.clockMs, nowMs),
      number: manifest.number + 1,
    })
    const settled = await this.#settle(nowMs)
    await this.#moveIn()
    const { tasks, deadLetters, due } = this.#checked
    return { ...settled, tasks, deadLetters, overdue: due, incarnation, incarnationBefore: manifest.incarnation }
  }

  /** Whoever restores says that the clock is right: that it is far ahead of the backup holds nothing. */
  async #copy(manifest: Manifest): Promise<void> {
    const { disk } = this.#platform
    const { disk: from, directory } = this.#source
    const names = filesOf(manifest)
    if ((await from.stat(`${directory}/${queueSettingsFileName}`)) !== undefined) names.push(queueSettingsFileName)
    for (const [index, name] of names.entries()) {
      this.#options.progress?.(`copying ${name} (${index + 1} of ${names.length})`)
      await copyFile(from, `${directory}/${name}`, disk, `${this.#stage}/${name}`)
    }
    await publishManifest(disk, this.#stage, manifest)
  }

  async #settle(nowMs: number): Promise<Settled> {
    const { overdue: choice } = this.#options
    if (this.#checked.due === 0 || choice === undefined || choice.what === 'fire') return { skipped: 0, setAside: 0 }
    let core: Core | undefined
    const options = { dir: this.#stage, walFileBytes: this.#checked.due > manyTasks ? 16 << 20 : 256 << 10 }
    const engine = await openEngineOn(this.#platform, options, undefined, (parts) => {
      core = parts
    })
    try {
      return await settleOverdue(core!, choice, nowMs, (tasks) => {
        this.#options.progress?.(`${tasks} of ${this.#checked.due} overdue tasks settled`)
      })
    } finally {
      await engine.close({ drain: 0 })
    }
  }

  async #moveIn(): Promise<void> {
    const { disk } = this.#platform
    const names = (await disk.list(this.#stage)).filter((name) => isRestored(name) && !name.endsWith('.tmp'))
    for (const name of names) await disk.rename(`${this.#stage}/${name}`, `${this.#directory}/${name}`)
    await disk.syncDirectory(this.#directory)
    await disk.rename(`${this.#stage}/MANIFEST`, `${this.#directory}/MANIFEST`)
    await disk.syncDirectory(this.#directory)
    await removeTree(disk, this.#stage)
  }
}

function unusable(directory: string, why: string): Error {
  return refuse('HW_DIRECTORY_UNUSABLE', `a backup cannot be restored to ${directory}: ${why}`, {
    details: { directory },
  })
}

/** What a restore may have left, or may be left of an engine's start. */
function isRestored(name: string): boolean {
  return isOurs(name) || name.endsWith('.tmp')
}

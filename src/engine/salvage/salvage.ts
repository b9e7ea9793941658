/**
 * Makes a sound directory of a damaged one: all that can be read is kept, what is gone is told by file and number of tasks.
 *
 *   1 look      survey and sift: what there is and what of it counts; nothing is changed
 *   2 aside     every file that will go is copied to a directory beside, synced
 *   3 stage     new files are written into a directory of their own, synced
 *   4 move      they get their places, under names that no old file has; directory synced
 *   5 publish   a new manifest, with a higher incarnation, names them and the segments that stay
 *   6 remove    what it does not name
 *
 * Killed or without power at any time, the old manifest (or its absence) still holds until 5 and the new one from then on; a
 * salvage that was cut short is done again from the start. Ids of before are not known any more, by the incarnation.
 */

import { refuse } from '../../model/errors.ts'
import { incarnationLimit } from '../../model/ids.ts'
import type { Disk, Platform } from '../../platform/ports.ts'
import { copyFile, removeTree } from '../../storage/copy-file.ts'
import { fileNumberOf, isDataFileName, parseLogFileName } from '../../storage/file-meta.ts'
import { filesOf, publishManifest, type Manifest } from '../../storage/manifest/manifest.ts'
import { forgivingDisk } from '../../storage/forgiving-disk.ts'
import { readAheadDisk } from '../../storage/read-ahead-disk.ts'
import { syncParents, takeDirectory } from '../directory.ts'
import type { Loss } from '../inspect/findings.ts'
import { surveyDirectory, type Survey } from '../inspect/survey.ts'
import { Unreadable } from '../inspect/unreadable.ts'
import { mendLedger, type Balance } from './mended-ledger.ts'
import { sift, type Sifted } from './sift.ts'
import { writeAnew, type Written } from './write-anew.ts'

const stageName = 'salvage-stage'

export interface SalvageOptions {
  /** Where the originals go: a directory that is not there yet, or is empty. Default `<directory>/salvaged-<time>`. */
  readonly aside?: string | undefined
  /** Only says what would be done. */
  readonly dryRun?: boolean | undefined
  readonly progress?: ((step: string) => void) | undefined
}

export interface SalvageReport extends Balance {
  /** Where the originals are; undefined for a dry run. */
  readonly aside: string | undefined
  readonly incarnation: number
  readonly incarnationBefore: number | undefined
  /** What was kept. */
  readonly tasks: number
  readonly deadLetters: number
  readonly segmentsKept: number
  readonly segmentsWritten: number
  /** What could not be read. */
  readonly losses: readonly Loss[]
}

export async function salvageDirectory(
  platform: Platform,
  directory: string,
  options: SalvageOptions = {},
): Promise<SalvageReport> {
  if ((await platform.disk.stat(directory)) === undefined) {
    throw refuse('HW_DIRECTORY_UNUSABLE', `${directory} is not there`, { details: { directory } })
  }
  const lock = await takeDirectory(platform, directory)
  try {
    return await new Salvage(platform, directory, options).run()
  } finally {
    await lock.release()
  }
}

class Salvage {
  readonly #platform: Platform
  readonly #disk: Disk
  readonly #directory: string
  readonly #options: SalvageOptions
  readonly #unreadable = new Unreadable()
  readonly #forgiving: Disk

  constructor(platform: Platform, directory: string, options: SalvageOptions) {
    this.#platform = platform
    this.#disk = platform.disk
    this.#directory = directory
    this.#options = options
    const unreadable = this.#unreadable
    const forgiving = forgivingDisk(platform.disk, (path, offset, bytes) => unreadable.add(path, offset, bytes))
    this.#forgiving = readAheadDisk(forgiving)
  }

  async run(): Promise<SalvageReport> {
    const stage = `${this.#directory}/${stageName}`
    const { dryRun = false } = this.#options
    const progress = this.#options.progress ?? (() => undefined)
    if (!dryRun) await removeTree(this.#disk, stage)
    progress('reading the log and the snapshot')
    const survey = await surveyDirectory(this.#forgiving, this.#directory)
    if (!survey.names.some((name) => isDataFile(name))) {
      throw refuse('HW_DIRECTORY_UNUSABLE', `${this.#directory} holds nothing of hourwheel`, {
        details: { directory: this.#directory },
      })
    }
    const sifted = await sift(this.#forgiving, this.#directory, survey, (file, index, count) => {
      progress(`reading ${file} (${index + 1} of ${count})`)
    })
    const { ledger, manifest } = survey
    const balance = mendLedger(survey, sifted)
    const incarnation = this.#nextIncarnation(manifest)
    let aside: string | undefined
    if (!dryRun) {
      aside = await this.#setAside(survey, sifted, progress)
      await this.#disk.makeDirectory(stage)
      const openCount = survey.openCountMax + 1
      const place = {
        platform: this.#platform,
        forgiving: this.#forgiving,
        directory: this.#directory,
        stage,
        openCount,
        firstFileNumber: firstFree(survey),
        logNumber: Math.max(0, ...survey.names.map((name) => parseLogFileName(name)?.number ?? 0)) + 1,
      }
      const written = await writeAnew(place, survey, sifted, ledger, (file) =>
        progress(`writing what counts of ${file}`),
      )
      await this.#moveIn(stage)
      progress('publishing')
      const next = this.#manifestOf(survey, sifted, written, openCount, incarnation)
      await publishManifest(this.#disk, this.#directory, next)
      await this.#removeOthers(next)
      await removeTree(this.#disk, stage)
    }
    return {
      ...balance,
      aside,
      incarnation,
      incarnationBefore: manifest?.incarnation,
      tasks: sifted.found.tasks,
      deadLetters: sifted.found.dead.size,
      segmentsKept: sifted.segments.filter(({ fate }) => fate === 'stays').length,
      segmentsWritten: sifted.segments.filter(({ fate }) => fate === 'written anew').length,
      losses: [...survey.losses, ...sifted.losses, ...this.#unreadable.losses()],
    }
  }

  /** One more than before; when it is not known, by lot: that it is the same is as likely as one in 260,000. */
  #nextIncarnation(manifest: Manifest | undefined): number {
    if (manifest !== undefined) return (manifest.incarnation % (incarnationLimit - 1)) + 1
    return 1 + Math.floor(this.#platform.random.unit() * (incarnationLimit - 1))
  }

  /** Copies every file that will not stay, and what is of no use any more, before anything is changed. */
  async #setAside(survey: Survey, sifted: Sifted, progress: (step: string) => void): Promise<string> {
    const stays = new Set(sifted.segments.filter(({ fate }) => fate === 'stays').map(({ segment }) => segment.fileName))
    const aside = this.#options.aside ?? (await this.#asideName())
    if ((await this.#disk.stat(aside)) !== undefined && (await this.#disk.list(aside)).length > 0) {
      throw refuse('HW_DIRECTORY_UNUSABLE', `${aside} is not empty: the originals would be mixed with what is in it`, {
        details: { directory: aside },
      })
    }
    await this.#disk.makeDirectory(aside)
    for (const name of survey.names) {
      if (!isDataFile(name) || stays.has(name)) continue
      progress(`copying ${name} aside`)
      await copyFile(this.#forgiving, `${this.#directory}/${name}`, this.#disk, `${aside}/${name}`)
    }
    await this.#disk.syncDirectory(aside)
    await syncParents(this.#platform, aside)
    return aside
  }

  async #asideName(): Promise<string> {
    const time = new Date(this.#platform.clock.wallMs()).toISOString().replaceAll(/[-:]/gu, '').slice(0, 15)
    for (let more = 1; ; more++) {
      const name = `${this.#directory}/salvaged-${time}Z${more === 1 ? '' : `-${more}`}`
      if ((await this.#disk.stat(name)) === undefined) return name
    }
  }

  async #moveIn(stage: string): Promise<void> {
    for (const name of await this.#disk.list(stage)) {
      await this.#disk.rename(`${stage}/${name}`, `${this.#directory}/${name}`)
    }
    await this.#disk.syncDirectory(this.#directory)
    await this.#disk.syncDirectory(stage)
  }

  #manifestOf(survey: Survey, sifted: Sifted, written: Written, openCount: number, incarnation: number): Manifest {
    const { manifest } = survey
    const { number, name, fileId, firstLsn } = written.log
    const staying = sifted.segments.filter(({ fate }) => fate === 'stays').map(({ segment }) => segment.meta!)
    return {
      format: 1,
      incarnation,
      openCount,
      number: (manifest?.number ?? 0) + 1,
      clockMs: Math.max(manifest?.clockMs ?? 0, Math.floor(survey.wallMsMax)),
      wal: [{ number, name, fileId, firstLsn, sealed: true }],
      segments: [...staying, ...written.segments],
      snapshot: written.snapshot,
      nextFileNumber: written.nextFileNumber,
      clean: false,
      keyed: manifest?.keyed === true || sifted.found.hasKeys,
    }
  }

  async #removeOthers(manifest: Manifest): Promise<void> {
    const named = new Set(['MANIFEST', ...filesOf(manifest)])
    for (const name of await this.#disk.list(this.#directory)) {
      if (isDataFile(name) && !named.has(name)) await this.#disk.remove(`${this.#directory}/${name}`)
    }
    await this.#disk.syncDirectory(this.#directory)
  }
}

function isDataFile(name: string): boolean {
  return name === 'MANIFEST' || isDataFileName(name)
}

/** No file has this number or a larger one. */
function firstFree({ manifest, names }: Survey): number {
  const numbers = names.map((name) => fileNumberOf(name) ?? 0)
  return Math.max(manifest?.nextFileNumber ?? 1, ...numbers.map((number) => number + 1))
}

/**
 * Merges segments when very many cover the same hours, or most of what they hold no longer counts (merging.ts says which), one
 * merge at a time and beside the checkpoints, which must not wait for it: the log would fill up.
 *
 * The same order as for a checkpoint: what a merge drops was ended, moved or superseded by records that are synced before
 * the manifest is published; then rows and searches see the new segments, and the old ones go.
 * A merge in vain (damage in what it reads, a full disk, one of its segments retired meanwhile, the engine stops) changes nothing.
 */

import type { Ledger } from '../model/ledger.ts'
import { hourOf } from '../model/units.ts'
import { isDiskFull } from '../platform/passing-failures.ts'
import type { Platform } from '../platform/ports.ts'
import { segmentFileName, type SegmentMeta } from '../storage/file-meta.ts'
import type { Log } from '../storage/wal/log.ts'
import type { Exclusive } from './exclusive.ts'
import type { FileHolds } from './file-holds.ts'
import { encodeLedger } from './ledger-sections.ts'
import { filesToMerge, type MergeLimits } from './merging.ts'
import type { Publication } from './publication.ts'
import { SegmentJob } from './segment-job.ts'
import type { SegmentSet } from './segment-set.ts'

/** A merge needs room for a second copy: where there was none, the next try is this much later. */
const fullDiskPauseMs = 600_000

export interface MergerParts {
  readonly platform: Platform
  readonly directory: string
  readonly openCount: number
  readonly ledger: Ledger
  readonly log: Log
  readonly segments: SegmentSet
  readonly exclusive: Exclusive
  readonly publication: Publication
  readonly holds: FileHolds
  readonly limits: MergeLimits
  failed(error: unknown): void
}

export class Merger {
  readonly #parts: MergerParts
  /** Segments with damage, which no merge touches. */
  readonly #unmergeable: Set<number> = new Set()
  /** Not 0: the merge under way is to be given up. The job looks at it, in its thread. */
  readonly #stop: Int32Array = new Int32Array(new SharedArrayBuffer(4))
  #running: Promise<void> | undefined
  #notBeforeMs = -Infinity
  /** From here on what was written may be live: a failure is final. */
  #publishing = false
  count = 0

  constructor(parts: MergerParts) {
    this.#parts = parts
  }

  /** Begins a merge if there is reason for one and none under way. */
  poke(): void {
    const { platform, segments, ledger, limits } = this.#parts
    if (this.#isStopped || this.#running !== undefined || platform.clock.monotonicMs() < this.#notBeforeMs) return
    const mergeable = segments.metas().filter(({ number }) => !this.#unmergeable.has(number))
    const nowHour = hourOf(platform.clock.wallMs())
    const metas = filesToMerge(mergeable, nowHour, (from, to) => liveBetween(ledger, from, to), limits)
    if (metas === undefined) return
    this.#running = this.#merge(metas, nowHour)
      .catch((error: unknown) => {
        if (!this.#isStopped) this.#parts.failed(error)
      })
      .finally(() => {
        this.#running = undefined
      })
  }

  async stop(): Promise<void> {
    Atomics.store(this.#stop, 0, 1)
    await this.#running
  }

  get #isStopped(): boolean {
    return Atomics.load(this.#stop, 0) !== 0
  }

  async #merge(metas: readonly SegmentMeta[], nowHour: number): Promise<void> {
    const { platform, directory, openCount, log, ledger, publication } = this.#parts
    const job = new SegmentJob(platform, publication)
    const lsn = log.appendedLsn
    try {
      const written = await job.run('merge', {
        directory,
        openCount,
        metas,
        ledger: [...encodeLedger(ledger)],
        oldestHour: ledger.oldestHour,
        nowHour,
        stop: this.#stop,
      })
      await platform.disk.syncDirectory(directory)
      if (!(await this.#publish(metas, written, lsn))) await job.discard(directory)
    } catch (error) {
      if (this.#publishing || this.#isStopped) throw error
      // A segment that a checkpoint has retired is gone from under the merge: no failure, there was nothing left in it.
      if (this.#areLive(metas)) this.#learn(error, metas)
      await job.discard(directory)
    }
  }

  /** What a merge in vain means for the next one; throws what means more than that. */
  #learn(error: unknown, metas: readonly SegmentMeta[]): void {
    // Damage is settled where it is read for promotion: such files are left as they are.
    if ((error as { code?: unknown }).code === 'HW_CORRUPT') {
      for (const { number } of metas) this.#unmergeable.add(number)
    } else if (isDiskFull(error)) this.#notBeforeMs = this.#parts.platform.clock.monotonicMs() + fullDiskPauseMs
    else throw error
  }

  #areLive(metas: readonly SegmentMeta[]): boolean {
    const live = new Set(this.#parts.publication.manifest.segments.map(({ number }) => number))
    return metas.every(({ number }) => live.has(number))
  }

  /** False when a segment was retired meanwhile: marks that kept copies in it from counting may be gone with it. */
  #publish(metas: readonly SegmentMeta[], written: readonly SegmentMeta[], lsn: number): Promise<boolean> {
    const { directory, log, segments, exclusive, publication, holds } = this.#parts
    const merged = new Set(metas.map(({ number }) => number))
    return exclusive.run(async () => {
      await log.whenSynced(lsn)
      if (this.#isStopped) throw new Error('the engine stops, so this merge is given up; nothing is lost by it')
      if (!this.#areLive(metas)) return false
      const rest = publication.manifest.segments.filter(({ number }) => !merged.has(number))
      await publication.publish({ segments: [...rest, ...written] }, () => {
        this.#publishing = true
      })
      for (const meta of written) await segments.open(meta)
      for (const number of merged) await segments.retire(number)
      this.#publishing = false
      for (const meta of metas) await holds.remove(`${directory}/${segmentFileName(meta)}`)
      this.count++
      return true
    })
  }
}

function liveBetween(ledger: Ledger, hourFrom: number, hourTo: number): number {
  let live = 0
  for (const hour of ledger.hours.values()) if (hour.hour >= hourFrom && hour.hour <= hourTo) live += hour.live
  return live
}

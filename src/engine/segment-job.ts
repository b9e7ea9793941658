/** Runs the jobs that write segments, and removes what they wrote in vain. */

import type { Platform } from '../platform/ports.ts'
import { fileNumberOf, type SegmentMeta } from '../storage/file-meta.ts'
import type { CheckpointInput, CheckpointOutput } from './checkpoint-job.ts'
import type { MergeInput } from './merge-job.ts'
import type { Publication } from './publication.ts'

/** No job writes more files: a checkpoint has at most 32 of tasks and one of dead letters. */
const filesMax = 64
const triesMax = 3

/** The numbers of the files that a job may have written. */
interface Numbers {
  readonly from: number
  /** Behind the last one. */
  readonly to: number
}

export class SegmentJob {
  readonly #platform: Platform
  readonly #publication: Publication
  readonly #numbers: Numbers[] = []

  constructor(platform: Platform, publication: Publication) {
    this.#platform = platform
    this.#publication = publication
  }

  /** When the thread dies (out of memory, say) it is run again with other file numbers: what it left is nobody's. */
  async run(job: 'checkpoint', input: Omit<CheckpointInput, 'firstNumber'>): Promise<readonly SegmentMeta[]>
  async run(job: 'merge', input: Omit<MergeInput, 'firstNumber'>): Promise<readonly SegmentMeta[]>
  async run(job: string, input: object): Promise<readonly SegmentMeta[]> {
    for (let tries = 1; ; tries++) {
      const firstNumber = this.reserve(filesMax)
      try {
        const output = await this.#platform.threads.run(job, { ...input, firstNumber })
        return (output as CheckpointOutput).segments
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'THREAD_DIED' || tries === triesMax) throw error
      }
    }
  }

  /** The first of `count` numbers for files that go with those of the job. */
  reserve(count: number): number {
    const from = this.#publication.reserve(count)
    this.#numbers.push({ from, to: from + count })
    return from
  }

  /** What was written and not published is nobody's: it goes, to make room. */
  async discard(directory: string): Promise<void> {
    const { disk } = this.#platform
    for (const name of await disk.list(directory)) {
      const number = fileNumberOf(name.replace(/\.tmp$/u, ''))
      if (number === undefined) continue
      if (this.#numbers.some(({ from, to }) => number >= from && number < to)) await disk.remove(`${directory}/${name}`)
    }
  }
}

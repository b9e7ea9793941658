/** The jobs that run in the background thread, by name; the platform's thread imports this module. */

import type { Jobs } from '../platform/jobs.ts'
import { mergeJob, type MergeInput } from './merge-job.ts'
import { checkpointJob, type CheckpointInput } from './checkpoint-job.ts'

export const jobs: Jobs = {
  merge: (disk, random, input) => mergeJob(disk, random, input as MergeInput),
  checkpoint: (disk, random, input) => checkpointJob(disk, random, input as CheckpointInput),
}

/** The worker's side of threads.ts: runs the jobs of a module, with a disk and random numbers of its own. */

import { workerData } from 'node:worker_threads'
import { move, transferableSymbol, valueSymbol } from 'piscina'
import { buffersToMove, failureOf, type JobOutcome, type Jobs, runJob } from '../jobs.ts'
import { createNodeDisk } from './node-disk.ts'
import { createNodeRandom } from './node-random.ts'

export interface JobWorkerData {
  readonly jobsModule: string
}

export interface JobMessage {
  readonly job: string
  readonly input: unknown
}

const { jobsModule } = workerData as JobWorkerData
const disk = createNodeDisk()
const random = createNodeRandom()

export default async function answer(message: JobMessage): Promise<unknown> {
  const outcome = await outcomeOf(message)
  const buffers = buffersToMove(outcome)
  if (buffers.length === 0) return outcome
  // Piscina moves what an object with these two members names, and sends the value.
  return move({ [transferableSymbol]: buffers, [valueSymbol]: outcome })
}

/** Loads the module here rather than above, so that its failure is the job's and not the thread's. */
async function outcomeOf({ job, input }: JobMessage): Promise<JobOutcome> {
  let jobs: Jobs
  try {
    jobs = ((await import(jobsModule)) as { jobs: Jobs }).jobs
  } catch (error) {
    return failureOf(error)
  }
  return runJob(jobs, job, disk, random, input)
}

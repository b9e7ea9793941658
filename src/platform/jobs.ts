/**
 * What a job in a thread is, and how its failure comes back: errors lose their code and class on the way between
 * threads, so they travel as plain data.
 *
 * An error that comes back has the message, stack, name and own properties (code, outcome, details, ...) of the one
 * that was thrown, but only the class Error.
 */

import type { Disk, Random } from './ports.ts'

/** A pure function of its arguments. Its input is a copy, unless it is shared memory; its output is moved. */
export type Job = (disk: Disk, random: Random, input: unknown) => Promise<unknown>

export type Jobs = Readonly<Record<string, Job>>

/** How a job ended, as plain data. */
export type JobOutcome = { readonly result: unknown } | { readonly failure: JobFailure }

export interface JobFailure {
  readonly message: string
  readonly name: string
  readonly stack: string | undefined
  readonly properties: Readonly<Record<string, unknown>>
}

export async function runJob(jobs: Jobs, job: string, disk: Disk, random: Random, input: unknown): Promise<JobOutcome> {
  try {
    const run = Object.hasOwn(jobs, job) ? jobs[job] : undefined
    if (run === undefined) throw Object.assign(new Error(`no job is called ${job}`), { code: 'NO_SUCH_JOB' })
    return { result: await run(disk, random, input) }
  } catch (error) {
    return failureOf(error)
  }
}

/** The result of a job, or its failure thrown. */
export function resultOf(outcome: JobOutcome): unknown {
  if ('result' in outcome) return outcome.result
  const { message, name, stack, properties } = outcome.failure
  const error = Object.assign(new Error(message), properties)
  Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true })
  if (stack !== undefined) error.stack = stack
  throw error
}

export function failureOf(error: unknown): JobOutcome {
  if (!(error instanceof Error)) {
    return { failure: { message: String(error), name: 'Error', stack: undefined, properties: {} } }
  }
  const properties: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(error)) if (isPlain(value)) properties[key] = value
  return { failure: { message: error.message, name: error.name, stack: error.stack, properties } }
}

function isPlain(value: unknown): boolean {
  if (value === null || typeof value !== 'object') return typeof value !== 'function' && typeof value !== 'symbol'
  return Object.values(value).every(isPlain)
}

/**
 * Buffers in a result that can be moved instead of copied: those of typed arrays that are all of their buffer, looked
 * for three levels deep.
 */
export function buffersToMove(value: unknown, levels = 3): ArrayBuffer[] {
  const found = new Set<ArrayBuffer>()
  collect(value, levels, found)
  return [...found]
}

function collect(value: unknown, levels: number, found: Set<ArrayBuffer>): void {
  if (value === null || typeof value !== 'object') return
  if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof ArrayBuffer && value.byteLength === value.buffer.byteLength) found.add(value.buffer)
  } else if (value instanceof ArrayBuffer) found.add(value)
  else if (levels > 0) for (const part of Object.values(value)) collect(part, levels - 1, found)
}

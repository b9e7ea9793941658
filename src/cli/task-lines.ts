/**
 * Tasks as lines of JSON, from a file or standard input, scheduled in batches. A batch is one durable unit, and the next one
 * is read only when it is on disk, so that memory is bounded and what is done is a prefix of the input.
 *
 * A line is a task as `scheduleMany` takes it: { queue, at | delay, payload | payloadBase64, key, ... }; empty lines are
 * skipped. Of a batch with a bad line nothing is scheduled; the error says its number and where to go on.
 */

import { createReadStream } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Readable } from 'node:stream'
import type { Hourwheel } from '../model/engine.ts'
import { HourwheelError } from '../model/errors.ts'
import type { TaskInput } from '../model/hourwheel.ts'
import { changedInteger, changedText } from '../protocol/exact-json.ts'
import { taskFromWire } from '../protocol/wire.ts'
import { CommandFailed, exitCode } from './failures.ts'

const batchTasksMax = 5_000
const batchBytesMax = 2 << 20
const lineBytesMax = 4 << 20
const newline = 0x0a

interface Line {
  /** 1 for the first line of the input. */
  readonly number: number
  readonly task: TaskInput
}

export interface Progress {
  /** Lines read and done with. */
  lines: number
  bytes: number
  created: number
  kept: number
  replaced: number
}

export interface LinesOptions {
  /** Path, or - for standard input. */
  readonly input: string
  /** Lines to leave out at the beginning: what an earlier run has done. */
  readonly skip?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: Progress) => void
}

/** Schedules all lines; resolves with what became of them. */
export async function scheduleLines(wheel: Hourwheel, options: LinesOptions): Promise<Progress> {
  const { input, skip = 0, signal, onProgress = () => undefined } = options
  const progress: Progress = { lines: 0, bytes: 0, created: 0, kept: 0, replaced: 0 }
  const batch: Line[] = []
  let batchBytes = 0
  const flush = async (): Promise<void> => {
    if (batch.length > 0) await scheduleBatch(wheel, batch, progress, signal)
    batch.length = 0
    batchBytes = 0
    onProgress(progress)
  }
  const source = openInput(input)
  const cut = (): void => void source.destroy()
  signal?.addEventListener('abort', cut)
  let number = 0
  try {
    for await (const lines of linesOf(source)) {
      for (const bytes of lines) {
        number++
        progress.bytes += bytes.length + 1
        if (number > skip) {
          const line = parseLine(bytes, number, batch[0]?.number ?? number)
          if (line !== undefined) batch.push(line)
          batchBytes += bytes.length
          if (batch.length >= batchTasksMax || batchBytes >= batchBytesMax) {
            progress.lines = number
            await flush()
          }
        }
        if (signal?.aborted === true) return progress
      }
      // What is there is done at once: the next line may be long in coming.
      progress.lines = number
      await flush()
    }
  } catch (error) {
    if (signal?.aborted === true) return progress
    throw isSystemError(error) ? new CommandFailed(`--input: ${error.message}`) : error
  } finally {
    signal?.removeEventListener('abort', cut)
    source.destroy()
  }
  return progress
}

function openInput(input: string): Readable {
  return input === '-' ? process.stdin : createReadStream(input, { highWaterMark: 1 << 20 })
}

/** The whole lines of each chunk; the last one may have no end. */
async function* linesOf(source: Readable): AsyncGenerator<Buffer[]> {
  let rest: Buffer = Buffer.alloc(0)
  let count = 0
  for await (const chunk of source as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const lines: Buffer[] = []
    let from = 0
    for (let at = bytes.indexOf(newline); at !== -1; at = bytes.indexOf(newline, from)) {
      lines.push(bytes.subarray(from, at))
      from = at + 1
    }
    rest = bytes.subarray(from)
    count += lines.length
    if (rest.length > lineBytesMax) throw badLine(count + 1, count + 1, `is longer than ${lineBytesMax} bytes`)
    if (lines.length > 0) yield lines
  }
  if (rest.length > 0) yield [rest]
}

function parseLine(bytes: Buffer, number: number, batchFrom: number): Line | undefined {
  const text = bytes.toString().trim()
  if (text === '') return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw badLine(number, batchFrom, `is no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badLine(number, batchFrom, 'is no object; a line is like {"queue":"email","delay":"1h","payload":{}}')
  }
  const changed = changedInteger(text)
  if (changed !== undefined) throw badLine(number, batchFrom, changedText(changed))
  try {
    return { number, task: taskFromWire(value) }
  } catch (error) {
    throw error instanceof HourwheelError ? badLine(number, batchFrom, `is refused: ${told(error)}`) : error
  }
}

async function scheduleBatch(
  wheel: Hourwheel,
  batch: readonly Line[],
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<void> {
  const [from, to] = [batch[0]!.number, batch.at(-1)!.number]
  for (;;) {
    try {
      for (const { outcome } of await wheel.scheduleMany(batch.map(({ task }) => task))) progress[outcome]++
      return
    } catch (error) {
      if (!(error instanceof HourwheelError)) throw error
      const { code, index, retryAfterMs, outcome } = error
      if (code === 'HW_OVERLOADED') {
        await sleep(retryAfterMs ?? 100, undefined, signal === undefined ? {} : { signal })
        continue
      }
      if (index !== undefined) throw badLine(batch[index]!.number, from, `is refused: ${told(error)}`)
      const state = outcome === 'unknown' ? 'may be scheduled or not, all or none' : 'are not scheduled'
      const hint = outcome === 'unknown' ? 'Lines with a key can be repeated safely.' : ''
      throw new CommandFailed(
        `${error.code}: ${error.message}. Lines 1 to ${from - 1} are done, lines ${from} to ${to} ${state}. ${hint}`.trim(),
        `the same command with --skip ${from - 1}`,
      )
    }
  }
}

function badLine(number: number, batchFrom: number, why: string): CommandFailed {
  const done =
    batchFrom > 1 ? `Lines 1 to ${batchFrom - 1} are done; of those after them nothing is` : 'Nothing is done'
  return new CommandFailed(
    `line ${number} ${why}. ${done}.`,
    `correct line ${number}, then the same command${batchFrom > 1 ? ` with --skip ${batchFrom - 1}` : ''}`,
    exitCode.no,
  )
}

function told({ code, message }: HourwheelError): string {
  return `${code}: ${message.replace(/^tasks\[\d+\]: /, '')}`
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error
}

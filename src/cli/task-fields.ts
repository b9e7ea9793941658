/** The options that describe a task: when, what with, how often it is tried. Values are checked by the engine. */

import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { defined } from '../model/fields.ts'
import type { OnConflict, TaskInput } from '../model/hourwheel.ts'
import type { RetryOptions } from '../model/retry.ts'
import { conflictModes } from '../model/task-encoder.ts'
import { changedInteger, changedText } from '../protocol/exact-json.ts'
import { CommandFailed } from './failures.ts'
import { parseHumanDelay, parseHumanTime } from './human-time.ts'

export interface WhenOptions {
  readonly at?: string
  readonly in?: string
}

export function withWhen(command: Command): Command {
  return command
    .option('--at <time>', "when it fires: 'tomorrow 9am', 'in 30 days', ISO text or epoch milliseconds")
    .option('--in <duration>', "how long from now: 90s, 1h30m, '2 days', PT15M")
}

/** Exactly one of the two. */
export async function whenOf({ at, in: delay }: WhenOptions): Promise<{ at: number } | { delay: number }> {
  if ((at === undefined) === (delay === undefined)) {
    throw new CommandFailed('say when: either --at or --in', "--at 'tomorrow 9am', or --in 90s")
  }
  if (at !== undefined) return { at: await parseHumanTime(at, '--at') }
  return { delay: parseHumanDelay(delay!, '--in') }
}

export interface TaskOptions extends WhenOptions {
  readonly payload?: string
  readonly bytes?: string
  readonly key?: string
  readonly onConflict?: OnConflict
  readonly attempts?: number
  readonly backoff?: 'fixed' | 'exponential'
  readonly retryDelay?: string
  readonly retryDelayMax?: string
  readonly retryJitter?: number
  readonly retryAgeMax?: string
  readonly timeout?: string
  readonly expires?: string
  readonly header?: readonly string[]
}

export function withTaskFields(command: Command): Command {
  return withWhen(command)
    .option('--payload <json>', 'JSON; @file reads it from a file, - from standard input')
    .option('--bytes <file>', 'a payload of bytes from a file, - from standard input')
    .option('--key <key>', 'what the task is for: names at most one unended task of its queue')
    .addOption(
      new Option('--on-conflict <mode>', 'when a task has the key already (default: keep)').choices(conflictModes),
    )
    .option('--attempts <count>', 'at most so many', parseCount)
    .addOption(new Option('--backoff <kind>', 'how delays between attempts grow').choices(['fixed', 'exponential']))
    .option('--retry-delay <duration>', 'before the second attempt')
    .option('--retry-delay-max <duration>', 'no delay is longer')
    .option('--retry-jitter <share>', 'how much of a delay is random, 0 to 1', parseShare)
    .option('--retry-age-max <duration>', 'no attempt later than so long after the fire time')
    .option('--timeout <duration>', 'how long one attempt may take')
    .option('--expires <time>', 'not run from this time on; like --at')
    .option('--header <name=value>', 'may be given several times', collect)
}

export async function taskOf(queue: string, options: TaskOptions): Promise<TaskInput> {
  const { key, onConflict, timeout, expires, header = [] } = options
  const task: TaskInput = { queue, ...(await whenOf(options)), key, onConflict }
  const payload = await payloadOf(options)
  if (payload !== undefined) task.payload = payload
  const retry = retryOf(options)
  if (retry !== undefined) task.retry = retry
  if (timeout !== undefined) task.timeout = parseHumanDelay(timeout, '--timeout')
  if (expires !== undefined) task.expiresAt = await parseHumanTime(expires, '--expires')
  if (header.length > 0) task.headers = headersOf(header)
  return task
}

async function payloadOf({ payload, bytes }: TaskOptions): Promise<unknown> {
  if (payload !== undefined && bytes !== undefined) throw new CommandFailed('give either --payload or --bytes')
  if (bytes !== undefined) return new Uint8Array(await readInput(bytes, '--bytes'))
  return payload === undefined ? undefined : readJson(payload, '--payload')
}

/** JSON as it is, from a file by @, or from standard input by -. */
export async function readJson(given: string, what: string): Promise<unknown> {
  const isElsewhere = given === '-' || given.startsWith('@')
  const text = isElsewhere ? (await readInput(given.replace(/^@/, ''), what)).toString() : given
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CommandFailed(
      `${what} is no JSON: ${why}`,
      `${what} '{"to":"ada@example.com"}', with text in double quotes; or ${what} @file`,
    )
  }
  const changed = changedInteger(text)
  if (changed !== undefined) throw new CommandFailed(`${what} ${changedText(changed)}`)
  return value
}

async function readInput(file: string, what: string): Promise<Buffer> {
  try {
    return file === '-' ? await buffer(process.stdin) : await readFile(file)
  } catch (error) {
    throw new CommandFailed(`${what}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function retryOf(options: TaskOptions): RetryOptions | undefined {
  const { attempts, backoff, retryDelay, retryDelayMax, retryJitter, retryAgeMax } = options
  const delayOf = (text: string | undefined, what: string): number | undefined =>
    text === undefined ? undefined : parseHumanDelay(text, what)
  const retry = defined<RetryOptions>({
    attempts,
    backoff,
    delay: delayOf(retryDelay, '--retry-delay'),
    maxDelay: delayOf(retryDelayMax, '--retry-delay-max'),
    jitter: retryJitter,
    maxAge: delayOf(retryAgeMax, '--retry-age-max'),
  })
  return Object.keys(retry).length === 0 ? undefined : retry
}

function headersOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=')
      if (at < 1) throw new CommandFailed(`--header ${pair} has no name=value form`, '--header trace=4711')
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

export function parseCount(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('it must be a whole number')
  return Number(text)
}

/** The same from 1 on. */
export function parsePositive(text: string): number {
  const count = parseCount(text)
  if (count === 0) throw new InvalidArgumentError('it must be 1 or more')
  return count
}

function parseShare(text: string): number {
  const share = Number(text)
  if (text.trim() === '' || !(share >= 0 && share <= 1)) throw new InvalidArgumentError('it must be 0 to 1')
  return share
}

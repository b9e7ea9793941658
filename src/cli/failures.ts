/**
 * How the program fails: an error becomes a message, the next command to try, and an exit code.
 *
 *     0  fine
 *     1  the data says no: nothing such, damaged, refused because of what is there already
 *     2  it could not be done: wrong usage, directory in use, no connection, disk full
 */

import { existsSync } from 'node:fs'
import { CommanderError } from 'commander'
import { HourwheelError, type ErrorCode } from '../model/errors.ts'
import { colors } from './output.ts'

export const exitCode = { fine: 0, no: 1, failed: 2 } as const

/** An error of the program itself, with what to try next. */
export class CommandFailed extends Error {
  readonly exitCode: number
  readonly hint: string | undefined

  constructor(message: string, hint?: string, code: number = exitCode.failed) {
    super(message)
    this.exitCode = code
    this.hint = hint
  }
}

/** Codes that speak of the data, not of the call or the machine. */
const dataCodes: ReadonlySet<ErrorCode> = new Set(['HW_CORRUPT', 'HW_KEY_EXISTS', 'HW_TASK_CHANGED'])

/** The directory that is worked on, for hints; set once it is known. */
const place: { dir: string | undefined } = { dir: undefined }

export function rememberDirectory(dir: string | undefined): void {
  place.dir = dir
}

/** Says on stderr what happened and what to do; sets the exit code. */
export function report(error: unknown): void {
  if (error instanceof CommanderError) {
    // Commander has said what was wrong, or shown help.
    process.exitCode = error.exitCode === 0 ? exitCode.fine : exitCode.failed
    return
  }
  const { red } = colors(process.stderr)
  if (error instanceof CommandFailed) {
    console.error(`${red('hourwheel:')} ${error.message}`)
    if (error.hint !== undefined) console.error(`  try: ${error.hint}`)
    process.exitCode = error.exitCode
  } else if (error instanceof HourwheelError) {
    console.error(`${red('hourwheel:')} ${error.code}: ${error.message}`)
    const hint = hintFor(error)
    if (hint !== undefined) console.error(`  try: ${hint}`)
    process.exitCode = dataCodes.has(error.code) ? exitCode.no : exitCode.failed
  } else {
    console.error(`${red('hourwheel:')} this is a bug of hourwheel, please report it:`)
    console.error(error)
    process.exitCode = exitCode.failed
  }
}

/** What to try next. */
export function hintFor({ code, message, details, retryAfterMs }: HourwheelError): string | undefined {
  const dir = place.dir === undefined ? '--dir <directory>' : `--dir ${place.dir}`
  switch (code) {
    case 'HW_DIRECTORY_LOCKED':
      return hintForLocked(place.dir)
    case 'HW_DIRECTORY_UNUSABLE':
      return `hourwheel doctor ${dir}`
    case 'HW_DISK_FAILED':
      return `the system's log (dmesg), then hourwheel verify ${dir}`
    case 'HW_HANDLER_INVALID':
      return 'hourwheel run --help, which shows what a module of handlers looks like'
    case 'HW_UNREACHABLE':
      if (message.includes('certificate')) {
        return 'NODE_EXTRA_CA_CERTS=<file> before it, if the certificate is of an authority of your own'
      }
      return 'hourwheel serve --dir <directory>, if none runs; or --dir, if nobody has the directory open'
    case 'HW_FORBIDDEN':
      // Without a scope it is not about the token: a Host, a web page, a daemon without --backup-dir.
      if (details.scope === undefined) return undefined
      return '--token-file, or HOURWHEEL_TOKEN, with a token of that scope'
    case 'HW_UNAUTHORIZED':
      return '--token-file, or HOURWHEEL_TOKEN, with a token that the daemon knows'
    case 'HW_CORRUPT':
      return `hourwheel verify ${dir}, which names every file that is damaged`
    case 'HW_FORMAT_NEWER':
      return 'a newer hourwheel (npm install -g hourwheel@latest)'
    case 'HW_INVALID_REF':
      return 'hourwheel list, which shows ids; or --queue and --key'
    case 'HW_KEY_EXISTS':
      return 'hourwheel get --queue <queue> --key <key> to see it; or another --on-conflict'
    case 'HW_DISK_FULL':
      return `df -h ${place.dir ?? '<directory>'}; cancelling and acknowledging still work`
    case 'HW_OVERLOADED':
      return retryAfterMs === undefined ? 'again in a moment' : `again in ${retryAfterMs} ms`
    case 'HW_OUTCOME_UNKNOWN':
      return 'hourwheel get, to see whether it was done; with a key the same call can be repeated'
    default:
      return undefined
  }
}

/** A daemon listens in its directory unless it was told otherwise. */
function hintForLocked(dir: string | undefined): string {
  const socket = `${dir ?? '<directory>'}/hourwheel.sock`
  return dir !== undefined && existsSync(socket)
    ? `the same command with --socket ${socket} instead of --dir`
    : 'again when that process has ended; or let hourwheel serve own the directory, and use --socket'
}

/**
 * What a command works on: a data directory that nobody has open. The engine is opened on it without handlers, so that
 * nothing fires, and closed again when the command is done.
 *
 * Commands are written against `Hourwheel`, so that they need not know what is behind it.
 */

import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import type { Engine, Hourwheel } from '../model/engine.ts'
import { CommandFailed, rememberDirectory } from './failures.ts'
import { say } from './output.ts'

export interface TargetOptions {
  readonly dir?: string
}

/** Adds the options that say what to work on. */
export function withTarget(command: Command): Command {
  return command.option('--dir <directory>', 'the data directory, which no engine has open')
}

/** Runs `work` on the target. `creates`: a directory that is not there yet is made. */
export async function onTarget<T>(
  options: TargetOptions,
  work: (wheel: Hourwheel) => Promise<T>,
  { creates = false }: { creates?: boolean } = {},
): Promise<T> {
  if (options.dir === undefined) {
    throw new CommandFailed('say what to work on: --dir <directory>', 'the same command with --dir ./data')
  }
  const engine = await openDirectory(options.dir, creates)
  try {
    const result = await work(engine)
    await tidy(engine)
    return result
  } finally {
    await engine.close({ drain: 0 })
  }
}

/** From this many log files on a command waits until there are few: each opening begins one. */
const logFilesMany = 24
const logFilesFew = 8
const tidyMsMax = 10_000

/** Lets checkpoints take in what many short commands have left, which would make each opening longer. */
async function tidy(engine: Engine): Promise<void> {
  let { wal } = await engine.stats()
  if (wal.files < logFilesMany) return
  const endMs = performance.now() + tidyMsMax
  while (wal.files > logFilesFew && !wal.diskFull && performance.now() < endMs) {
    await sleep(20)
    wal = (await engine.stats()).wal
  }
}

async function openDirectory(dir: string, creates: boolean): Promise<Engine> {
  rememberDirectory(dir)
  if (!existsSync(`${dir}/MANIFEST`)) {
    if (!creates) throw noDirectory(dir)
    say(`${dir} is a new data directory`)
  }
  // Loaded here, so that help and completion need not wait for it.
  const { openEngine } = await import('../engine/this-machine.ts')
  const engine = await openEngine({ dir })
  engine.on('tornTail', ({ file, bytes, savedAs }) => {
    say(`note: the unfinished last write of ${file} (${bytes} bytes, never acknowledged) was saved as ${savedAs}`)
  })
  engine.on('damaged', ({ file, offset, tasks }) => {
    say(`note: ${file} is damaged at ${offset}: ${tasks} tasks; see hourwheel verify --dir ${dir}`)
  })
  return engine
}

export function noDirectory(dir: string): CommandFailed {
  const why = existsSync(dir) ? 'it has no MANIFEST' : 'there is no such directory'
  return new CommandFailed(
    `HW_DIRECTORY_UNUSABLE: ${dir} is not a data directory of hourwheel: ${why}`,
    `hourwheel schedule <queue> --dir ${dir} --in 1h, which makes one; or look for a directory with a MANIFEST`,
  )
}

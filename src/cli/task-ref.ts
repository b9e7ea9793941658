/** How commands name one task: by its id, or by queue and key. */

import type { Command } from 'commander'
import type { TaskRef } from '../model/hourwheel.ts'
import { CommandFailed } from './failures.ts'

export interface RefOptions {
  readonly queue?: string
  readonly key?: string
}

export function withRef(command: Command, queueHelp = 'with --key: the queue of the task'): Command {
  return command
    .argument('[id]', 'the id from its receipt')
    .option('--queue <name>', queueHelp)
    .option('--key <key>', 'with --queue: the key of the task')
}

export function refOf(id: string | undefined, { queue, key }: RefOptions): TaskRef {
  const ref = optionalRef(id, { queue, key } as RefOptions)
  if (ref !== undefined) return ref
  throw new CommandFailed('say which task: its id, or --queue and --key', 'hourwheel list, which shows ids and keys')
}

/** Undefined when none is named: a queue alone names none. */
export function optionalRef(id: string | undefined, { queue, key }: RefOptions): TaskRef | undefined {
  if (id !== undefined) {
    if (key !== undefined || queue !== undefined) {
      throw new CommandFailed('an id names its task alone: leave --queue and --key out')
    }
    return id
  }
  if (key === undefined) return undefined
  if (queue === undefined) throw new CommandFailed('a key is one of a queue: give --queue, too')
  return { queue, key }
}

export function shownRef(ref: TaskRef): string {
  return typeof ref === 'string' ? ref : `with key ${JSON.stringify(ref.key)} in queue ${ref.queue}`
}

/** hourwheel dead list, redrive, purge: the tasks whose attempts are used up. */

import type { Command } from 'commander'
import type { DeadFilter, DeadView, TaskRef } from '../model/hourwheel.ts'
import { toWire } from '../protocol/wire.ts'
import { CommandFailed, exitCode } from './failures.ts'
import { showDistance } from './human-time.ts'
import { printFacts, printJson, printRows, say, shortPayload, type Column } from './output.ts'
import { onTarget, withTarget, type TargetOptions } from './target.ts'
import { parsePositive } from './task-fields.ts'
import { optionalRef, withRef, type RefOptions } from './task-ref.ts'

type ChangeOptions = RefOptions & TargetOptions & { readonly all?: boolean; readonly json?: boolean }

export function addDeadCommand(program: Command): void {
  const dead = program.command('dead').description('dead letters: list, redrive or purge them').helpCommand(false)
  addList(dead)
  const redrive = dead.command('redrive').description('make dead letters pending again, due at once, attempt 0')
  withChange(redrive, 'redrive').action(async (id: string | undefined, options: ChangeOptions) => {
    const target = targetOf(id, options)
    const { redriven, unnamed } = await onTarget(options, (wheel) => wheel.deadLetters.redrive(target))
    if (redriven === 0) process.exitCode = exitCode.no
    if (options.json) printJson({ redriven, unnamed })
    else printFacts({ redriven, 'without key': unnamed })
  })
  const purge = dead.command('purge').description('remove dead letters for good')
  withChange(purge, 'purge').action(async (id: string | undefined, options: ChangeOptions) => {
    const target = targetOf(id, options)
    const { purged } = await onTarget(options, (wheel) => wheel.deadLetters.purge(target))
    if (purged === 0) process.exitCode = exitCode.no
    if (options.json) printJson({ purged })
    else printFacts({ purged })
  })
}

function addList(dead: Command): void {
  withTarget(dead.command('list').description('dead letters and why they died'))
    .option('--queue <name>', 'only of this queue')
    .option('--limit <count>', 'at most so many', parsePositive, 100)
    .option('--json', 'one JSON object a line')
    .addHelpText('after', '\nExamples:\n  $ hourwheel dead list --dir ./data --queue webhook')
    .action(async (options: TargetOptions & { queue?: string; limit: number; json?: boolean }) => {
      const { queue, limit, json = false } = options
      await onTarget(options, async (wheel) => {
        const rows: DeadView[] = []
        for await (const letter of wheel.deadLetters.list({ queue, limit })) {
          if (json) printJson(toWire(letter))
          else rows.push(letter)
        }
        if (rows.length > 0) printRows(rows, columns)
        else if (!json) say('none')
      })
    })
}

function withChange(command: Command, name: string): Command {
  return withTarget(withRef(command, 'all of this queue; with --key: the queue of the task'))
    .option('--all', 'all of them, whatever their queue')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ hourwheel dead ${name} f7310000350za9 --dir ./data
  $ hourwheel dead ${name} --queue webhook --dir ./data
  $ hourwheel dead ${name} --all --dir ./data

Exit code 1 when there was none.`,
    )
}

/** A task, a queue, or all of them; never all by accident. */
function targetOf(id: string | undefined, { queue, key, all = false }: ChangeOptions): TaskRef | DeadFilter {
  if (all) {
    if (id !== undefined || queue !== undefined || key !== undefined) {
      throw new CommandFailed('--all is for all queues and stands alone: leave the id, --queue and --key out, or --all')
    }
    return {}
  }
  const ref = optionalRef(id, { queue: key === undefined && id === undefined ? undefined : queue, key } as RefOptions)
  if (ref !== undefined) return ref
  if (queue !== undefined) return { queue }
  throw new CommandFailed('say which: an id, --queue, --queue and --key, or --all', 'hourwheel dead list')
}

const columns: readonly Column<DeadView>[] = [
  { title: 'id', of: ({ id }) => id },
  {
    title: 'died',
    of: ({ diedAt }) => showDistance(diedAt),
    plain: ({ diedAt }) => new Date(diedAt).toISOString(),
  },
  { title: 'reason', of: ({ reason }) => reason },
  { title: 'attempts', of: ({ attempt }) => attempt, align: 'right' },
  { title: 'queue', of: ({ queue }) => queue },
  { title: 'key', of: ({ key = '' }) => key },
  { title: 'error', of: ({ error }) => error, isWide: true },
  { title: 'payload', of: ({ payload }) => shortPayload(payload), isWide: true },
]

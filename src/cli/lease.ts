/** hourwheel lease, ack, nack, extend: tasks that a script runs itself, from a daemon. */

import type { Command } from 'commander'
import type { LeasedTask } from '../model/hourwheel.ts'
import { toWire } from '../protocol/wire.ts'
import { CommandFailed, exitCode } from './failures.ts'
import { parseHumanDelay, parseHumanTime, showDuration } from './human-time.ts'
import { printJson, printRows, say, shortPayload, type Column } from './output.ts'
import { onDaemon, withDaemon, type DaemonOptions } from './target.ts'
import { parsePositive } from './task-fields.ts'

type LeaseOptions = DaemonOptions & { max: number; lease?: string; wait?: string; json?: boolean }
type NackOptions = DaemonOptions & { at?: string; in?: string; dead?: boolean; error?: string; json?: boolean }

export function addLeaseCommand(program: Command): void {
  withDaemon(
    program.command('lease').description('take due tasks to run them yourself').argument('<queue>', 'its name'),
  )
    .option('--max <count>', 'at most so many', parsePositive, 1)
    .option('--lease <duration>', 'how long you have for each (default: 30s)')
    .option('--wait <duration>', 'how long to wait for the first')
    .option('--json', 'one JSON object a line')
    .addHelpText(
      'after',
      `
Examples:
  $ hourwheel lease email --max 10 --wait 30s --socket ./data/hourwheel.sock --json
  $ hourwheel ack <token> --socket ./data/hourwheel.sock

Without an answer the attempt has failed when the lease ends. Exit code 1 when there was no task.`,
    )
    .action(async (queue: string, { max, lease, wait, json = false, ...target }: LeaseOptions) => {
      const input = {
        max,
        ...(lease === undefined ? {} : { lease: parseHumanDelay(lease, '--lease') }),
        ...(wait === undefined ? {} : { wait: parseHumanDelay(wait, '--wait') }),
      }
      const leased = await onDaemon(target, (client) => client.lease(queue, input))
      if (leased.length === 0) {
        process.exitCode = exitCode.no
        if (!json) say('none is due')
      } else if (json) for (const task of leased) printJson(toWire(task))
      else printRows(leased, columns)
    })
}

export function addAckCommand(program: Command): void {
  withDaemon(
    program.command('ack').description('leased tasks have succeeded').argument('<token...>', 'of their leases'),
  )
    .option('--json', 'one JSON object a line')
    .addHelpText(
      'after',
      '\nExamples:\n  $ hourwheel ack <token> <token>\n\nExit code 1 when one was stale, or had ended.',
    )
    .action(async (tokens: string[], { json = false, ...target }: DaemonOptions & { json?: boolean }) => {
      const answers = await onDaemon(target, (client) => client.ackMany(tokens.map((token) => ({ token }))))
      answers.forEach((answer, at) => printAnswer(tokens[at]!, answer.outcome, 'acked', json))
    })
}

export function addNackCommand(program: Command): void {
  withDaemon(program.command('nack').description('an attempt has failed').argument('<token>', 'of its lease'))
    .option('--error <text>', 'why; kept with the task')
    .option('--at <time>', 'when the next attempt is due (default: as the retry policy says)')
    .option('--in <duration>', 'the same, from now')
    .option('--dead', 'no further attempt: a dead letter')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      "\nExamples:\n  $ hourwheel nack <token> --error '451 busy' --in 5m\n  $ hourwheel nack <token> --dead",
    )
    .action(async (token: string, { at, in: delay, dead, error, json = false, ...target }: NackOptions) => {
      if (at !== undefined && delay !== undefined) throw new CommandFailed('give either --at or --in')
      const input = {
        ...(at === undefined ? {} : { retryAt: await parseHumanTime(at, '--at') }),
        ...(delay === undefined ? {} : { delay: parseHumanDelay(delay, '--in') }),
        ...(dead === undefined ? {} : { dead }),
        ...(error === undefined ? {} : { error }),
      }
      const { outcome } = await onDaemon(target, (client) => client.nack(token, input))
      printAnswer(token, outcome, 'nacked', json)
    })
}

export function addExtendCommand(program: Command): void {
  withDaemon(
    program
      .command('extend')
      .description('more time for a leased task')
      .argument('<token>', 'of its lease')
      .argument('<duration>', 'from now'),
  )
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExamples:\n  $ hourwheel extend <token> 5m')
    .action(
      async (token: string, duration: string, { json = false, ...target }: DaemonOptions & { json?: boolean }) => {
        const leaseMs = parseHumanDelay(duration, 'duration')
        const { outcome } = await onDaemon(target, (client) => client.extend(token, leaseMs))
        printAnswer(token, outcome, 'extended', json)
      },
    )
}

function printAnswer(token: string, outcome: string, wanted: string, json: boolean): void {
  if (outcome !== wanted) process.exitCode = exitCode.no
  if (json) printJson({ token, outcome })
  else printRows([{ token, outcome }], answerColumns)
}

const answerColumns: readonly Column<{ token: string; outcome: string }>[] = [
  { title: 'outcome', of: ({ outcome }) => outcome },
  { title: 'token', of: ({ token }) => token },
]

const columns: readonly Column<LeasedTask>[] = [
  { title: 'token', of: ({ token }) => token },
  { title: 'id', of: ({ id }) => id },
  { title: 'attempt', of: ({ attempt }) => attempt, align: 'right' },
  { title: 'late', of: ({ lateMs }) => showDuration(lateMs), plain: ({ lateMs }) => lateMs, align: 'right' },
  { title: 'payload', of: ({ payload }) => shortPayload(payload), isWide: true },
]

/** hourwheel list: live tasks and dead letters in fire order, page by page. */

import { Option, type Command } from 'commander'
import type { ListedTask, ListInput, LiveState } from '../model/hourwheel.ts'
import { toWire } from '../protocol/wire.ts'
import { spanOf, withSpan, type SpanOptions } from './time-span.ts'
import { showDistance } from './human-time.ts'
import { printJson, printRows, say, shortPayload, type Column } from './output.ts'
import { onTarget, withTarget, type TargetOptions } from './target.ts'
import { parsePositive } from './task-fields.ts'

type Options = TargetOptions &
  SpanOptions & {
    readonly queue?: string
    readonly state?: LiveState
    readonly cursor?: string
    readonly limit: number
    readonly json?: boolean
  }

/** Rows that are looked at together to find the widths of a table. */
const tableRows = 500

export function addListCommand(program: Command): void {
  const command = program
    .command('list')
    .description('live tasks and dead letters in fire order')
    .option('--queue <name>', 'only of this queue')
    .addOption(new Option('--state <state>', 'only these').choices(['pending', 'leased', 'dead']))
  withTarget(withSpan(command))
    .option('--limit <count>', 'at most so many', parsePositive, 100)
    .option('--cursor <cursor>', 'go on where an earlier listing stopped')
    .option('--json', 'one JSON object a line')
    .addHelpText(
      'after',
      `
Examples:
  $ hourwheel list --dir ./data --queue email --limit 10
  $ hourwheel list --dir ./data --from 'tomorrow 00:00' --to 'in 7 days'
  $ hourwheel list --dir ./data --json --limit 1000000 | jq -r .id`,
    )
    .action(async (options: Options) => {
      const { queue, state, cursor, limit, json = false } = options
      const input: ListInput = { queue, state, cursor, limit: limit + 1, ...(await spanOf(options, json)) }
      let last: ListedTask | undefined
      await onTarget(options, async (wheel) => {
        let rows: ListedTask[] = []
        let count = 0
        for await (const task of wheel.list(input)) {
          if (count++ === limit) {
            if (rows.length > 0) printRows(rows, columns)
            rows = []
            if (!json) say(`there are more: go on with --cursor ${last!.cursor}`)
            return
          }
          last = task
          if (json) printJson(toWire(task))
          else if (rows.push(task) === tableRows) {
            printRows(rows, columns)
            rows = []
          }
        }
        if (rows.length > 0) printRows(rows, columns)
        else if (count === 0 && !json) say('none')
      })
    })
}

const columns: readonly Column<ListedTask>[] = [
  { title: 'id', of: ({ id }) => id },
  {
    title: 'fires',
    of: ({ fireAt, state }) => (state === 'dead' ? '' : showDistance(fireAt)),
    plain: ({ fireAt }) => new Date(fireAt).toISOString(),
  },
  { title: 'state', of: ({ state }) => state },
  { title: 'attempt', of: ({ attempt }) => attempt, align: 'right' },
  { title: 'queue', of: ({ queue }) => queue },
  { title: 'key', of: ({ key = '' }) => key, isLeftOut: (rows) => rows.every(({ key }) => key === undefined) },
  { title: 'payload', of: ({ payload }) => shortPayload(payload), isWide: true },
]

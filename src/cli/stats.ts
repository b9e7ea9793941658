/** hourwheel stats: counters per queue, what is overdue, sizes. */

import type { Command } from 'commander'
import type { QueueStats, Stats } from '../model/engine-reports.ts'
import { showDuration } from './human-time.ts'
import { grouped, print, printFacts, printJson, printRows, type Column } from './output.ts'
import { onTarget, withTarget, type TargetOptions } from './target.ts'

type Row = QueueStats & { readonly name: string }

export function addStatsCommand(program: Command): void {
  withTarget(program.command('stats').description('counters per queue, what is overdue, sizes'))
    .option('--queue <name>', 'only this queue')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ hourwheel stats --dir ./data
  $ hourwheel stats --dir ./data --json | jq .total.pending

accepted = pending + leased + succeeded + dead + cancelled + expired + replaced + purged + damaged, always.`,
    )
    .action(async (options: TargetOptions & { queue?: string; json?: boolean }) => {
      const { queue, json = false } = options
      const stats = await onTarget(options, (wheel) => wheel.stats())
      const queues = Object.entries(stats.queues).filter(([name]) => queue === undefined || name === queue)
      if (json) printJson({ ...stats, queues: Object.fromEntries(queues) })
      else
        printStats(
          queues.map(([name, counters]) => ({ name, ...counters })),
          stats,
        )
    })
}

function printStats(rows: readonly Row[], stats: Stats): void {
  const { total, wal, segments, near, far, conservation, clock, healthy, overdueOldestMs } = stats
  if (rows.length > 0) printRows(rows, columns)
  if (!process.stdout.isTTY) return
  print('')
  printFacts({
    health: healthy ? 'fine' : 'NOT FINE: hourwheel doctor says why',
    clock: clock.held ? `HELD: ${clock.heldBecause ?? ''}` : undefined,
    accepted: `${grouped(total.accepted)} in all, conservation ${conservation}`,
    overdue: overdueOldestMs === 0 ? 'nothing' : `the oldest by ${showDuration(overdueOldestMs)}`,
    pending: `${grouped(near)} near, ${grouped(far)} on disk only`,
    log: `${grouped(wal.bytes)} bytes in ${wal.files} files${wal.diskFull ? ', DISK FULL' : ''}`,
    segments: `${grouped(segments.bytes)} bytes in ${segments.files} files`,
    opened: `${stats.openCount} times, incarnation ${stats.incarnation}`,
  })
}

const columns: readonly Column<Row>[] = [
  { title: 'queue', of: ({ name }) => name },
  count('pending'),
  {
    title: 'due',
    of: ({ due }) => grouped(due),
    plain: ({ due }) => due,
    align: 'right',
    isLeftOut: (rows) => rows.every(({ due }) => due === 0),
  },
  count('leased'),
  count('succeeded'),
  count('dead'),
  count('cancelled'),
  count('expired'),
  count('damaged'),
  {
    title: 'overdue',
    of: ({ overdueOldestMs: ms }) => (ms === 0 ? '' : showDuration(ms)),
    plain: (row) => row.overdueOldestMs,
    isLeftOut: (rows) => rows.every(({ overdueOldestMs }) => overdueOldestMs === 0),
  },
  {
    title: '',
    of: ({ paused, handled, due }) => (paused ? 'paused' : due > 0 && !handled ? 'nobody handles it' : ''),
    plain: ({ paused }) => (paused ? 'paused' : 'active'),
  },
]

function count(name: 'pending' | 'leased' | 'succeeded' | 'dead' | 'cancelled' | 'expired' | 'damaged'): Column<Row> {
  return {
    title: name,
    of: (row) => grouped(row[name]),
    plain: (row) => row[name],
    align: 'right',
    isLeftOut: (rows) => name !== 'pending' && rows.every((row) => row[name] === 0),
  }
}

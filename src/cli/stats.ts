/** hourwheel stats: counters, sizes and the next hours of a directory. */

import type { Command } from 'commander'
import { dirOption, reading } from './reading.ts'

const hoursShown = 12

export function addStatsCommand(program: Command): void {
  program
    .command('stats')
    .description('counters per queue, sizes, and how many tasks the next hours have')
    .requiredOption(...dirOption)
    .option('--json', 'answer as JSON')
    .addHelpText('after', '\nExamples:\n  $ hourwheel stats --dir ./data --json')
    .action(async ({ dir, json = false }: { dir: string; json?: boolean }) => {
      const { stats, calendar } = await reading(dir, async (engine) => ({
        stats: await engine.stats(),
        calendar: await engine.calendar(),
      }))
      if (json) {
        console.log(JSON.stringify({ ...stats, calendar }, null, 2))
        return
      }
      console.table(
        Object.fromEntries(
          Object.entries(stats.queues).map(([name, { pending, succeeded, dead, cancelled, expired, paused }]) => [
            name,
            { pending, succeeded, dead, cancelled, expired, paused },
          ]),
        ),
      )
      const { wal, segments } = stats
      console.log(
        `log ${wal.bytes} bytes in ${wal.files} files, segments ${segments.bytes} bytes in ${segments.files} files`,
      )
      for (const { hour, pending } of calendar.slice(0, hoursShown)) {
        console.log(`${new Date(hour).toISOString().slice(0, 16)}Z  ${pending}`)
      }
      if (calendar.length > hoursShown) console.log(`and ${calendar.length - hoursShown} hours more`)
    })
}

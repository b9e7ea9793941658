/** hourwheel settings: what a daemon keeps for a queue: retry, time-out, concurrency, webhook. */

import type { Command } from 'commander'
import { CommandFailed } from './failures.ts'
import { print, printJson } from './output.ts'
import { onDaemon, withDaemon, type DaemonOptions } from './target.ts'
import { readJson } from './task-fields.ts'

export function addSettingsCommand(program: Command): void {
  withDaemon(
    program
      .command('settings')
      .description('what a daemon keeps for a queue: show it, or replace it')
      .argument('<queue>', 'its name'),
  )
    .option('--set <json>', 'the new settings, whole; @file reads them from a file, - from standard input')
    .option('--json', 'on one line')
    .addHelpText(
      'after',
      `
Examples:
  $ hourwheel settings email --socket ./data/hourwheel.sock
  $ hourwheel settings email --set '{"timeout":"10s","retry":{"attempts":3}}' --socket ./data/hourwheel.sock

What is left out of --set gets its default again. They hold across restarts.`,
    )
    .action(
      async (queue: string, { set, json = false, ...target }: DaemonOptions & { set?: string; json?: boolean }) => {
        const wanted = set === undefined ? undefined : await readJson(set, '--set')
        if (set !== undefined && (typeof wanted !== 'object' || wanted === null)) {
          throw new CommandFailed('--set is no object', `--set '{"timeout":"10s"}'`)
        }
        const found = await onDaemon(target, (client) =>
          wanted === undefined ? client.settings(queue) : client.setSettings(queue, wanted as object),
        )
        if (json) printJson(found)
        else print(JSON.stringify(found, null, 2))
      },
    )
}

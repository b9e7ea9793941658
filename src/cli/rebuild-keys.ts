/** hourwheel rebuild-keys: makes the view of keys anew from the tasks. */

import type { Command } from 'commander'
import { rebuildKeys } from '../engine/offline.ts'
import { onClosed, stopFirst } from './offline-command.ts'
import { grouped, print, printJson } from './output.ts'
import { Progress } from './progress.ts'

const examples = `
Examples:
  $ hourwheel rebuild-keys --dir ./data

For a keys.mdb that is damaged or was put back from another moment. Every task is read once. Keys of tasks that have ended are
forgotten, unless the log still says so: within their window a call with such a key may make a second task.`

export function addRebuildKeysCommand(program: Command): void {
  program
    .command('rebuild-keys')
    .description('make the view of keys anew from the tasks, when keys.mdb is lost or cannot be trusted')
    .requiredOption('--dir <directory>', 'the data directory')
    .option('--json', 'answer as JSON')
    .addHelpText('after', examples)
    .action(async ({ dir, json = false }: { dir: string; json?: boolean }) => {
      const progress = new Progress(!json)
      const startedMs = performance.now()
      const rebuilding = (): Promise<number> => rebuildKeys(dir, (count) => progress.show(`${grouped(count)} keys`))
      const keys = await onClosed(dir, stopFirst, rebuilding)
      progress.end()
      const seconds = (performance.now() - startedMs) / 1_000
      if (json) printJson({ keys, seconds })
      else print(`${grouped(keys)} keys in ${seconds.toFixed(1)} s`)
    })
}

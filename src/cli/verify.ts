/** hourwheel verify: every checksum, every cross-reference, conservation. */

import type { Command } from 'commander'
import { verify } from '../engine/offline.ts'
import { exitCode } from './failures.ts'
import { onClosed, readCopy } from './offline-command.ts'
import { clean, colors, grouped, print, printJson, say } from './output.ts'
import { Progress } from './progress.ts'

const examples = `
Examples:
  $ hourwheel verify --dir ./data
  $ hourwheel verify --dir ./data --json

Reads everything and changes nothing. Exit code 1 when something is damaged; each line names the file and the offset. No
engine may have the directory open.`

export function addVerifyCommand(program: Command): void {
  program
    .command('verify')
    .description('check a data directory: every checksum, every cross-reference, and the sums against a full scan')
    .requiredOption('--dir <directory>', 'the data directory')
    .option('--json', 'answer as JSON')
    .addHelpText('after', examples)
    .action(async ({ dir, json = false }: { dir: string; json?: boolean }) => {
      const progress = new Progress(!json)
      const shown = (file: string, done: number, total: number): void =>
        progress.show(`checking ${file}, ${Math.floor((done / Math.max(total, 1)) * 100)} %`)
      const found = await onClosed(dir, readCopy, () => verify(dir, shown))
      progress.end()
      if (!found.sound) process.exitCode = exitCode.no
      if (json) {
        printJson(found)
        return
      }
      for (const { file, offset, what, tasks } of found.problems) {
        print(clean(`${file} at ${offset}: ${what}${tasks > 0 ? ` (${grouped(tasks)} tasks)` : ''}`))
      }
      const { files, tasks, deadLetters, records, tornTail } = found
      print(
        `${grouped(files)} files, ${grouped(records)} log records, ${grouped(tasks)} live tasks, ${grouped(deadLetters)} dead letters`,
      )
      if (tornTail !== undefined) {
        print(`unfinished last write in ${tornTail.file}: ${tornTail.bytes} bytes, to be cut at the next open`)
      }
      const { green, red } = colors(process.stdout)
      print(found.sound ? green('sound') : red('DAMAGED'))
      if (!found.sound) say(`  try: hourwheel salvage --dir ${dir} --dry-run, which says what can be recovered`)
    })
}

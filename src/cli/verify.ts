/** hourwheel verify: every checksum, every cross-reference, conservation. */

import type { Command } from 'commander'
import { verify } from '../engine/this-machine.ts'

export function addVerifyCommand(program: Command): void {
  program
    .command('verify')
    .description('check a data directory: every checksum, every cross-reference, and the sums against a full scan')
    .requiredOption('--dir <directory>', 'the data directory')
    .option('--json', 'answer as JSON')
    .addHelpText('after', '\nExamples:\n  $ hourwheel verify --dir ./data\n\nExit code 1 when something is damaged.')
    .action(async ({ dir, json = false }: { dir: string; json?: boolean }) => {
      const progress = process.stderr.isTTY && !json
      const onFile = (file: string): void => {
        if (progress) process.stderr.write(`\r\u001B[Kchecking ${file}`)
      }
      const found = await verify({ dir, onFile })
      if (progress) process.stderr.write('\r\u001B[K')
      if (json) console.log(JSON.stringify(found, null, 2))
      else {
        for (const { file, offset, what, tasks } of found.problems) {
          console.log(`${file} at ${offset}: ${what}${tasks > 0 ? ` (${tasks} tasks)` : ''}`)
        }
        const { files, tasks, deadLetters, records, tornTail } = found
        console.log(`${files} files, ${records} log records, ${tasks} live tasks, ${deadLetters} dead letters`)
        if (tornTail !== undefined) {
          console.log(`unfinished last write in ${tornTail.file}: ${tornTail.bytes} bytes, to be cut at the next open`)
        }
        console.log(found.sound ? 'sound' : 'DAMAGED')
      }
      if (!found.sound) process.exitCode = 1
    })
}

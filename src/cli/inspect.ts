/** hourwheel inspect: what the files of a directory hold, one record a line; with `--id` one task through all of them. */

import type { Command } from 'commander'
import { inspect, type InspectLine } from '../engine/offline.ts'
import { exitCode } from './failures.ts'
import { LineOutput } from './line-output.ts'
import { onClosed, readCopy } from './offline-command.ts'
import { clean, say } from './output.ts'
import { Progress } from './progress.ts'

interface Options {
  readonly dir: string
  readonly file?: string
  readonly id?: string
  readonly queue?: string
  readonly payloads?: boolean
  readonly json?: boolean
}

const examples = `
Examples:
  $ hourwheel inspect --dir ./data | less
  $ hourwheel inspect --dir ./data --file MANIFEST
  $ hourwheel inspect --dir ./data --id f7310000350za9
  $ hourwheel inspect --dir ./data --json --queue email | jq .kind

A directory may be damaged: what cannot be read is a line 'damage', and the rest goes on. Exit code 1 then, or when the
task of --id is not known. No engine may have the directory open.`

export function addInspectCommand(program: Command): void {
  program
    .command('inspect')
    .description('what the files of a data directory hold, one record a line; changes nothing')
    .requiredOption('--dir <directory>', 'the data directory')
    .option('--file <name>', 'only this file, such as MANIFEST or wal-1-2.log')
    .option('--id <id>', 'only what is about this task, and what became of it')
    .option('--queue <name>', 'only of this queue')
    .option('--payloads', 'with the payloads: JSON as it is, bytes as base64')
    .option('--json', 'one JSON object a line')
    .addHelpText('after', examples)
    .action(async ({ dir, file, id, queue, payloads, json = false }: Options) => {
      const output = new LineOutput()
      const progress = new Progress(!process.stdout.isTTY)
      const shown = json ? JSON.stringify : textOf
      let lines = 0
      let step = ''
      const inspecting = (): ReturnType<typeof inspect> =>
        inspect(
          dir,
          {
            file,
            id,
            queue,
            payloads,
            progress: (name, index, count) => {
              step = `${name} (${index + 1} of ${count})`
              progress.show(`reading ${step}, ${lines} lines`)
            },
          },
          (line) => {
            if ((++lines & 4_095) === 0) progress.show(`reading ${step}, ${lines} lines`)
            return output.line(shown(line))
          },
        )
      const found = await onClosed(dir, readCopy, inspecting)
      await output.flush()
      progress.end()
      if (found.damaged > 0) {
        say(`hourwheel: ${found.damaged} parts cannot be read`)
        say(`  try: hourwheel verify --dir ${dir}, then hourwheel salvage --dir ${dir} --dry-run`)
      }
      if (found.damaged > 0 || found.state === 'missing') process.exitCode = exitCode.no
    })
}

function textOf({ file, offset, kind, ...fields }: InspectLine): string {
  let text = `${file}:${offset} ${kind}`
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue
    const said = typeof value === 'string' ? value : JSON.stringify(value)
    text += ` ${name}=${/[\s"]/u.test(said) && typeof value === 'string' ? JSON.stringify(said) : said}`
  }
  return clean(text)
}

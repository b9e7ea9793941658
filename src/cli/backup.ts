/** hourwheel backup: a copy of a data directory that no engine has open, to a directory or one .tar file. */

import type { Command } from 'commander'
import { backup, verify } from '../engine/offline.ts'
import { CommandFailed, exitCode } from './failures.ts'
import { onClosed } from './offline-command.ts'
import { clean, grouped, print, printJson } from './output.ts'
import { Progress } from './progress.ts'

interface Options {
  readonly dir: string
  readonly to: string
  readonly verify: boolean
  readonly json?: boolean
}

const mebibyte = 1 << 20
const running = 'the backup() of the engine that has it open, which need not stop for it; or stop that process'

const examples = `
Examples:
  $ hourwheel backup --dir ./data --to /backup/monday
  $ hourwheel backup --dir ./data --to /backup/monday.tar

The target must not be there yet, or be an empty directory. It is read again afterwards, unless --no-verify says otherwise.
To back up a running engine call its backup().`

export function addBackupCommand(program: Command): void {
  program
    .command('backup')
    .description('copy a data directory to another one, or to a .tar file')
    .requiredOption('--dir <directory>', 'the data directory, which no engine has open')
    .requiredOption('--to <path>', 'an empty or new directory, or a new file that ends in .tar')
    .option('--no-verify', 'do not read the copy again')
    .option('--json', 'answer as JSON')
    .addHelpText('after', examples)
    .action(async ({ dir, to, verify: isVerified, json = false }: Options) => {
      const progress = new Progress(!json)
      try {
        const shown = (bytes: number): void => progress.show(`copied ${grouped(Math.floor(bytes / mebibyte))} MiB`)
        const report = await onClosed(dir, running, () => backup(dir, to, shown))
        if (isVerified) await check(to, progress)
        progress.end()
        if (json) printJson({ ...report, verified: isVerified })
        else {
          const size = `${(report.bytes / mebibyte).toFixed(1)} MiB`
          print(clean(`${grouped(report.files)} files, ${size}, in ${to}${isVerified ? ', verified' : ''}`))
        }
      } finally {
        progress.end()
      }
    })
}

async function check(to: string, progress: Progress): Promise<void> {
  const { problems } = await verify(to, (file) => progress.show(`checking ${file} of the copy`))
  const [problem] = problems
  if (problem === undefined) return
  const { file, offset, what } = problem
  throw new CommandFailed(
    `the copy is damaged: ${file} at ${offset}: ${what}`,
    `hourwheel verify --dir ${to}; check the disk, then make the backup again`,
    exitCode.no,
  )
}

/** hourwheel backup: a copy of a data directory, or of a running daemon, to a directory or one .tar file. */

import type { Command } from 'commander'
import { backup, verify } from '../engine/offline.ts'
import type { BackupReport } from '../model/engine-reports.ts'
import { CommandFailed, exitCode } from './failures.ts'
import { onClosed } from './offline-command.ts'
import { clean, grouped, print, printJson } from './output.ts'
import { Progress } from './progress.ts'
import { onDaemon, resolveTarget, withTarget, type TargetOptions } from './target.ts'

interface Options extends TargetOptions {
  readonly to: string
  readonly verify: boolean
  readonly json?: boolean
}

const mebibyte = 1 << 20
const running =
  'hourwheel backup --socket or --url of the daemon that has it open, or backup() of the engine: it need not stop for that'

const examples = `
Examples:
  $ hourwheel backup --dir ./data --to /backup/monday
  $ hourwheel backup --dir ./data --to /backup/monday.tar
  $ hourwheel backup --socket ./data/hourwheel.sock --to monday.tar

Of a directory: the target must not be there yet, or be empty. It is read again afterwards, unless --no-verify says otherwise.
Of a daemon, which goes on meanwhile: a name in the directory that it was started with (--backup-dir); it has to be verified
where that is.`

export function addBackupCommand(program: Command): void {
  withTarget(
    program.command('backup').description('copy a data directory, or a running daemon, to a directory or a .tar file'),
  )
    .requiredOption('--to <path>', 'an empty or new directory, or a new file that ends in .tar; of a daemon its name')
    .option('--no-verify', 'do not read the copy again')
    .option('--json', 'answer as JSON')
    .addHelpText('after', examples)
    .action(async ({ to, verify: isVerified, json = false, ...options }: Options) => {
      const { dir } = resolveTarget(options)
      if (dir === undefined) {
        const report = await onDaemon(options, (client) => client.backup(to))
        if (json) printJson({ ...report, verified: false })
        else print(clean(`${sizeOf(report)}, in ${report.to}`))
        return
      }
      const progress = new Progress(!json)
      try {
        const shown = (bytes: number): void => progress.show(`copied ${grouped(Math.floor(bytes / mebibyte))} MiB`)
        const report = await onClosed(dir, running, () => backup(dir, to, shown))
        if (isVerified) await check(to, progress)
        progress.end()
        if (json) printJson({ ...report, verified: isVerified })
        else print(clean(`${sizeOf(report)}, in ${to}${isVerified ? ', verified' : ''}`))
      } finally {
        progress.end()
      }
    })
}

function sizeOf({ files, bytes }: BackupReport): string {
  return `${grouped(files)} files, ${(bytes / mebibyte).toFixed(1)} MiB`
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

/** hourwheel restore: a data directory of a backup, with a choice about tasks whose time has passed since. */

import type { Command } from 'commander'
import { restore, type OverdueChoice, type RestoreReport } from '../engine/offline.ts'
import { HourwheelError } from '../model/errors.ts'
import { CommandFailed, exitCode, rememberDirectory } from './failures.ts'
import { parseHumanTime, showInstant } from './human-time.ts'
import { clean, grouped, print, printJson, say } from './output.ts'
import { Progress } from './progress.ts'

interface Options {
  readonly from: string
  readonly dir: string
  readonly overdue?: readonly string[]
  readonly json?: boolean
}

const choices = "'fire', 'skip-before <time>' or 'set-aside'"

const examples = `
Examples:
  $ hourwheel restore --from /backup/monday.tar --dir ./data --overdue fire
  $ hourwheel restore --from /backup/monday --dir ./data --overdue skip-before 'yesterday 18:00'
  $ hourwheel restore --from /backup/monday --dir ./data --overdue set-aside

Tasks whose time has passed since the backup was made may have run since. Say what becomes of them:
  fire                they run at once, again if they have run before
  skip-before <time>  those before that time are cancelled, later ones run at once
  set-aside           they become dead letters: hourwheel dead shows, redrives and purges them
Ids of before are not known in the restored directory; keys are.`

export function addRestoreCommand(program: Command): void {
  program
    .command('restore')
    .description('make a data directory of a backup')
    .requiredOption('--from <path>', 'the backup: a directory, or a .tar file')
    .requiredOption('--dir <directory>', 'the data directory to make; not there yet, or empty')
    .option('--overdue <choice...>', `what becomes of tasks whose time has passed: ${choices}`)
    .option('--json', 'answer as JSON')
    .addHelpText('after', examples)
    .action(async ({ from, dir, overdue, json = false }: Options) => {
      rememberDirectory(dir)
      const choice = overdue === undefined ? undefined : await parseChoice(overdue)
      const progress = new Progress(!json)
      try {
        const report = await restore(from, dir, { overdue: choice, progress: (step) => progress.show(step) })
        progress.end()
        if (json) printJson(report)
        else printReport(dir, report, choice)
      } catch (error) {
        progress.end()
        if (error instanceof HourwheelError && 'overdue' in error.details) {
          throw new CommandFailed(
            error.message,
            'the same command with --overdue; --help says what each choice does',
            exitCode.no,
          )
        }
        throw error
      } finally {
        progress.end()
      }
    })
}

async function parseChoice([what = '', ...rest]: readonly string[]): Promise<OverdueChoice> {
  if ((what === 'fire' || what === 'set-aside') && rest.length === 0) return { what }
  if (what === 'skip-before' && rest.length > 0) {
    return { what, at: await parseHumanTime(rest.join(' '), '--overdue skip-before') }
  }
  throw new CommandFailed(`--overdue takes ${choices}, not '${clean([what, ...rest].join(' '))}'`)
}

function printReport(dir: string, report: RestoreReport, choice: OverdueChoice | undefined): void {
  const { tasks, deadLetters, overdue, skipped, setAside } = report
  print(
    clean(
      `${dir} has ${grouped(tasks - skipped - setAside)} tasks and ${grouped(deadLetters + setAside)} dead letters`,
    ),
  )
  if (overdue > 0) print(`the time of ${grouped(overdue)} tasks had passed`)
  if (choice?.what === 'skip-before') print(`${grouped(skipped)} before ${showInstant(choice.at)} were cancelled`)
  if (setAside > 0) print(`${grouped(setAside)} were set aside as dead letters`)
  if (overdue - skipped - setAside > 0)
    print(`${grouped(overdue - skipped - setAside)} run as soon as the directory is opened`)
  if (setAside > 0) say(`  try: hourwheel dead list --dir ${dir}`)
}

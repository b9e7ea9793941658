/** hourwheel salvage: a sound directory of a damaged one; what is gone is listed. */

import type { Command } from 'commander'
import { salvage, verify, type SalvageReport } from '../engine/offline.ts'
import { CommandFailed, exitCode } from './failures.ts'
import { onClosed, stopFirst } from './offline-command.ts'
import { clean, colors, grouped, print, printJson, say } from './output.ts'
import { Progress } from './progress.ts'

interface Options {
  readonly dir: string
  readonly aside?: string
  readonly dryRun?: boolean
  readonly force?: boolean
  readonly json?: boolean
}

const hoursShown = 24

const examples = `
Examples:
  $ hourwheel salvage --dir ./data --dry-run
  $ hourwheel salvage --dir ./data
  $ hourwheel salvage --dir ./data --aside /backup/damaged-data

Every file that will not stay as it is is copied aside first, by default to salvaged-<time> in the directory. Ids of before
are not known any more afterwards; keys are. A salvage that was cut short is run again. Exit code 1 when something is gone.`

export function addSalvageCommand(program: Command): void {
  program
    .command('salvage')
    .description('make a sound data directory of a damaged one: keep all that can be read, list what is gone')
    .requiredOption('--dir <directory>', 'the data directory')
    .option('--aside <directory>', 'where the originals go; not there yet, or empty')
    .option('--dry-run', 'only say what would be recovered, and what is gone')
    .option('--force', 'also when nothing is wrong: the log becomes segments, and ids change')
    .option('--json', 'answer as JSON')
    .addHelpText('after', examples)
    .action(async ({ dir, aside, dryRun = false, force = false, json = false }: Options) => {
      const progress = new Progress(!json)
      try {
        if (!force && (await onClosed(dir, stopFirst, () => isSound(dir, progress)))) {
          throw new CommandFailed(
            `${dir} is sound: there is nothing to salvage`,
            `hourwheel stats --dir ${dir}`,
            exitCode.fine,
          )
        }
        const options = { aside, dryRun, progress: (step: string) => progress.show(step) }
        const report = await onClosed(dir, stopFirst, () => salvage(dir, options))
        const remaining = dryRun ? [] : (await verify(dir)).problems
        progress.end()
        if (json) printJson({ ...report, dryRun, problemsLeft: remaining })
        else printReport(dir, report, dryRun)
        for (const { file, offset, what } of remaining) say(`still wrong: ${file} at ${offset}: ${what}`)
        const isWhole = report.lostTasks + report.lostDeadLetters + report.revived === 0 && remaining.length === 0
        if (!isWhole) process.exitCode = exitCode.no
      } finally {
        progress.end()
      }
    })
}

async function isSound(dir: string, progress: Progress): Promise<boolean> {
  const { sound } = await verify(dir, (file) => progress.show(`checking ${file}`))
  return sound
}

function printReport(dir: string, report: SalvageReport, dryRun: boolean): void {
  const { bold, red, yellow } = colors(process.stdout)
  print(bold(dryRun ? 'would be lost' : 'lost'))
  for (const { file, offset, what, tasks, records } of report.losses) {
    const count =
      tasks !== undefined ? `, ${grouped(tasks)} entries` : records !== undefined ? `, ${grouped(records)} records` : ''
    print(clean(`  ${file} at ${offset}: ${what}${count}`))
  }
  if (report.losses.length === 0) print('  no file')
  for (const { hour, tasks } of report.hours.slice(0, hoursShown)) {
    print(`  ${new Date(hour * 3_600_000).toISOString().slice(0, 13)}Z: ${grouped(tasks)} tasks`)
  }
  if (report.hours.length > hoursShown) print(`  and tasks of ${grouped(report.hours.length - hoursShown)} hours more`)
  const { lostTasks, lostDeadLetters, revived } = report
  const gone = `${grouped(lostTasks)} tasks and ${grouped(lostDeadLetters)} dead letters are gone`
  print(lostTasks + lostDeadLetters > 0 ? red(gone) : gone)
  if (revived > 0) {
    print(yellow(`${grouped(revived)} tasks more than the counters have: their ends are lost, so that they run again`))
  }
  print(bold(dryRun ? 'would be kept' : 'kept'))
  print(`  ${grouped(report.tasks)} tasks, ${grouped(report.deadLetters)} dead letters`)
  print(`  ${report.segmentsKept} segments as they are, ${report.segmentsWritten} written anew`)
  if (report.aside !== undefined) print(clean(`the originals are in ${report.aside}`))
  if (dryRun) say(`  try: hourwheel salvage --dir ${dir}`)
  else say(`  try: hourwheel stats --dir ${dir}; ids of before are not known any more, keys are`)
}

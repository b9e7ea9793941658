/** hourwheel doctor: one look at everything that commonly goes wrong, each with what to do about it. */

import type { Command } from 'commander'
import { HourwheelError } from '../model/errors.ts'
import { checkDirectory, checkStats, checkVersions, fine, problem, type Finding } from './doctor-checks.ts'
import { exitCode, hintFor } from './failures.ts'
import { clean, colors, print, printJson } from './output.ts'
import { onTarget, resolveTarget, withTarget, type TargetOptions } from './target.ts'

export function addDoctorCommand(program: Command): void {
  withTarget(program.command('doctor').description('look for what commonly goes wrong, and say what to do'))
    .option('--json', 'one JSON object a line')
    .addHelpText('after', '\nExamples:\n  $ hourwheel doctor --dir ./data\n\nExit code 1 when there is a problem.')
    .action(async (options: TargetOptions & { json?: boolean }) => {
      const findings = await examine(options)
      const count = findings.filter(({ level }) => level === 'problem').length
      if (options.json) for (const finding of findings) printJson(finding)
      else for (const finding of findings) printFinding(finding)
      if (count > 0) process.exitCode = exitCode.no
    })
}

async function examine(options: TargetOptions): Promise<Finding[]> {
  const { dir } = resolveTarget(options)
  const findings = [checkVersions(), ...(dir === undefined ? [] : await checkDirectory(dir))]
  if (findings.some(({ level, check }) => level === 'problem' && check !== 'disk space')) return findings
  try {
    const stats = await onTarget(options, (wheel) => wheel.stats())
    findings.push(fine('opens', `opening number ${stats.openCount}`), ...checkStats(stats, dir === undefined))
  } catch (error) {
    if (!(error instanceof HourwheelError)) throw error
    findings.push(problem('opens', `${error.code}: ${error.message}`, hintFor(error) ?? 'see docs/errors.md'))
  }
  return findings
}

function printFinding({ check, level, found, remedy }: Finding): void {
  const { green, yellow, red } = colors(process.stdout)
  const mark = { fine: green('fine   '), warning: yellow('warning'), problem: red('PROBLEM') }[level]
  print(`${mark}  ${check.padEnd(14)}  ${clean(found)}`)
  if (remedy !== undefined) print(`${' '.repeat(25)}-> ${remedy}`)
}

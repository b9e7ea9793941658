#!/usr/bin/env node
/** The `hourwheel` program: one command a file. Exit codes: 0 fine, 1 the data says no, 2 it could not be done. */

import { Command } from 'commander'
import { addBatchCommand } from './batch.ts'
import { addCalendarCommand } from './calendar.ts'
import { addCancelCommand } from './cancel.ts'
import { addCompletionCommand } from './completion.ts'
import { addContextCommand } from './context.ts'
import { addDeadCommand } from './dead.ts'
import { addDoctorCommand } from './doctor.ts'
import { report } from './failures.ts'
import { addGetCommand } from './get.ts'
import { addAckCommand, addExtendCommand, addLeaseCommand, addNackCommand } from './lease.ts'
import { addListCommand } from './list.ts'
import { addPauseCommand, addResumeCommand } from './pause.ts'
import { addRescheduleCommand } from './reschedule.ts'
import { addRunCommand } from './run.ts'
import { addScheduleCommand } from './schedule.ts'
import { addSettingsCommand } from './settings.ts'
import { addStatsCommand } from './stats.ts'
import { addTailCommand } from './tail.ts'
import { packageVersion } from './version.ts'

// `hourwheel list | head` is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

const program = new Command('hourwheel')
  .description('Durable timers: schedule tasks, see what is pending, repair what is damaged.')
  .version(packageVersion())
  .showHelpAfterError('(add --help for what there is)')
  .exitOverride()

program.commandsGroup('Tasks:')
addScheduleCommand(program)
addBatchCommand(program)
addGetCommand(program)
addListCommand(program)
addCancelCommand(program)
addRescheduleCommand(program)
addPauseCommand(program)
addResumeCommand(program)
addDeadCommand(program)
addStatsCommand(program)
addCalendarCommand(program)
program.commandsGroup('At work:')
addRunCommand(program)
addTailCommand(program)
addLeaseCommand(program)
addAckCommand(program)
addNackCommand(program)
addExtendCommand(program)
addSettingsCommand(program)
program.commandsGroup('This program:')
addContextCommand(program)
addDoctorCommand(program)
addCompletionCommand(program)
program.commandsGroup('The daemon and data directories:')
for (const add of await heavyCommands()) add(program)

try {
  await program.parseAsync()
} catch (error) {
  report(error)
}

/** Commands that bring the daemon or the engine along, which takes a while to load: only the one that is meant, or all for help. */
async function heavyCommands(): Promise<((program: Command) => void)[]> {
  const heavy: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
    serve: async () => (await import('./serve.ts')).addServeCommand,
    dev: async () => (await import('./dev.ts')).addDevCommand,
    'check-config': async () => (await import('./check-config.ts')).addCheckConfigCommand,
    inspect: async () => (await import('./inspect.ts')).addInspectCommand,
    verify: async () => (await import('./verify.ts')).addVerifyCommand,
    salvage: async () => (await import('./salvage.ts')).addSalvageCommand,
    'rebuild-keys': async () => (await import('./rebuild-keys.ts')).addRebuildKeysCommand,
    backup: async () => (await import('./backup.ts')).addBackupCommand,
    restore: async () => (await import('./restore.ts')).addRestoreCommand,
  }
  const [, , meant = ''] = process.argv
  if (program.commands.some((command) => command.name() === meant && meant !== 'completion')) return []
  const loads = Object.hasOwn(heavy, meant) ? [heavy[meant]!] : Object.values(heavy)
  return Promise.all(loads.map((load) => load()))
}

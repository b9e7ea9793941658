#!/usr/bin/env node
/** The `hourwheel` program: one command a file. Exit codes: 0 fine, 1 something is wrong with the data, 2 it could not be done. */

import { Command } from 'commander'
import { HourwheelError } from '../model/errors.ts'
import { addGetCommand } from './get.ts'
import { addListCommand } from './list.ts'
import { addStatsCommand } from './stats.ts'
import { addVerifyCommand } from './verify.ts'

const program = new Command('hourwheel')
  .description('Looks into data directories of hourwheel, a durable timer engine, that no engine has open.')
  .showHelpAfterError('(add --help for what there is)')
  .exitOverride()

addVerifyCommand(program)
addStatsCommand(program)
addListCommand(program)
addGetCommand(program)

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof HourwheelError) {
    console.error(`hourwheel: ${error.code}: ${error.message}`)
    process.exitCode = 2
  } else if (error instanceof Error && 'exitCode' in error && typeof error.exitCode === 'number') {
    // Commander has said what was wrong, or shown help.
    process.exitCode = error.exitCode === 0 ? 0 : 2
  } else throw error
}

/** hourwheel pause and resume: whether a queue starts attempts; durable. */

import type { Command } from 'commander'
import { printFacts, printJson } from './output.ts'
import { onTarget, withTarget, type TargetOptions } from './target.ts'

export function addPauseCommand(program: Command): void {
  addOne(program, 'pause', 'start no more attempts of a queue; tasks are still accepted', 'paused')
}

export function addResumeCommand(program: Command): void {
  addOne(program, 'resume', 'start attempts of a queue again', 'resumed')
}

function addOne(program: Command, name: 'pause' | 'resume', description: string, done: string): void {
  withTarget(program.command(name).description(description).argument('<queue>', 'its name'))
    .option('--json', 'as JSON')
    .addHelpText('after', `\nExamples:\n  $ hourwheel ${name} email --dir ./data\n\nIt holds across restarts.`)
    .action(async (queue: string, options: TargetOptions & { json?: boolean }) => {
      await onTarget(options, (wheel) => wheel[name](queue))
      if (options.json) printJson({ queue, paused: name === 'pause' })
      else printFacts({ [done]: queue })
    })
}

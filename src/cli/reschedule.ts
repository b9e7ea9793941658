/** hourwheel reschedule: another fire time for a pending task. */

import type { Command } from 'commander'
import { exitCode } from './failures.ts'
import { showDistance, showInstant } from './human-time.ts'
import { printFacts, printJson } from './output.ts'
import { onTarget, withTarget, type TargetOptions } from './target.ts'
import { parseCount, whenOf, withWhen, type WhenOptions } from './task-fields.ts'
import { refOf, shownRef, withRef, type RefOptions } from './task-ref.ts'

type Options = RefOptions & TargetOptions & WhenOptions & { ifGeneration?: number; json?: boolean }

export function addRescheduleCommand(program: Command): void {
  const command = program.command('reschedule').description('move a pending task to another time')
  withTarget(withWhen(withRef(command)))
    .option('--if-generation <number>', 'only if nobody has changed it since', parseCount)
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ hourwheel reschedule f7310000350za9 --at 'friday 17:30' --dir ./data
  $ hourwheel reschedule --queue trial-end --key account-7 --in 14d --dir ./data

Exit code 1 when it was not moved: it runs, has ended, was changed meanwhile, or there is none such.`,
    )
    .action(async (id: string | undefined, options: Options) => {
      const ref = refOf(id, options)
      const { ifGeneration } = options
      const when = await whenOf(options)
      const answer = await onTarget(options, (wheel) => wheel.reschedule(ref, { ...when, ifGeneration }))
      const { outcome } = answer
      if (outcome !== 'rescheduled') process.exitCode = exitCode.no
      if (options.json) {
        printJson(outcome === 'rescheduled' ? { ...answer, at: new Date(answer.fireAt).toISOString() } : answer)
        return
      }
      printFacts({
        [outcome]: shownRef(ref),
        fires: outcome === 'rescheduled' ? `${showInstant(answer.fireAt)}, ${showDistance(answer.fireAt)}` : undefined,
        generation: 'generation' in answer ? answer.generation : undefined,
        how: outcome === 'ended' ? answer.how : undefined,
        note: outcome === 'leased' ? `attempt ${answer.attempt} is running` : undefined,
      })
    })
}

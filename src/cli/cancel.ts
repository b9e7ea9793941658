/** hourwheel cancel: a task that is not to run, or not again. */

import type { Command } from 'commander'
import { exitCode } from './failures.ts'
import { printFacts, printJson } from './output.ts'
import { onTarget, withTarget, type TargetOptions } from './target.ts'
import { refOf, shownRef, withRef, type RefOptions } from './task-ref.ts'

export function addCancelCommand(program: Command): void {
  const command = program.command('cancel').description('cancel a task: no later start, across any crash')
  withTarget(withRef(command))
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ hourwheel cancel f7310000350za9 --dir ./data
  $ hourwheel cancel --queue trial-end --key account-7 --dir ./data

Exit code 1 when it has ended already, or there is none such.`,
    )
    .action(async (id: string | undefined, options: RefOptions & TargetOptions & { json?: boolean }) => {
      const ref = refOf(id, options)
      const answer = await onTarget(options, (wheel) => wheel.cancel(ref))
      const { outcome } = answer
      if (outcome === 'ended' || outcome === 'missing') process.exitCode = exitCode.no
      if (options.json) printJson(answer)
      else {
        printFacts({
          [outcome]: shownRef(ref),
          how: outcome === 'ended' ? answer.how : undefined,
          note: outcome === 'leased' ? `attempt ${answer.attempt} is running: there will be no other` : undefined,
        })
      }
    })
}

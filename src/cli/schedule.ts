/** hourwheel schedule: one task, durable once this has answered. */

import type { Command } from 'commander'
import type { Receipt } from '../model/hourwheel.ts'
import { showDistance, showInstant } from './human-time.ts'
import { printFacts, printJson } from './output.ts'
import { onTarget, withTarget, type TargetOptions } from './target.ts'
import { taskOf, withTaskFields, type TaskOptions } from './task-fields.ts'

export function addScheduleCommand(program: Command): void {
  const command = program
    .command('schedule')
    .description('schedule one task; it is on disk once this has answered')
    .argument('<queue>', 'its queue')
  withTarget(withTaskFields(command))
    .option('--json', 'the receipt as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ hourwheel schedule email --dir ./data --at 'tomorrow 9am' --payload '{"to":"ada@example.com"}'
  $ hourwheel schedule trial-end --dir ./data --in 30d --key account-7 --payload @account.json
  $ hourwheel schedule index --dir ./data --in 5s --key doc-17 --on-conflict latest

Times without a zone are local (TZ=Asia/Tokyo hourwheel ... for another); the answer says what was understood.`,
    )
    .action(async (queue: string, options: TaskOptions & TargetOptions & { json?: boolean }) => {
      const task = await taskOf(queue, options)
      const receipt = await onTarget(options, (wheel) => wheel.schedule(task), { creates: true })
      printReceipt(receipt, queue, options.json)
    })
}

function printReceipt(receipt: Receipt, queue: string, json = false): void {
  const { id, fireAt, outcome, generation, state, running } = receipt
  if (json) {
    printJson({ ...receipt, queue, at: new Date(fireAt).toISOString() })
    return
  }
  printFacts({
    [outcome]: id,
    queue,
    fires: state === 'ended' ? undefined : `${showInstant(fireAt)}, ${showDistance(fireAt)}`,
    state,
    generation: generation === 0 ? undefined : generation,
    running,
  })
}

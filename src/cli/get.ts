/** hourwheel get: one task by its id or key. */

import type { Command } from 'commander'
import type { GetAnswer } from '../model/hourwheel.ts'
import { toWire } from '../protocol/wire.ts'
import { CommandFailed, exitCode } from './failures.ts'
import { showDistance, showInstant } from './human-time.ts'
import { printFacts, printJson, shortPayload } from './output.ts'
import { onTarget, withTarget, type TargetOptions } from './target.ts'
import { refOf, shownRef, withRef, type RefOptions } from './task-ref.ts'

export function addGetCommand(program: Command): void {
  const command = program.command('get').description('one task, by its id or by queue and key')
  withTarget(withRef(command))
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ hourwheel get f7310000350za9 --dir ./data
  $ hourwheel get --queue charge --key order-4711 --dir ./data --json

Exit code 1 when there is none such. One that has ended is known for 24 hours at least.`,
    )
    .action(async (id: string | undefined, options: RefOptions & TargetOptions & { json?: boolean }) => {
      const ref = refOf(id, options)
      const found = await onTarget(options, (wheel) => wheel.get(ref))
      if (found === undefined) {
        throw new CommandFailed(
          `there is no task ${shownRef(ref)}`,
          'hourwheel list, which shows the live ones',
          exitCode.no,
        )
      }
      if (options.json) printJson(isEnded(found) ? found : toWire(found))
      else printTask(found)
    })
}

type Ended = Extract<GetAnswer, { readonly state: 'ended' }>

function isEnded(answer: GetAnswer): answer is Ended {
  return answer.state === 'ended'
}

function printTask(found: GetAnswer): void {
  if (isEnded(found)) {
    printFacts({ state: found.how === undefined ? 'ended' : `ended: ${found.how}` })
    return
  }
  const { id, queue, key, state, fireAt, attempt, generation, payload, headers, expiresAt, lastError } = found
  printFacts({
    id,
    queue,
    key,
    state: state === 'dead' && 'reason' in found ? `dead: ${found.reason}` : state,
    fires: state === 'dead' ? undefined : `${showInstant(fireAt)}, ${showDistance(fireAt)}`,
    died: 'diedAt' in found ? `${showInstant(found.diedAt)}, ${showDistance(found.diedAt)}` : undefined,
    attempt,
    generation,
    expires: expiresAt === undefined ? undefined : `${showInstant(expiresAt)}, ${showDistance(expiresAt)}`,
    headers: headers === undefined ? undefined : JSON.stringify(headers),
    error: 'error' in found ? found.error : lastError,
    payload: payload === undefined ? undefined : shortPayload(payload, 10_000),
  })
}

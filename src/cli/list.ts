/** hourwheel list: live tasks and dead letters in fire order, one line each. */

import { InvalidArgumentError, type Command } from 'commander'
import type { ListInput, LiveState } from '../model/hourwheel.ts'
import { dirOption, reading } from './reading.ts'

interface Options {
  readonly dir: string
  readonly queue?: string
  readonly state?: LiveState
  readonly limit: number
  readonly json?: boolean
}

export function addListCommand(program: Command): void {
  program
    .command('list')
    .description('live tasks and dead letters in fire order')
    .requiredOption(...dirOption)
    .option('--queue <name>', 'only of this queue')
    .option('--state <state>', 'only pending, leased or dead ones')
    .option('--limit <count>', 'at most so many', parseCount, 100)
    .option('--json', 'one JSON object a line')
    .addHelpText('after', '\nExamples:\n  $ hourwheel list --dir ./data --queue email --limit 10')
    .action(async ({ dir, queue, state, limit, json = false }: Options) => {
      const input: ListInput = { queue, state, limit }
      await reading(dir, async (engine) => {
        for await (const task of engine.list(input)) {
          if (json) console.log(JSON.stringify(task))
          else {
            const at = new Date(task.fireAt).toISOString()
            console.log(`${task.id}  ${at}  ${task.state.padEnd(7)}  ${task.queue}  ${shortPayload(task.payload)}`)
          }
        }
      })
    })
}

function shortPayload(payload: unknown): string {
  if (payload instanceof Uint8Array) return `${payload.length} bytes`
  const text = payload === undefined ? '' : JSON.stringify(payload)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

function parseCount(text: string): number {
  const count = Number(text)
  if (!Number.isSafeInteger(count) || count < 0) throw new InvalidArgumentError('it must be a whole number')
  return count
}

/** hourwheel tail: what happens in a daemon, as it happens. */

import { Option, type Command } from 'commander'
import type { ClientEvent } from '../client/event-stream.ts'
import { eventNames } from '../model/event-names.ts'
import type { EngineEvents } from '../model/engine-reports.ts'
import { clean, colors, print, printJson, say } from './output.ts'
import { onDaemon, withDaemon, type DaemonOptions } from './target.ts'
import { parsePositive } from './task-fields.ts'

type Options = DaemonOptions & {
  readonly queue?: string
  readonly type?: readonly (keyof EngineEvents)[]
  readonly since?: string
  readonly count?: number
  readonly json?: boolean
}

export function addTailCommand(program: Command): void {
  withDaemon(program.command('tail').description('what happens in a daemon, as it happens'))
    .option('--queue <name>', 'only of this queue')
    .addOption(new Option('--type <event...>', 'only these').choices(eventNames))
    .option('--since <event>', 'go on after the event of this id')
    .option('--count <count>', 'end after so many', parsePositive)
    .option('--json', 'one JSON object a line')
    .addHelpText(
      'after',
      `
Examples:
  $ hourwheel tail --socket ./data/hourwheel.sock
  $ hourwheel tail --url http://127.0.0.1:7420 --type attemptFailed --type deadLettered --json

It goes on over lost connections, from where it was; what the daemon keeps no longer is told as a gap. Ctrl-C ends it.`,
    )
    .action(async (options: Options) => {
      const { queue, type, since, count = Infinity, json = false } = options
      const leaving = new AbortController()
      process.once('SIGINT', () => leaving.abort())
      let seen = 0
      await onDaemon(options, async (client) => {
        if (!json) say('listening; Ctrl-C ends it')
        for await (const event of client.events({ queue, types: type, since, signal: leaving.signal })) {
          if (json) printJson(event)
          else printEvent(event)
          if (++seen >= count) return
        }
      }).catch((error: unknown) => {
        if (!leaving.signal.aborted) throw error
      })
    })
}

function printEvent(event: ClientEvent): void {
  const { red, yellow, green, dim } = colors(process.stdout)
  const paint =
    event.type === 'succeeded'
      ? green
      : /^(?:deadLettered|damaged|clockJump|noConsumer)$/.test(event.type)
        ? red
        : /^(?:attemptFailed|expired|gap)$/.test(event.type)
          ? yellow
          : String
  const { type, ...rest } = event
  const { id = '', queue = '', eventId: _eventId, ...facts } = rest as Record<string, unknown>
  const time = new Date().toISOString().slice(11, 23)
  const told = Object.entries(facts).map(
    ([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  print(
    `${dim(time)} ${paint(type.padEnd(13))} ${clean(`${String(queue).padEnd(12)} ${String(id).padEnd(14)} ${told.join('  ')}`)}`,
  )
}

/** hourwheel batch: many tasks from lines of JSON. */

import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { CommandFailed } from './failures.ts'
import { grouped, printFacts, printJson } from './output.ts'
import { Progress } from './progress.ts'
import { onTarget, withTarget, type TargetOptions } from './target.ts'
import { parseCount } from './task-fields.ts'
import { scheduleLines, type Progress as Done } from './task-lines.ts'

const barWidth = 24

export function addBatchCommand(program: Command): void {
  withTarget(
    program
      .command('batch')
      .description('schedule many tasks: one JSON object a line')
      .argument('<file>', 'the lines; - for standard input'),
  )
    .option('--skip <lines>', 'leave out the first lines', parseCount)
    .option('--json', 'what was done as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ hourwheel batch tasks.ndjson --socket ./data/hourwheel.sock
  $ jq -c '.users[] | {queue:"email", delay:"1d", key:.id, payload:{to:.mail}}' users.json | hourwheel batch - --dir ./data

A line has what schedule has in the library: queue, at or delay, payload or payloadBase64, key, onConflict, retry, timeout,
expiresAt, headers. Batches of lines are done one after the other, each whole or not at all; a bad line ends it, with its number
and where to go on (--skip). Lines with a key can be repeated safely.`,
    )
    .action(async (file: string, options: TargetOptions & { skip?: number; json?: boolean }) => {
      const { skip = 0, json = false } = options
      const bytes = file === '-' ? undefined : await sizeOf(file)
      const line = new Progress(!json)
      const startedAtMs = performance.now()
      const done = await onTarget(
        options,
        (wheel) =>
          scheduleLines(wheel, { input: file, skip, onProgress: (at) => line.show(bar(at, bytes, startedAtMs)) }),
        { creates: true },
      ).finally(() => line.end())
      const { lines, created, kept, replaced } = done
      if (json) printJson({ lines, created, kept, replaced })
      else printFacts({ lines, created, kept: kept || undefined, replaced: replaced || undefined })
    })
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size
  } catch (error) {
    throw new CommandFailed((error as Error).message)
  }
}

function bar({ bytes, lines }: Done, bytesAll: number | undefined, startedAtMs: number): string {
  const perSecond = Math.round(lines / Math.max(0.001, (performance.now() - startedAtMs) / 1_000))
  const rate = `${grouped(lines)} lines, ${grouped(perSecond)} a second`
  if (bytesAll === undefined) return rate
  const share = Math.min(1, bytes / Math.max(1, bytesAll))
  const full = Math.round(share * barWidth)
  return `[${'█'.repeat(full)}${'·'.repeat(barWidth - full)}] ${Math.floor(share * 100)} %  ${rate}`
}

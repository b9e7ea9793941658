/** --from and --to, as people write times; what was understood is said on stderr, so that it stays out of pipes. */

import type { Command } from 'commander'
import { parseHumanTime, showInstant } from './human-time.ts'
import { say } from './output.ts'

export interface SpanOptions {
  readonly from?: string
  readonly to?: string
}

export function withSpan(command: Command): Command {
  return command
    .option('--from <time>', "not before: 'tomorrow 00:00', 'in 2 days', ISO text")
    .option('--to <time>', 'not after; the same')
}

export async function spanOf(
  { from, to }: SpanOptions,
  isQuiet: boolean,
): Promise<{ from: number | undefined; to: number | undefined }> {
  const nowMs = Date.now()
  const fromMs = from === undefined ? undefined : await parseHumanTime(from, '--from', nowMs)
  const toMs = to === undefined ? undefined : await parseHumanTime(to, '--to', nowMs)
  if (!isQuiet) {
    if (fromMs !== undefined) say(`from ${showInstant(fromMs)}`)
    if (toMs !== undefined) say(`to   ${showInstant(toMs)}`)
  }
  return { from: fromMs, to: toMs }
}

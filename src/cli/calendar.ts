/** hourwheel calendar: how many tasks are pending when, as bars of text. */

import { Option, type Command } from 'commander'
import type { CalendarHour } from '../model/engine-reports.ts'
import { dayMs, hourMs } from '../model/units.ts'
import { showInstant } from './human-time.ts'
import { colors, grouped, print, printJson, say } from './output.ts'
import { onTarget, withTarget, type TargetOptions } from './target.ts'
import { spanOf, withSpan, type SpanOptions } from './time-span.ts'

type Step = 'hour' | 'day' | 'month'

export function addCalendarCommand(program: Command): void {
  withTarget(withSpan(program.command('calendar').description('pending tasks over time, as a chart')))
    .addOption(new Option('--by <step>', 'one bar for each (default: what fits)').choices(['hour', 'day', 'month']))
    .option('--json', 'one JSON object a line, always by hour')
    .addHelpText(
      'after',
      `
Examples:
  $ hourwheel calendar --dir ./data
  $ hourwheel calendar --dir ./data --from now --to 'in 2 days' --by hour

Days and months are local ones; hours are whole hours of UTC.`,
    )
    .action(async (options: TargetOptions & SpanOptions & { by?: Step; json?: boolean }) => {
      const { by, json = false } = options
      const span = await spanOf(options, json)
      const hours = await onTarget(options, (wheel) => wheel.calendar(span))
      if (json) {
        for (const hour of hours) printJson({ ...hour, at: new Date(hour.hour).toISOString() })
        return
      }
      if (hours.length === 0) say('nothing is pending')
      else printChart(hours, by ?? fittingStep(hours))
    })
}

function fittingStep(hours: readonly CalendarHour[]): Step {
  const spanMs = hours.at(-1)!.hour - hours[0]!.hour
  if (spanMs <= 48 * hourMs) return 'hour'
  return spanMs <= 92 * dayMs ? 'day' : 'month'
}

function printChart(hours: readonly CalendarHour[], step: Step): void {
  const counts = new Map<string, number>()
  for (const { hour, pending } of hours) {
    const name = nameOf(hour, step)
    counts.set(name, (counts.get(name) ?? 0) + pending)
  }
  const most = Math.max(...counts.values())
  const nameWidth = Math.max(...[...counts.keys()].map((name) => name.length))
  const countWidth = grouped(most).length
  const barMax = Math.max(10, Math.min(60, (process.stdout.columns ?? 80) - nameWidth - countWidth - 4))
  const { cyan } = colors(process.stdout)
  for (const [name, count] of counts) {
    const bar = barOf((count / most) * barMax)
    print(`${name.padEnd(nameWidth)}  ${grouped(count).padStart(countWidth)}  ${cyan(bar)}`)
  }
}

/** Steps without any task are left out, as in the calendar itself. */
function nameOf(ms: number, step: Step): string {
  const local = showInstant(ms)
  if (step === 'month') return local.slice(0, 7)
  return step === 'day' ? local.slice(0, 10) : local.slice(0, 16)
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** Never empty: one task is seen beside a million. */
function barOf(width: number): string {
  const size = Math.max(1, Math.round(width * 8))
  return '█'.repeat(Math.floor(size / 8)) + eighths[size % 8]!
}

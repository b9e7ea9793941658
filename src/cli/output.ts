/**
 * What commands print: tables on a terminal, tab-separated lines elsewhere, one JSON object a line with `--json`.
 *
 * Control characters of the data never reach a terminal. NO_COLOR and FORCE_COLOR are honoured; colour is never the only
 * bearer of a meaning.
 */

import Table from 'cli-table3'
import picocolors from 'picocolors'

type Colors = ReturnType<typeof picocolors.createColors>

/** Colours for what goes to this stream: none unless it is a terminal. */
export function colors(stream: { readonly isTTY?: boolean | undefined }): Colors {
  const { NO_COLOR = '', FORCE_COLOR = '', TERM } = process.env
  return picocolors.createColors(NO_COLOR === '' && (FORCE_COLOR !== '' || (stream.isTTY === true && TERM !== 'dumb')))
}

export interface Column<Row> {
  readonly title: string
  readonly of: (row: Row) => string | number
  /** Where lines are read by programs; by default the same. */
  readonly plain?: (row: Row) => string | number
  readonly align?: 'left' | 'right'
  /** On a terminal, a column that says nothing here. */
  readonly isLeftOut?: (rows: readonly Row[]) => boolean
  /** Is cut first when the terminal is narrow. */
  readonly isWide?: boolean
}

/** A table, or tab-separated lines without titles. */
export function printRows<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): void {
  if (!process.stdout.isTTY) {
    for (const row of rows) {
      print(columns.map(({ of, plain = of }) => clean(String(plain(row)))).join('\t'))
    }
    return
  }
  const { bold } = colors(process.stdout)
  columns = columns.filter(({ isLeftOut }) => isLeftOut?.(rows) !== true)
  const cells = rows.map((row) => columns.map(({ of }) => clean(String(of(row)))))
  const widths = fittingWidths(cells, columns, process.stdout.columns ?? 100)
  const table = new Table({
    head: columns.map(({ title }) => bold(title)),
    colAligns: columns.map(({ align = 'left' }) => align),
    colWidths: widths,
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 1 },
    chars: plainChars,
  })
  table.push(...cells)
  print(table.toString())
}

const plainChars = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '─',
  'mid-mid': '─',
  right: '',
  'right-mid': '',
  middle: ' ',
}

/** Widths with padding; the wide columns share what the others leave. */
function fittingWidths(
  cells: readonly string[][],
  columns: readonly { readonly title: string; readonly isWide?: boolean }[],
  widthMax: number,
): number[] {
  const widths = columns.map(
    ({ title }, at) => cells.reduce((most, row) => Math.max(most, row[at]!.length), title.length) + 1,
  )
  const isWide = columns.map((column) => column.isWide === true)
  const rest = widths.reduce((sum, width, at) => sum + (isWide[at]! ? 1 : width + 1), 0)
  const share = Math.floor((widthMax - rest) / Math.max(1, isWide.filter(Boolean).length))
  return widths.map((width, at) => (isWide[at]! ? Math.max(10, Math.min(width, share)) : width))
}

/** Facts about one thing, a line each. */
export function printFacts(facts: Readonly<Record<string, string | number | undefined>>): void {
  const known = Object.entries(facts).filter(([, value]) => value !== undefined)
  const width = Math.max(...known.map(([name]) => name.length))
  const { dim } = colors(process.stdout)
  for (const [name, value] of known) print(`${dim(name.padEnd(width))}  ${clean(String(value))}`)
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** One JSON object on one line. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value))
}

/** Says something to a person, beside the answer: on stderr, so that it stays out of pipes. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** A payload on one short line. */
export function shortPayload(payload: unknown, lengthMax = 200): string {
  if (payload === undefined) return ''
  if (payload instanceof Uint8Array) return `${payload.length} bytes`
  const text = JSON.stringify(payload)
  return text.length > lengthMax ? `${text.slice(0, lengthMax - 3)}...` : text
}

/** Without control characters, which could move the cursor or change the title of a terminal. */
export function clean(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (found) => {
    if (found === '\n') return '\\n'
    if (found === '\t') return '\\t'
    return `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

export function grouped(count: number): string {
  return count.toLocaleString('en-US')
}

/** The sections of a snapshot as lines: one a task that they speak of. How tasks ended is shown as the size of its pages. */

import { homeHourOf, ordinalOf } from '../../model/ids.ts'
import { Ledger } from '../../model/ledger.ts'
import type { ScannedSection } from '../../storage/snapshot/snapshot-scan.ts'
import { decodeLedger } from '../ledger-sections.ts'
import { hourText, type Line, type LineNames } from './record-lines.ts'

/** With the task that it is about. */
export type LedgerLine = Line & { readonly row: { readonly homeHour?: number; readonly ordinal?: number } }

export function* ledgerLines(names: LineNames, file: string, section: ScannedSection): Generator<LedgerLine> {
  const at = { file, offset: section.offset }
  if (section.name === 'ends') {
    yield { ...at, kind: 'ends', bytes: section.bytes.length, row: {} }
    return
  }
  const ledger = new Ledger(0)
  try {
    decodeLedger(ledger, [section])
  } catch (error) {
    yield { ...at, kind: 'damage', what: (error as Error).message, row: {} }
    return
  }
  const about = (id: number): { id: string; row: { homeHour: number; ordinal: number } } => {
    const row = { homeHour: homeHourOf(id), ordinal: ordinalOf(id) }
    return { id: names.idText(row.homeHour, row.ordinal), row }
  }
  for (const [id, hour] of ledger.moved) yield { ...at, kind: 'moved', ...about(id), place: hourText(hour) }
  for (const [id, { lsn, hour }] of ledger.superseded) {
    yield { ...at, kind: 'superseded', ...about(id), below: lsn, place: hourText(hour) }
  }
  for (const [id, { queue, fence, losses, stopped }] of ledger.leases) {
    yield { ...at, kind: 'leased', ...about(id), queue: names.queueName(queue), fence, losses, stopped }
  }
  for (const [id, losses] of ledger.losses) yield { ...at, kind: 'losses', ...about(id), losses }
  for (const [id, { queue, lsn, placeHour }] of ledger.dead) {
    yield { ...at, kind: 'dead', ...about(id), queue: names.queueName(queue), lsn, place: hourText(placeHour) }
  }
}

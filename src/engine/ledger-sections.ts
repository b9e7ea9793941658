/**
 * The ledger's part of a snapshot, as named sections: what is absolute (see model/ledger.ts). Counters, the calendar and
 * next ordinals are not in it: they come from the head record of the first live log file.
 *
 * Encoding is done in slices, so that the caller may yield between them while the ledger goes on changing: the snapshot is
 * then a mix of moments, which replay makes whole, provided that every record it has seen is in the log.
 */

import { Packr } from 'msgpackr'
import { refuse } from '../model/errors.ts'
import type { Ledger } from '../model/ledger.ts'

const packr = new Packr({ useRecords: false })
const sliceItems = 4_096

export interface Section {
  readonly name: string
  readonly bytes: Uint8Array
}

/** Slices of sections; sections of one name are parts of one list, or (for 'ends') of one byte stream. */
export function* encodeLedger(ledger: Ledger): Generator<Section> {
  yield* slices('moved', ledger.moved, ([id, hour]) => [id, hour])
  yield* slices('superseded', ledger.superseded, ([id, mark]) => [id, mark.lsn, mark.hour])
  yield* slices('leases', ledger.leases, ([id, lease]) => [
    id,
    lease.queue,
    lease.fence,
    lease.losses,
    lease.stopped ? 1 : 0,
  ])
  yield* slices('losses', ledger.losses, ([id, losses]) => [id, losses])
  yield* slices('dead', ledger.dead, ([id, dead]) => [id, dead.queue, dead.lsn, dead.placeHour])
  for (const bytes of ledger.ends.encode()) yield { name: 'ends', bytes }
}

function* slices<T>(name: string, items: Iterable<T>, flat: (item: T) => number[]): Generator<Section> {
  let list: number[][] = []
  for (const item of items) {
    list.push(flat(item))
    if (list.length < sliceItems) continue
    yield { name, bytes: packr.pack(list) }
    list = []
  }
  if (list.length > 0) yield { name, bytes: packr.pack(list) }
}

/** Fills an empty ledger from a snapshot's sections, in the order they were written. */
export function decodeLedger(ledger: Ledger, sections: Iterable<Section>): void {
  for (const { name, bytes } of sections) {
    switch (name) {
      case 'moved':
        for (const [id, hour] of rows(bytes, 2)) ledger.moved.set(id!, hour!)
        break
      case 'superseded':
        for (const [id, lsn, hour] of rows(bytes, 3)) ledger.superseded.set(id!, { lsn: lsn!, hour: hour! })
        break
      case 'leases':
        for (const [id, queue, fence, losses, stopped] of rows(bytes, 5)) {
          ledger.leases.set(id!, { id: id!, queue: queue!, fence: fence!, losses: losses!, stopped: stopped === 1 })
        }
        break
      case 'losses':
        for (const [id, losses] of rows(bytes, 2)) ledger.losses.set(id!, losses!)
        break
      case 'dead':
        for (const [id, queue, lsn, placeHour] of rows(bytes, 4)) {
          ledger.dead.set(id!, { id: id!, queue: queue!, lsn: lsn!, placeHour: placeHour! })
        }
        break
      case 'ends':
        ledger.ends.decodeInto(bytes)
        break
      default:
        throw refuse('HW_FORMAT_NEWER', `the snapshot has a section '${name}' that this version does not know`)
    }
  }
}

function rows(bytes: Uint8Array, width: number): number[][] {
  const list = packr.unpack(bytes) as unknown
  const sound =
    Array.isArray(list) &&
    list.every(
      (row) =>
        Array.isArray(row) && row.length === width && row.every((value) => Number.isSafeInteger(value) && value >= 0),
    )
  if (!sound) throw refuse('HW_CORRUPT', 'a section of the snapshot does not have the shape it should')
  return list as number[][]
}

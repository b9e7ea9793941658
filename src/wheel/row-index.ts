/**
 * From a task's id to its row: (home hour, ordinal) -> row. Each hour has pages of neighbouring ordinals, which come when
 * first used and go when empty; row-page.ts keeps a page small both when it is full and when few of its ordinals are in
 * memory. No step takes longer for an index that holds more.
 */

import { HourMap } from '../model/hour-map.ts'
import { RowPage, pageBits } from './row-page.ts'

/** Most hours of the far future have their first page only, which is at hand without looking it up. */
class HourRows {
  readonly first: RowPage = new RowPage()
  /** By ordinal >>> pageBits; none at 0. */
  readonly pages: (RowPage | undefined)[] = []
  count = 0

  page(number: number): RowPage | undefined {
    if (number === 0) return this.first
    return number < this.pages.length ? this.pages[number] : undefined
  }
}

export class RowIndex {
  /** Entries of all hours. */
  count = 0

  private readonly hours: HourMap<HourRows> = new HourMap()

  /** The row, or -1. */
  get(homeHour: number, ordinal: number): number {
    return (
      this.hours
        .get(homeHour)
        ?.page(ordinal >>> pageBits)
        ?.get(ordinal) ?? -1
    )
  }

  /** Takes the place of any row that was there. */
  set(homeHour: number, ordinal: number, row: number): void {
    let rows = this.hours.get(homeHour)
    if (rows === undefined) {
      rows = new HourRows()
      this.hours.set(homeHour, rows)
    }
    const number = ordinal >>> pageBits
    let page = rows.page(number)
    if (page === undefined) {
      page = new RowPage()
      // Holes stay unset: an hour's ordinals may start in the millions, and most pages before them never come.
      rows.pages[number] = page
    }
    if (page.set(ordinal, row)) {
      rows.count++
      this.count++
    }
  }

  /** Answers whether there was one. */
  delete(homeHour: number, ordinal: number): boolean {
    const rows = this.hours.get(homeHour)
    const number = ordinal >>> pageBits
    const page = rows?.page(number)
    if (rows === undefined || page === undefined || !page.delete(ordinal)) return false
    this.count--
    if (--rows.count === 0) this.hours.delete(homeHour)
    else if (page.count === 0 && number > 0) rows.pages[number] = undefined
    return true
  }

  countOf(homeHour: number): number {
    return this.hours.get(homeHour)?.count ?? 0
  }

  /** Bytes of all pages' cells. Walks through the pages: for statistics. */
  bytesHeld(): number {
    let bytes = 0
    for (const { first, pages } of this.hours.values()) {
      bytes += first.bytesHeld
      pages.forEach((page) => (bytes += page?.bytesHeld ?? 0))
    }
    return bytes
  }
}

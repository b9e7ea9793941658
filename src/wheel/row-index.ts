/**
 * From a task's id to its row: (home hour, ordinal) -> row. Each hour has pages of neighbouring ordinals, which come when
 * first used and go when empty; row-page.ts keeps a page small both when it is full and when few of its ordinals are in
 * memory. No step takes longer for an index that holds more.
 */

import { RowPage, pageBits } from './row-page.ts'

interface HourRows {
  /** By ordinal >>> pageBits. */
  readonly pages: (RowPage | undefined)[]
  count: number
}

export class RowIndex {
  /** Entries of all hours. */
  count = 0

  private readonly hours: Map<number, HourRows> = new Map()
  /** The hour used last, as most calls are for the same one as the call before. */
  private lastHour = -1
  private lastRows: HourRows | undefined

  /** The row, or -1. */
  get(homeHour: number, ordinal: number): number {
    const rows = homeHour === this.lastHour ? this.lastRows : this.find(homeHour)
    if (rows === undefined) return -1
    const number = ordinal >>> pageBits
    if (number >= rows.pages.length) return -1
    const page = rows.pages[number]
    return page === undefined ? -1 : page.get(ordinal)
  }

  /** Takes the place of any row that was there. */
  set(homeHour: number, ordinal: number, row: number): void {
    const rows = this.find(homeHour) ?? this.add(homeHour)
    const number = ordinal >>> pageBits
    let page = number < rows.pages.length ? rows.pages[number] : undefined
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
    const rows = this.find(homeHour)
    const number = ordinal >>> pageBits
    const page = rows !== undefined && number < rows.pages.length ? rows.pages[number] : undefined
    if (rows === undefined || page === undefined || !page.delete(ordinal)) return false
    this.count--
    if (--rows.count === 0) this.forget(homeHour)
    else if (page.count === 0) rows.pages[number] = undefined
    return true
  }

  countOf(homeHour: number): number {
    return this.hours.get(homeHour)?.count ?? 0
  }

  /** Bytes of all pages' cells. Walks through the pages: for statistics. */
  bytesHeld(): number {
    let bytes = 0
    for (const { pages } of this.hours.values()) pages.forEach((page) => (bytes += page?.bytesHeld ?? 0))
    return bytes
  }

  private find(homeHour: number): HourRows | undefined {
    if (homeHour === this.lastHour) return this.lastRows
    const rows = this.hours.get(homeHour)
    this.lastHour = homeHour
    this.lastRows = rows
    return rows
  }

  private add(homeHour: number): HourRows {
    // Room for one page only: most hours of the far future never have a second.
    const rows: HourRows = { pages: [undefined], count: 0 }
    this.hours.set(homeHour, rows)
    this.lastHour = homeHour
    this.lastRows = rows
    return rows
  }

  private forget(homeHour: number): void {
    this.hours.delete(homeHour)
    if (homeHour === this.lastHour) this.lastRows = undefined
  }
}

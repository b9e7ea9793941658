/**
 * How tasks ended, two bits an ordinal for every home hour: 0 live (or never handed out), 1 succeeded, 2 cancelled,
 * 3 ended otherwise. Kept in pages of 4,096 ordinals, of which one exists only once something in it ended.
 *
 * A page that is all alike needs no memory of its own: it is one of three pages that all share, until one of its ordinals
 * changes. Pages become so when they are encoded or decoded, not when they are set.
 *
 * It does not know which hours are retired: the caller drops them. The encoded form is in docs/format.md, "End states".
 */

import { MalformedBytes } from './msgpack.ts'
import { hourLimit } from './units.ts'

export type EndState = 0 | 1 | 2 | 3

const pageOrdinals = 4_096
const pageBytes = pageOrdinals / 4
const pagesLimit = 2 ** 20

/** First byte of an encoded page; below these it is the state of all its ordinals. */
const plainForm = 4
const runsForm = 5

const groupHeaderBytes = 12
/** A chunk ends after so many bytes or pages, so that making one takes about half a millisecond. */
const chunkBytesMax = 32_768
const chunkPagesMax = 128
/** A longer gap starts a new group. */
const gapPagesMax = 8

/** All ordinals succeeded, all cancelled, all ended otherwise. Never written to. */
const uniformPages: readonly (Uint8Array | undefined)[] = [undefined, uniformPage(1), uniformPage(2), uniformPage(3)]

/** Pages of an hour by their number; sparse. */
type Pages = (Uint8Array | undefined)[]

export class EndStates {
  /** Memory of the pages. */
  bytesHeld = 0
  readonly #hours: Map<number, Pages> = new Map()
  #recentHour = -1
  #recentPages: Pages = []

  get(hour: number, ordinal: number): EndState {
    const page = this.#pages(hour)?.[ordinal >>> 12]
    if (page === undefined) return 0
    return ((page[(ordinal & 4_095) >> 2]! >> ((ordinal & 3) << 1)) & 3) as EndState
  }

  set(hour: number, ordinal: number, state: EndState): void {
    let pages = this.#pages(hour)
    if (pages === undefined) {
      if (state === 0) return
      pages = []
      this.#hours.set(hour, pages)
      this.#recentHour = hour
      this.#recentPages = pages
    }
    const pageNumber = ordinal >>> 12
    let page = pages[pageNumber]
    if (page === undefined) {
      if (state === 0) return
      page = new Uint8Array(pageBytes)
      pages[pageNumber] = page
      this.bytesHeld += pageBytes
    }
    const at = (ordinal & 4_095) >> 2
    const shift = (ordinal & 3) << 1
    const before = page[at]!
    const after = (before & ~(3 << shift)) | (state << shift)
    if (after === before) return
    if (isShared(page)) {
      page = page.slice()
      pages[pageNumber] = page
      this.bytesHeld += pageBytes
    }
    page[at] = after
  }

  /** Forgets how tasks of hours before `hour` ended. */
  dropHoursBefore(hour: number): void {
    for (const [known, pages] of this.#hours) {
      if (known >= hour) continue
      this.#hours.delete(known)
      pages.forEach((page) => {
        if (page !== undefined && !isShared(page)) this.bytesHeld -= pageBytes
      })
    }
    if (this.#recentHour < hour) this.#recentHour = -1
  }

  /**
   * All of it in chunks, each whole in itself. States may change between chunks: each page is then as of the moment it was
   * encoded, and hours that are new since the start are missing.
   */
  *encode(): Generator<Uint8Array> {
    const hours = [...this.#hours.keys()].sort((a, b) => a - b)
    let chunk = new ChunkBuilder()
    for (const hour of hours) {
      // An hour dropped since the start has no pages any more.
      for (let number = 0; number < (this.#hours.get(hour)?.length ?? 0); number++) {
        const pages = this.#hours.get(hour)!
        const page = pages[number]
        if (page === undefined) continue
        const uniform = chunk.addPage(hour, number, page)
        if (uniform > 0 && !isShared(page)) {
          pages[number] = uniformPages[uniform]
          this.bytesHeld -= pageBytes
        }
        if (!chunk.isFull) continue
        yield chunk.finish()
        chunk = new ChunkBuilder()
      }
    }
    if (!chunk.isEmpty) yield chunk.finish()
  }

  /** Adds what a chunk says; throws MalformedBytes when it is not what `encode` makes, part of it added then. */
  decodeInto(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let at = 0
    while (at < bytes.length) {
      if (bytes.length - at < groupHeaderBytes) throw new MalformedBytes(at)
      const hour = view.getUint32(at, true)
      const firstPage = view.getUint32(at + 4, true)
      const count = view.getUint32(at + 8, true)
      if (hour >= hourLimit || firstPage + count > pagesLimit || count === 0) throw new MalformedBytes(at)
      at += groupHeaderBytes
      for (let number = firstPage; number < firstPage + count; number++) {
        if (at >= bytes.length) throw new MalformedBytes(at)
        const form = bytes[at++]!
        if (form === 0) continue
        let page = uniformPages[form]
        if (form === plainForm) {
          if (bytes.length - at < pageBytes) throw new MalformedBytes(at)
          page = bytes.slice(at, at + pageBytes)
          at += pageBytes
        } else if (form === runsForm) {
          page = new Uint8Array(pageBytes)
          at = readRuns(view, at, page)
        }
        if (page === undefined) throw new MalformedBytes(at - 1)
        this.#putPage(hour, number, page)
      }
    }
  }

  #putPage(hour: number, number: number, page: Uint8Array): void {
    let pages = this.#hours.get(hour)
    if (pages === undefined) {
      pages = []
      this.#hours.set(hour, pages)
    }
    const before = pages[number]
    if (before !== undefined && !isShared(before)) this.bytesHeld -= pageBytes
    if (!isShared(page)) this.bytesHeld += pageBytes
    pages[number] = page
  }

  #pages(hour: number): Pages | undefined {
    if (hour === this.#recentHour) return this.#recentPages
    const pages = this.#hours.get(hour)
    if (pages === undefined) return undefined
    this.#recentHour = hour
    this.#recentPages = pages
    return pages
  }
}

/** Groups of pages with nothing but short gaps between them, as bytes. */
class ChunkBuilder {
  readonly #bytes = new Uint8Array(chunkBytesMax + groupHeaderBytes + gapPagesMax + 1 + pageBytes)
  readonly #view = new DataView(this.#bytes.buffer)
  #at = 0
  #pageCount = 0
  #groupAt = -1
  #hour = -1
  #nextPage = 0

  get isEmpty(): boolean {
    return this.#at === 0
  }

  get isFull(): boolean {
    return this.#at >= chunkBytesMax || this.#pageCount >= chunkPagesMax
  }

  /** Answers the state that all its ordinals are in, or -1. */
  addPage(hour: number, number: number, page: Uint8Array): number {
    const uniform = uniformStateOf(page)
    if (uniform === 0) return 0
    this.#pageCount++
    if (hour !== this.#hour || number - this.#nextPage > gapPagesMax) this.#startGroup(hour, number)
    while (this.#nextPage < number) this.#startPage(0)
    if (uniform > 0) {
      this.#startPage(uniform)
      return uniform
    }
    const formAt = this.#at
    this.#startPage(runsForm)
    const end = writeRuns(page, this.#view, this.#at, this.#at + pageBytes)
    if (end > 0) this.#at = end
    else {
      this.#bytes[formAt] = plainForm
      this.#bytes.set(page, this.#at)
      this.#at += pageBytes
    }
    return -1
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#at)
  }

  #startGroup(hour: number, firstPage: number): void {
    this.#groupAt = this.#at
    this.#hour = hour
    this.#nextPage = firstPage
    this.#view.setUint32(this.#at, hour, true)
    this.#view.setUint32(this.#at + 4, firstPage, true)
    this.#view.setUint32(this.#at + 8, 0, true)
    this.#at += groupHeaderBytes
  }

  #startPage(form: number): void {
    this.#bytes[this.#at++] = form
    this.#nextPage++
    const countAt = this.#groupAt + 8
    this.#view.setUint32(countAt, this.#view.getUint32(countAt, true) + 1, true)
  }
}

/**
 * Runs of ordinals of one state: u16 each, the state in the two highest bits, the length minus 1 in the twelve lowest. Answers
 * the end, or 0 when they would take as many bytes as the page has.
 */
function writeRuns(page: Uint8Array, into: DataView, at: number, end: number): number {
  let state = page[0]! & 3
  let length = 0
  for (let i = 0; i < pageBytes; i++) {
    const byte = page[i]!
    if (byte === state * 0x55) {
      length += 4
      continue
    }
    for (let shift = 0; shift < 8; shift += 2) {
      const next = (byte >> shift) & 3
      if (next === state) {
        length++
        continue
      }
      if (at + 4 >= end) return 0
      into.setUint16(at, (state << 14) | (length - 1), true)
      at += 2
      state = next
      length = 1
    }
  }
  into.setUint16(at, (state << 14) | (length - 1), true)
  return at + 2
}

/** Fills an empty page; answers the end. */
function readRuns(view: DataView, at: number, page: Uint8Array): number {
  let ordinal = 0
  while (ordinal < pageOrdinals) {
    if (at + 2 > view.byteLength) throw new MalformedBytes(at)
    const run = view.getUint16(at, true)
    const state = run >> 14
    const end = ordinal + (run & 4_095) + 1
    if (end > pageOrdinals || (run & 0x3000) !== 0) throw new MalformedBytes(at)
    at += 2
    if (state === 0) ordinal = end
    for (; ordinal < end; ordinal++) page[ordinal >> 2]! |= state << ((ordinal & 3) << 1)
  }
  return at
}

function uniformPage(state: number): Uint8Array {
  return new Uint8Array(pageBytes).fill(state * 0x55)
}

function isShared(page: Uint8Array): boolean {
  return page === uniformPages[1] || page === uniformPages[2] || page === uniformPages[3]
}

/** The state that all ordinals of a page are in, or -1. */
function uniformStateOf(page: Uint8Array): number {
  const first = page[0]!
  const state = first & 3
  if (first !== state * 0x55) return -1
  if (page === uniformPages[state]) return state
  for (let i = 1; i < pageBytes; i++) if (page[i] !== first) return -1
  return state
}

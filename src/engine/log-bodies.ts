/**
 * Reads records back from the log's files by their place. Only places that the engine itself noted while appending or
 * replaying are read; the caller makes sure that they have been written.
 *
 * A row notes the file by its cell: the file's number folded into 16 bits, never 0. Live files are few and their numbers
 * consecutive, so the cell is unique among them.
 */

import { refuse } from '../model/errors.ts'
import { readFully } from '../platform/full-io.ts'
import type { Disk, DiskFile } from '../platform/ports.ts'

const windowBytesMax = 256 * 1024
const guessBytes = 512

export function walCellOf(fileNumber: number): number {
  return (fileNumber % 65_535) + 1
}

export interface LogPlace {
  readonly walCell: number
  readonly walOffset: number
}

export class LogBodies {
  readonly #disk: Disk
  readonly #pathOf: (walCell: number) => string | undefined
  readonly #reading: Set<Promise<void>> = new Set()
  readonly #open: Map<number, Promise<DiskFile>> = new Map()

  /** `pathOf` finds a live log file by its cell. */
  constructor(disk: Disk, pathOf: (walCell: number) => string | undefined) {
    this.#disk = disk
    this.#pathOf = pathOf
  }

  /** The record at a place, in a buffer of its own. */
  read(place: LogPlace): Promise<Buffer> {
    return this.#tracked(this.#read(place))
  }

  /** Closing a file waits for the reads under way. */
  #tracked<T>(reading: Promise<T>): Promise<T> {
    const settled = reading.then(
      () => undefined,
      () => undefined,
    )
    this.#reading.add(settled)
    void settled.then(() => this.#reading.delete(settled))
    return reading
  }

  async #read(place: LogPlace): Promise<Buffer> {
    const file = await this.#file(place.walCell)
    // The record's length stands before it.
    let bytes = Buffer.alloc(guessBytes)
    const count = await readFully(file, bytes, place.walOffset - 4)
    if (count < 4) throw this.#damaged(file, place)
    const length = bytes.readUInt32LE(0)
    if (length + 4 > count) {
      bytes = Buffer.alloc(length)
      if ((await readFully(file, bytes, place.walOffset)) < length) throw this.#damaged(file, place)
      return bytes
    }
    return bytes.subarray(4, 4 + length)
  }

  /** Reads many records with few calls, and hands each to `each` with its index; in the order of the files. */
  readMany(
    places: readonly LogPlace[],
    each: (index: number, bytes: Buffer, at: number, length: number) => void,
  ): Promise<void> {
    return this.#tracked(this.#readMany(places, each))
  }

  async #readMany(
    places: readonly LogPlace[],
    each: (index: number, bytes: Buffer, at: number, length: number) => void,
  ): Promise<void> {
    const order = places.map((_, index) => index)
    order.sort((a, b) => places[a]!.walCell - places[b]!.walCell || places[a]!.walOffset - places[b]!.walOffset)
    const window = Buffer.alloc(places.length === 0 ? 0 : windowBytesMax)
    let from = 0
    let to = 0
    let cell = 0
    for (let i = 0; i < order.length; i++) {
      const place = places[order[i]!]!
      const start = place.walOffset - 4
      const inWindow = place.walCell === cell && start >= from && start + 4 <= to
      let length = inWindow ? window.readUInt32LE(start - from) : -1
      if (!inWindow || start + 4 + length > to) {
        const file = await this.#file(place.walCell)
        cell = place.walCell
        from = start
        to = from + (await readFully(file, window, from))
        if (to - from < 4) throw this.#damaged(file, place)
        length = window.readUInt32LE(0)
        if (start + 4 + length > to) {
          const bytes = await this.#read(place)
          each(order[i]!, bytes, 0, bytes.length)
          continue
        }
      }
      each(order[i]!, window, start - from + 4, length)
    }
  }

  /** Files that are no longer live are closed. */
  async forget(walCell: number): Promise<void> {
    const opened = this.#open.get(walCell)
    this.#open.delete(walCell)
    await Promise.all(this.#reading)
    await (await opened)?.close()
  }

  async close(): Promise<void> {
    for (const cell of this.#open.keys()) await this.forget(cell)
  }

  #file(walCell: number): Promise<DiskFile> {
    let opened = this.#open.get(walCell)
    if (opened === undefined) {
      const path = this.#pathOf(walCell)
      if (path === undefined) throw refuse('HW_INTERNAL', `a row refers to log file cell ${walCell}, which is not live`)
      opened = this.#disk.open(path, 'read')
      this.#open.set(walCell, opened)
    }
    return opened
  }

  #damaged(file: DiskFile, place: LogPlace): Error {
    return refuse('HW_CORRUPT', `${file.path} ends before the record at ${place.walOffset}`, {
      details: { file: file.path, offset: place.walOffset },
    })
  }
}

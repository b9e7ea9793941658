/**
 * A column of cells that grows in place. Doubling an array by a copy takes 30 ms at half a million rows, and nothing fires
 * meanwhile; here address space is reserved ahead and only its used part is memory, so that growing is a new view on it.
 *
 * Beyond the reservation, or where none is to be had, a column is copied into a larger one after all.
 */

import { growableMemory, type GrowableMemory } from './growable-memory.ts'

export type Column = Float64Array | Uint32Array | Int32Array | Uint16Array | Int16Array | Uint8Array

interface ColumnKind<T extends Column> {
  readonly BYTES_PER_ELEMENT: number
  new (buffer: SharedArrayBuffer, byteOffset: number, length: number): T
}

/** How many times its first size a column may become in place, and how many cells at most. */
const reservedTimes = 1024
const reservedCellsMax = 2 ** 24

/** The column with room for `capacity` cells; what was in `old` stays, new cells are 0. */
export function grown<T extends Column>(old: T | undefined, kind: ColumnKind<T>, capacity: number): T {
  const bytes = capacity * kind.BYTES_PER_ELEMENT
  const memory = old?.buffer as GrowableMemory | undefined
  if (memory !== undefined && bytes <= memory.maxByteLength) {
    memory.grow(bytes)
    return new kind(memory, 0, capacity)
  }
  const larger = new kind(reserve(capacity, kind.BYTES_PER_ELEMENT), 0, capacity)
  if (old !== undefined) larger.set(old)
  return larger
}

function reserve(capacity: number, bytesPerCell: number): GrowableMemory {
  const bytes = capacity * bytesPerCell
  const reserved = Math.max(capacity, Math.min(capacity * reservedTimes, reservedCellsMax)) * bytesPerCell
  try {
    return growableMemory(bytes, reserved)
  } catch {
    // A limit of the process on its address space.
    return growableMemory(bytes, bytes)
  }
}

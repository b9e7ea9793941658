/**
 * Memory with address space reserved ahead, of which only the used part is memory. It is mapped by itself, so that it goes back
 * to the system with its last view; and it can grow, but not shrink: a view of fixed length on it is as fast as any (measured;
 * ordinary memory that can be resized is slower).
 */

export interface GrowableMemory extends SharedArrayBuffer {
  readonly maxByteLength: number
  grow(bytes: number): void
}

/** Known to every Node that is supported, but not yet to the library that TypeScript is told of here. */
const Memory = SharedArrayBuffer as unknown as new (bytes: number, options: { maxByteLength: number }) => GrowableMemory

export function growableMemory(bytes: number, reservedBytes: number): GrowableMemory {
  return new Memory(bytes, { maxByteLength: reservedBytes })
}

/**
 * Blocks of memory for the bytes of tasks. A block is shared memory, so that other threads can write it out or fill it
 * without a copy. Its writer takes it, puts records in one after the other, and lets go of it when it is full; each
 * record that a task still needs is retained, by its bytes.
 *
 *   taken --letGo--> waiting until nothing in it is retained --release--> freed: kept as a spare, or dropped
 *
 * Invariants
 * - A block is freed exactly when it was let go and no byte of it is retained. Only then is its number used again.
 * - heldBytes counts every block that is not freed in full, whatever is retained of it: that is the memory in use.
 *
 * Bytes of a block just taken are not zero: it may be a spare. It does not know where in a block a record is.
 */

import { refuse } from './refuse.ts'

const defaultBlockBytes = 2 ** 20
const defaultSpareBlocksMax = 4

export interface BlockStoreOptions {
  /** Size of a block, unless more is asked for. */
  readonly blockBytes?: number | undefined
  /** Freed blocks of that size that are kept for the next take. */
  readonly spareBlocksMax?: number | undefined
}

interface Block {
  readonly bytes: Buffer
  retainedBytes: number
  isLetGo: boolean
}

export class BlockStore {
  readonly blockBytes: number
  readonly spareBlocksMax: number
  /** Bytes of all blocks in use. */
  heldBytes = 0

  private readonly blocks: (Block | undefined)[] = []
  private readonly freeNumbers: number[] = []
  private readonly spares: Buffer[] = []

  constructor(options: BlockStoreOptions = {}) {
    this.blockBytes = options.blockBytes ?? defaultBlockBytes
    this.spareBlocksMax = options.spareBlocksMax ?? defaultSpareBlocksMax
    if (!(Number.isSafeInteger(this.blockBytes) && this.blockBytes > 0)) {
      refuse('no blocks of that many bytes', this.blockBytes)
    }
  }

  get spareBytes(): number {
    return this.spares.length * this.blockBytes
  }

  /** Number of a block of at least `bytesMin` bytes, for one writer. */
  take(bytesMin: number = 0): number {
    let bytes: Buffer | undefined
    if (bytesMin <= this.blockBytes) bytes = this.spares.pop()
    bytes ??= Buffer.from(new SharedArrayBuffer(Math.max(bytesMin, this.blockBytes)))
    const number = this.freeNumbers.pop() ?? this.blocks.length
    this.blocks[number] = { bytes, retainedBytes: 0, isLetGo: false }
    this.heldBytes += bytes.length
    return number
  }

  /** The whole block, the same Buffer each time; its `buffer` is a SharedArrayBuffer. */
  bytes(block: number): Buffer {
    return this.block(block).bytes
  }

  /** Keeps the block for one more user of that many of its bytes; two users of one record both count. */
  retain(block: number, bytes: number): void {
    if (!(bytes >= 0)) refuse('no such number of bytes', bytes)
    this.block(block).retainedBytes += bytes
  }

  /** Undoes a `retain` of as many bytes. */
  release(block: number, bytes: number): void {
    const held = this.block(block)
    if (!(bytes >= 0 && bytes <= held.retainedBytes)) {
      refuse('more bytes released than are retained', bytes)
    }
    held.retainedBytes -= bytes
    if (held.retainedBytes === 0 && held.isLetGo) this.free(block, held)
  }

  /** Its writer is done with it, and so is everyone who reads more of it than is retained. */
  letGo(block: number): void {
    const held = this.block(block)
    if (held.isLetGo) refuse('block was let go already', block)
    held.isLetGo = true
    if (held.retainedBytes === 0) this.free(block, held)
  }

  retainedBytes(block: number): number {
    return this.block(block).retainedBytes
  }

  /** Blocks that were let go and of which less than a quarter is retained: copying that out frees the rest. */
  *sparse(): Generator<number> {
    for (let number = 0; number < this.blocks.length; number++) {
      const held = this.blocks[number]
      if (held !== undefined && held.isLetGo && held.retainedBytes * 4 < held.bytes.length) yield number
    }
  }

  private block(number: number): Block {
    const held = this.blocks[number]
    if (held === undefined) refuse('no such block', number)
    return held
  }

  private free(number: number, held: Block): void {
    this.blocks[number] = undefined
    this.freeNumbers.push(number)
    this.heldBytes -= held.bytes.length
    if (held.bytes.length === this.blockBytes && this.spares.length < this.spareBlocksMax) this.spares.push(held.bytes)
  }
}

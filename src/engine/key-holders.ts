/**
 * Who has a key. The key table says which task had it last; whether that task still has it is for the ledger to say, and
 * for how long after its end it is remembered for the queue's key window.
 *
 * A task has its key until it ends, dies, or another task takes it over while an attempt of it runs: then it goes on without,
 * and loses the key from its own bytes with its next version. So a record that carries a key is always one of its holder.
 */

import type { TaskBytes } from '../delivery/attempt-records.ts'
import { decodeExtras, encodeExtras, extrasKey } from '../model/extras.ts'
import { homeHourOf, ordinalOf, packId } from '../model/ids.ts'
import type { Ledger } from '../model/ledger.ts'
import { bodyHasExtras, readBody, type ReleasedKey, type TaskBody } from '../model/records.ts'
import { hourMs } from '../model/units.ts'
import type { KeyEnd } from '../platform/ports.ts'
import type { KeyTable } from '../storage/keys/key-table.ts'

export type Holder =
  | { readonly id: number; readonly state: 'pending' | 'leased'; readonly end: undefined }
  | { readonly id: number; readonly state: 'dead' | 'ended'; readonly end: KeyEnd }

export class KeyHolders {
  readonly table: KeyTable
  readonly #ledger: Ledger
  readonly #now: () => number

  /** `now` is the wall clock as far as it is believed: keys must not be forgotten by one that is years ahead. */
  constructor(table: KeyTable, ledger: Ledger, now: () => number) {
    this.table = table
    this.#ledger = ledger
    this.#now = now
  }

  /** The task that has the key, or had it last, however long ago. */
  find(queue: number, key: string): Holder | undefined {
    const entry = this.table.get(queue, key)
    if (entry === undefined) return undefined
    const { id, end } = entry
    const state = this.#ledger.stateOf(homeHourOf(id), ordinalOf(id))
    if (state === 'missing') return undefined
    if (state === 'pending' || state === 'leased') return { id, state, end: undefined }
    if (end !== undefined) return { id, state, end }
    // Set aside as damaged, or its end was not told with its key: it is remembered from now on.
    const seen: KeyEnd = { endedAt: this.#now(), fireAt: homeHourOf(id) * hourMs, generation: 0 }
    this.table.set(queue, key, { id, end: seen })
    return { id, state, end: seen }
  }

  /** Whether the key names this task, or named it last. */
  has(queue: number, key: string, id: number): boolean {
    return this.table.get(queue, key)?.id === id
  }

  /** Whether a holder stands in the way of a new task under `keep`: it lives, or ended within the window. */
  isRemembered(holder: Holder, keyWindowMs: number): boolean {
    return holder.end === undefined || this.#now() - holder.end.endedAt < keyWindowMs
  }

  /** Whether a successor may have this key: it is free, or its parent's. */
  mayTake(queue: number, key: string, parent: number, keyWindowMs: number): boolean {
    const holder = this.find(queue, key)
    return holder === undefined || holder.id === parent || !this.isRemembered(holder, keyWindowMs)
  }

  /** What a live task, its bytes at hand, has to say of its key when it ends now; undefined when it has none. */
  released(source: TaskBytes | undefined): ReleasedKey | undefined {
    if (source === undefined || !this.table.inUse || !bodyHasExtras(source.bytes, source.at)) return undefined
    const body = readBody(source.bytes, source.at)
    const key = this.#keyOf(body)
    if (key === undefined) return undefined
    return { key, endedAt: this.#now(), fireAt: body.fireAt, generation: body.generation }
  }

  /** Extras for the next version of a live task: without a key that it does not have any more. */
  extrasOf(id: number, queue: number, extras: Uint8Array | undefined): Uint8Array | undefined {
    if (extras === undefined || !this.table.inUse) return extras
    const key = keyIn(extras)
    if (key === undefined || this.has(queue, key, id)) return extras
    return encodeExtras({ ...decodeExtras(asBuffer(extras), 0, extras.length), key: undefined })
  }

  #keyOf(body: TaskBody): string | undefined {
    const key = body.key()
    if (key === undefined) return undefined
    return this.has(body.queue, key, packId(body.homeHour, body.ordinal)) ? key : undefined
  }
}

/** The key in encoded extras. */
export function keyIn(extras: Uint8Array | undefined): string | undefined {
  return extras === undefined ? undefined : extrasKey(asBuffer(extras), 0, extras.length)
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

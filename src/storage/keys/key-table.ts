/**
 * Which task each key of each queue names: changes that are not in the view yet, over the view.
 *
 *   set --at once--> fresh --batch: wait until its records are synced--> under way --written, durable--> view
 *
 * Invariants
 * - A look-up sees every change made before it: fresh, then under way, then the view.
 * - The view never holds what is not synced in the log. It may hold more than its LSN says, never less.
 * - A record that carries a key says whom it names from then on, so that replay needs no look-up, and records that the view
 *   knows already do no harm.
 *
 * Nobody waits for the view but a checkpoint (`flushThrough`) and, when too much is fresh, who schedules with a key. The view is
 * opened when there is one, or with the first key: engines without keys have none.
 */

import { isDiskFull } from '../../platform/passing-failures.ts'
import type { Clock, KeyChange, KeyEntry, KeyForgetting, KeyView, TimerHandle } from '../../platform/ports.ts'

/** So many changes do not wait for more. The larger a batch, the more of its changes share a page of the view. */
const changesPerBatch = 32_768
const batchPauseMs = 500
/** Beyond it, who schedules with a key waits. */
const freshMax = 200_000
/** How long a write that found the disk full waits before it tries again. */
const fullDiskPauseMs = 1_000

export interface KeyTableParts {
  readonly clock: Clock
  /** As the platform opens one. */
  open(history: number, how: 'existing'): Promise<KeyView | undefined>
  open(history: number, how: 'anew'): Promise<KeyView>
  readonly forgets: KeyForgetting
  /** A batch is in the view: there is room again. */
  flushed(): void
  failed(error: unknown): void
}

/** What the table needs of the log. */
export interface KeyLog {
  readonly appendedLsn: number
  whenSynced(lsn: number): Promise<void>
}

const gaveUp = new Error('the view of keys was closed while the disk was full')

type Changes = Map<string, KeyChange>

export class KeyTable {
  readonly #parts: KeyTableParts
  #history = 0
  #view: KeyView | undefined
  #opening: Promise<KeyView> | undefined
  #log: KeyLog | undefined
  #fresh: Changes = new Map()
  #underWay: Changes = new Map()
  #running: Promise<void> | undefined
  /** The write under way. */
  #writing: Promise<void> | undefined
  #timer: TimerHandle | undefined
  /** On a full disk writes are given up, not repeated. */
  #closing = false
  #stopped = false
  #inUse = false

  constructor(parts: KeyTableParts) {
    this.#parts = parts
  }

  /** Whether any task ever had a key here, as far as is known. */
  get inUse(): boolean {
    return this.#inUse
  }

  /** Too much waits for the view. */
  get isFull(): boolean {
    return this.#fresh.size + this.#underWay.size >= freshMax
  }

  /** The view is there. */
  get isReady(): boolean {
    return this.#view !== undefined
  }

  /** How far the view reaches: 0 without one. */
  get lsn(): number {
    return this.#view?.lsn ?? 0
  }

  /** At start, before the log is read: takes up the view there is of this history. */
  async openExisting(history: number): Promise<void> {
    this.#history = history
    this.#view = await this.#parts.open(history, 'existing')
    this.#inUse = this.#view !== undefined
  }

  /** The log is open: batches may go. */
  attach(log: KeyLog): void {
    this.#log = log
    if (this.#fresh.size > 0) this.#flushSoon()
  }

  /** Resolves once there is a view. */
  async ready(): Promise<void> {
    await this.#opened()
  }

  get(queue: number, key: string): KeyEntry | undefined {
    if (!this.#inUse) return undefined
    const name = nameOf(queue, key)
    const change = this.#fresh.get(name) ?? this.#underWay.get(name)
    return change === undefined ? this.#view?.get(queue, key) : change.entry
  }

  /** A record read from the log at start says what a key names. */
  replay(queue: number, key: string, entry: KeyEntry, lsn: number): void {
    this.#inUse = true
    if (lsn > this.lsn) this.set(queue, key, entry)
  }

  /** The record appended last says what a key names. */
  set(queue: number, key: string, entry: KeyEntry): void {
    this.#inUse = true
    this.#fresh.set(nameOf(queue, key), { queue, key, entry })
    if (this.#fresh.size >= changesPerBatch) this.#flushNow()
    else this.#flushSoon()
  }

  /** Resolves once the view has all that records up to `lsn` say, durably; at once when no key is in use. */
  async flushThrough(lsn: number): Promise<void> {
    while (this.#inUse && this.lsn < lsn) {
      if (this.#stopped) throw new Error('the view of keys is closed')
      await this.#flush()
    }
  }

  /** Puts an empty view in place of what is there, and answers it: for who fills it anew. */
  async renew(): Promise<KeyView> {
    await this.#view?.close()
    this.#view = undefined
    this.#opening = undefined
    this.#inUse = true
    return this.#opened()
  }

  /** Brings the view up to date, if the disk lets it, and closes it. Before the log is closed. */
  async close(): Promise<void> {
    this.#closing = true
    await this.#running?.catch(() => undefined)
    if (this.#inUse && this.#log !== undefined && this.lsn < this.#log.appendedLsn) {
      await this.#flush().catch((error: unknown) => {
        if (error !== gaveUp) throw error
      })
    }
    await this.abandon()
  }

  /** Writes nothing more. */
  async abandon(): Promise<void> {
    this.#stopped = true
    if (this.#timer !== undefined) this.#parts.clock.clearTimer(this.#timer)
    this.#timer = undefined
    await this.#writing?.catch(() => undefined)
    const view = this.#view ?? (await this.#opening?.catch(() => undefined))
    this.#view = undefined
    await view?.close()
  }

  #flushSoon(): void {
    if (this.#timer !== undefined || this.#running !== undefined || this.#log === undefined || this.#stopped) return
    this.#timer = this.#parts.clock.setTimer(batchPauseMs, () => {
      this.#timer = undefined
      this.#flushNow()
    })
  }

  #flushNow(): void {
    if (this.#running !== undefined || this.#log === undefined || this.#stopped) return
    void this.#flush().catch((error: unknown) => {
      if (!this.#stopped) this.#parts.failed(error)
    })
  }

  #flush(): Promise<void> {
    this.#running ??= this.#writeBatch().finally(() => {
      this.#running = undefined
      if (this.#fresh.size >= changesPerBatch) this.#flushNow()
      else if (this.#fresh.size > 0) this.#flushSoon()
    })
    return this.#running
  }

  /** One batch: what is fresh now, and what an earlier one had to leave. */
  async #writeBatch(): Promise<void> {
    const view = await this.#opened()
    const log = this.#log!
    const lsn = log.appendedLsn
    for (const [name, change] of this.#fresh) this.#underWay.set(name, change)
    this.#fresh = new Map()
    await log.whenSynced(lsn)
    if (this.#stopped) return
    await this.#write(view, [...this.#underWay.values()], lsn)
    this.#underWay = new Map()
    this.#parts.flushed()
  }

  async #write(view: KeyView, changes: readonly KeyChange[], lsn: number): Promise<void> {
    const { clock, forgets } = this.#parts
    for (;;) {
      try {
        this.#writing = view.write(changes, lsn, forgets)
        await this.#writing
        return
      } catch (error) {
        if (!isDiskFull(error)) throw error
      }
      await new Promise<void>((resolve) => clock.setTimer(fullDiskPauseMs, resolve))
      if (this.#stopped || this.#closing) throw gaveUp
    }
  }

  async #opened(): Promise<KeyView> {
    if (this.#view !== undefined) return this.#view
    this.#opening ??= this.#parts.open(this.#history, 'anew')
    try {
      this.#view = await this.#opening
      return this.#view
    } finally {
      this.#opening = undefined
    }
  }
}

function nameOf(queue: number, key: string): string {
  return `${queue} ${key}`
}

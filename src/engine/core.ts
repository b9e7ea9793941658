/** The engine's parts, put together by open.ts, as the commands see them. */

import type { Dispatcher } from '../delivery/dispatcher.ts'
import type { Executor } from '../delivery/executor.ts'
import type { LeaseDesk } from '../delivery/lease-desk.ts'
import { checkRef } from '../model/call-inputs.ts'
import type { Handler } from '../model/hourwheel.ts'
import { decodeId, encodeId, packId } from '../model/ids.ts'
import type { Ledger } from '../model/ledger.ts'
import type { Platform } from '../platform/ports.ts'
import type { Log } from '../storage/wal/log.ts'
import type { Admission } from './admission.ts'
import type { Checkpointer } from './checkpointer.ts'
import type { LogBodies } from './log-bodies.ts'
import type { Merger } from './merger.ts'
import type { Events } from './events.ts'
import type { Exclusive } from './exclusive.ts'
import type { FileHolds } from './file-holds.ts'
import type { KeyHolders } from './key-holders.ts'
import type { EngineSettings } from './options.ts'
import type { Promoter } from './promoter.ts'
import type { Publication } from './publication.ts'
import type { QueueRuntime } from './queue-runtime.ts'
import type { Recorder } from './recorder.ts'
import type { SegmentSet } from './segment-set.ts'
import type { TaskLookup } from './task-lookup.ts'
import type { Ticker } from './ticker.ts'
import type { Tiers } from './tiers.ts'
import type { Waiters } from './waiters.ts'

export interface Core {
  readonly settings: EngineSettings
  readonly platform: Platform
  readonly ledger: Ledger
  readonly tiers: Tiers
  readonly log: Log
  readonly recorder: Recorder
  readonly lookup: TaskLookup
  readonly bodies: LogBodies
  readonly segments: SegmentSet
  readonly keys: KeyHolders
  readonly admission: Admission
  readonly waiters: Waiters
  readonly dispatcher: Dispatcher
  readonly promoter: Promoter
  readonly checkpointer: Checkpointer
  readonly merger: Merger
  readonly ticker: Ticker
  readonly exclusive: Exclusive
  readonly publication: Publication
  readonly holds: FileHolds
  readonly events: Events
  readonly incarnation: number
  readonly openCount: number
  /** Added to a lease's fence, so that fences of a later opening are larger. */
  readonly fenceBase: number
  /** Finds a queue by a checked name, making it known when it is new. */
  readonly queueOf: (name: string) => QueueRuntime
  readonly leaseDesk: LeaseDesk
  inlineExecutor(handler: Handler): Executor
  /** Throws when the engine is closed or failed. */
  assertOpen(): void
}

/** The task that a ref names now: a key may name another one later. Undefined when there is none. */
export type Target = () => number | undefined

/** What is malformed is refused; an id of another history of the directory names no task. */
export function parseTarget(core: Core, given: unknown): Target {
  const ref = checkRef(given)
  if (typeof ref === 'string') {
    const { incarnation, homeHour, ordinal } = decodeId(ref)!
    const id = incarnation === core.incarnation ? packId(homeHour, ordinal) : undefined
    return () => id
  }
  return () => {
    const queue = core.ledger.queueByName.get(ref.queue)
    const holder = queue === undefined ? undefined : core.keys.find(queue.number, ref.key)
    if (holder === undefined) return undefined
    const { keyWindowMs } = core.tiers.queues[queue!.number]!.settings
    // A dead letter can be found by its key as long as it is kept.
    return holder.state === 'dead' || core.keys.isRemembered(holder, keyWindowMs) ? holder.id : undefined
  }
}

export function idText(core: Core, homeHour: number, ordinal: number): string {
  return encodeId(core.incarnation, homeHour, ordinal)
}

/** Resolves to `answer` once every record up to `lsn` is on disk. */
export function whenDurable<T>(core: Core, lsn: number, answer: T): Promise<T> {
  if (lsn <= core.log.syncedLsn) return Promise.resolve(answer)
  return core.log.whenSynced(lsn).then(() => answer)
}

/** Resolves when the log has room again; refused when the disk is full even for what frees space. */
export function whenRoom(core: Core): Promise<void> {
  return new Promise((resolve, reject) => {
    let asked = false
    const again = (): boolean => {
      if (!asked) {
        asked = true
        return false
      }
      resolve()
      return true
    }
    core.admission.admit(0, core.log.diskFull, again, reject)
    if (!asked) asked = true
  })
}

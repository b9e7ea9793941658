/**
 * What scheduling a task with a key does, by who has the key and in what state (docs/guarantees.md, "Keys"): decided and
 * recorded in one synchronous step.
 *
 * Tasks that are only on disk must be read first: the answer is 'read' then, and nothing has changed.
 */

import type { TaskBytes } from '../../delivery/attempt-records.ts'
import { refuse } from '../../model/errors.ts'
import type { Receipt } from '../../model/hourwheel.ts'
import { homeHourOf, ordinalOf, packId } from '../../model/ids.ts'
import { payloadKind } from '../../model/payload.ts'
import { readBody } from '../../model/records.ts'
import { idText, type Core } from '../core.ts'
import type { Holder } from '../key-holders.ts'
import type { EncodedInput, EncodedTask } from '../task-encoder.ts'

export type Decision =
  | { readonly kind: 'done'; readonly receipt: Receipt }
  | { readonly kind: 'refused'; readonly error: Error }
  | { readonly kind: 'read'; readonly id: number }
  | { readonly kind: 'full' }

export interface KeyedTask extends EncodedInput {
  readonly key: string
}

/** Bytes of tasks that are only on disk, as they were read; in a batch also of those that it has just written. */
export class ReadTasks {
  readonly #core: Core
  /** A batch waits for the view of keys before it begins, never in the middle. */
  readonly isBatch: boolean
  #read: Map<number, { version: string; source: TaskBytes }> | undefined
  /** While a batch is recorded: those that were near may be sent to the disk by what it brings in. */
  #held: Map<number, TaskBytes> | undefined

  constructor(core: Core, of: 'one' | 'batch') {
    this.#core = core
    this.isBatch = of === 'batch'
  }

  /** Undefined when the task has to be read, again. */
  get(id: number): TaskBytes | undefined {
    const held = this.#held?.get(id)
    if (held !== undefined) return held
    const { tiers, lookup } = this.#core
    const row = tiers.rowOf(homeHourOf(id), ordinalOf(id))
    const near = row < 0 ? undefined : lookup.near(row)
    if (near !== undefined) return near
    const read = this.#read?.get(id)
    return read?.version === lookup.versionOf(id) ? read.source : undefined
  }

  async read(id: number): Promise<void> {
    const { lookup } = this.#core
    const version = lookup.versionOf(id)
    const source = await lookup.live(id)
    if (source === 'damaged') {
      throw refuse('HW_CORRUPT', 'the task with this key lies in a damaged block of a segment; `verify` names the file')
    }
    if (source !== undefined) this.#set(id, version, source)
  }

  /** Its bytes stay at hand until `release`, whatever becomes of its row. */
  hold(id: number, { bytes, at }: TaskBytes): void {
    this.#held ??= new Map()
    this.#held.set(id, { bytes: Buffer.from(bytes.subarray(at, readBody(bytes, at).end)), at: 0 })
  }

  release(): void {
    this.#held = undefined
  }

  /** The newest record is a version of this task. Holds until the log goes on to another block. */
  written(id: number): void {
    if (!this.isBatch) return
    this.#held ??= new Map()
    this.#held.set(id, this.#core.recorder.writtenBytes())
  }

  #set(id: number, version: string, source: TaskBytes): void {
    this.#read ??= new Map()
    this.#read.set(id, { version, source })
  }
}

/** `holder` is who has the key. */
export function decide(core: Core, task: KeyedTask, tasks: ReadTasks, holder: Holder | undefined): Decision {
  const { queue, onConflict } = task
  const isPassive = onConflict === 'keep' || onConflict === 'reject'
  if (task.ifGeneration !== undefined) {
    const changed = generationRefusal(task, tasks, holder)
    if (changed !== undefined) return { kind: 'refused', error: changed }
  }
  if (holder === undefined) return create(core, task, tasks)
  if (holder.end !== undefined) {
    if (!isPassive || !core.keys.isRemembered(holder, queue.settings.keyWindowMs)) {
      return create(core, task, tasks)
    }
    if (onConflict === 'reject') return { kind: 'refused', error: keyExists(core, task, holder) }
    const { fireAt, generation } = holder.end
    return kept(core, holder, fireAt, generation)
  }
  if (holder.state === 'leased' && !isPassive) return create(core, task, tasks, holder.id)
  if (onConflict === 'reject') return { kind: 'refused', error: keyExists(core, task, holder) }
  const source = tasks.get(holder.id)
  if (source === undefined) return { kind: 'read', id: holder.id }
  const { fireAt, generation } = readBody(source.bytes, source.at)
  const isMoved = onConflict === 'earliest' ? task.fireAt < fireAt : task.fireAt > fireAt
  if (onConflict === 'replace' || (onConflict !== 'keep' && isMoved))
    return change(core, task, tasks, holder.id, source)
  return kept(core, holder, fireAt, generation)
}

/** A new task, whatever its key names. `runningId` is the task that loses the key to it. */
export function create(core: Core, task: EncodedTask, tasks: ReadTasks, runningId?: number): Decision {
  const { recorder, keys } = core
  if (
    (keys.table.isFull && !tasks.isBatch) ||
    recorder.fresh(task.queue, task.fireAt, task.payload, task.extras) === 0
  ) {
    return { kind: 'full' }
  }
  const { freshHomeHour, freshOrdinal } = recorder
  tasks.written(packId(freshHomeHour, freshOrdinal))
  core.ticker.noticeFireAt(task.fireAt)
  const receipt = {
    id: idText(core, freshHomeHour, freshOrdinal),
    fireAt: task.fireAt,
    outcome: 'created',
    generation: 0,
  } as const
  if (runningId === undefined) return { kind: 'done', receipt }
  return { kind: 'done', receipt: { ...receipt, running: refOf(core, runningId) } }
}

/** A pending task is replaced as a whole, or only moved. */
function change(core: Core, task: KeyedTask, tasks: ReadTasks, id: number, source: TaskBytes): Decision {
  const body = readBody(source.bytes, source.at)
  const generation = body.generation + 1
  const { fireAt } = task
  const row = core.tiers.rowOf(body.homeHour, body.ordinal)
  const next =
    task.onConflict === 'replace'
      ? ({ cause: 'replace', attempt: 0, extras: task.extras, payload: bytesOf(task.payload) } as const)
      : ({ cause: 'reschedule', attempt: body.attempt, extras: body.extrasBytes() } as const)
  const leftHour = core.lookup.placeHourOf(id)
  const version = { ...next, fireAt, generation }
  const mustWait = core.keys.table.isFull && !tasks.isBatch
  if (mustWait || core.recorder.nextVersion(row, source, 'pending', leftHour, version, 'new') === 0) {
    return { kind: 'full' }
  }
  tasks.written(id)
  core.ticker.noticeFireAt(fireAt)
  return { kind: 'done', receipt: { id: refOf(core, id), fireAt, outcome: 'replaced', generation } }
}

/**
 * Why a task that names the generation it replaces cannot do so, as far as that can be told: a task that is only on disk has to
 * be read first.
 */
export function generationRefusal(task: EncodedInput, tasks: ReadTasks, holder: Holder | undefined): Error | undefined {
  const { queue, ifGeneration } = task
  const state = holder === undefined ? 'missing' : holder.end === undefined ? holder.state : 'ended'
  const source = state === 'pending' ? tasks.get(holder!.id) : undefined
  if (state === 'pending' && source === undefined) return undefined
  const generation = source === undefined ? undefined : readBody(source.bytes, source.at).generation
  if (generation === ifGeneration) return undefined
  const found = generation === undefined ? state : `of generation ${generation}`
  const text = `the task of queue '${queue.name}' with this key is ${found}, not of generation ${ifGeneration}; nothing was done`
  return refuse('HW_TASK_CHANGED', text, { details: generation === undefined ? { state } : { state, generation } })
}

function kept(core: Core, { id, state }: Holder, fireAt: number, generation: number): Decision {
  return { kind: 'done', receipt: { id: refOf(core, id), fireAt, outcome: 'kept', generation, state } }
}

function keyExists(core: Core, { queue, key }: KeyedTask, { id, state }: Holder): Error {
  const text = `queue '${queue.name}' has a task with this key, ${state}; nothing was scheduled`
  return refuse('HW_KEY_EXISTS', text, { details: { key, id: refOf(core, id), state } })
}

function refOf(core: Core, id: number): string {
  return idText(core, homeHourOf(id), ordinalOf(id))
}

function bytesOf(payload: string | Uint8Array | undefined): { readonly kind: number; readonly bytes: Uint8Array } {
  if (payload === undefined) return { kind: payloadKind.none, bytes: new Uint8Array(0) }
  if (typeof payload === 'string') return { kind: payloadKind.json, bytes: Buffer.from(payload, 'utf8') }
  return { kind: payloadKind.bytes, bytes: payload }
}

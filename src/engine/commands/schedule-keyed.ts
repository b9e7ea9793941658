/**
 * schedule and scheduleMany of tasks with keys. What a key names is looked up and acted upon in one synchronous step; the
 * answer, also that nothing was done, leaves once all that it was computed from is on disk.
 */

import { atIndex, refuse } from '../../model/errors.ts'
import type { Receipt } from '../../model/hourwheel.ts'
import { limits } from '../../model/limits.ts'
import { newBytesMax, readBody } from '../../model/records.ts'
import { whenDurable, type Core } from '../core.ts'
import type { Holder } from '../key-holders.ts'
import { told } from '../lifecycle.ts'
import type { EncodedInput } from '../task-encoder.ts'
import { create, decide, generationRefusal, ReadTasks, type KeyedTask } from './key-decision.ts'

/** What a `put` has more than a `new` of the same task, at most. */
const putExtraBytes = 24

type Resolve<T> = (value: T) => void
type Reject = (error: Error) => void

/** What an attempt to decide came to: an answer, an error, or tasks to be read before the next one. */
type Step<T> =
  | { readonly kind: 'done'; readonly answer: T }
  | { readonly kind: 'refused'; readonly error: Error }
  | { readonly kind: 'read'; readonly ids: readonly number[] }

export function scheduleKeyed(core: Core, task: KeyedTask, resolve: Resolve<Receipt>, reject: Reject): void {
  const tasks = new ReadTasks(core, 'one')
  const attempt = (): Step<Receipt> | undefined => {
    const decision = decide(core, task, tasks, core.keys.find(task.queue.number, task.key))
    if (decision.kind === 'full') return undefined
    if (decision.kind === 'done') return { kind: 'done', answer: decision.receipt }
    return decision.kind === 'read' ? { kind: 'read', ids: [decision.id] } : decision
  }
  run(core, newBytesMax(task.payload, task.extras), tasks, attempt, resolve, reject)
}

/** All or none, in order: a later task of the batch sees what an earlier one with the same key has done. */
export function scheduleManyKeyed(
  core: Core,
  batch: readonly EncodedInput[],
  bytes: number,
  resolve: Resolve<Receipt[]>,
  reject: Reject,
): void {
  const tasks = new ReadTasks(core, 'batch')
  run(core, bytes, tasks, () => attemptMany(core, batch, tasks), resolve, reject)
}

/** Attempts when there is room and the view of keys is there, reads what is missing, and attempts again. */
function run<T>(
  core: Core,
  bytes: number,
  tasks: ReadTasks,
  attempt: () => Step<T> | undefined,
  resolve: Resolve<T>,
  reject: Reject,
): void {
  const once = (): boolean => {
    try {
      const step = attempt()
      if (step === undefined) return false
      if (step.kind === 'done') settle(core, resolve, reject, step.answer)
      else if (step.kind === 'refused') whenDurable(core, core.log.appendedLsn, step.error).then(reject, reject)
      else
        told(readAll(core, tasks, step.ids))
          .then(again)
          .catch(reject)
    } catch (error) {
      reject(error as Error)
    }
    return true
  }
  const again = (): void => {
    core.assertOpen()
    core.admission.admit(bytes, core.log.diskFull, once, reject)
  }
  if (core.keys.table.isReady) again()
  else told(core.keys.table.ready()).then(again).catch(reject)
}

function settle<T>(core: Core, resolve: Resolve<T>, reject: Reject, answer: T): void {
  const { log, waiters } = core
  if (log.appendedLsn <= log.syncedLsn) {
    resolve(answer)
    return
  }
  waiters.push(log.appendedLsn, resolve, reject, answer)
  log.needSync()
}

async function readAll(core: Core, tasks: ReadTasks, ids: readonly number[]): Promise<void> {
  for (const id of ids) {
    core.assertOpen()
    await tasks.read(id)
  }
}

function attemptMany(core: Core, batch: readonly EncodedInput[], tasks: ReadTasks): Step<Receipt[]> | undefined {
  tasks.release()
  const plan = planOf(core, batch, tasks)
  if (plan.kind !== 'ready') return plan
  if (core.keys.table.isFull || !core.log.beginGroup(batch.length, plan.bytes, 'new')) return undefined
  const answer: Receipt[] = []
  try {
    for (let index = 0; index < batch.length; index++) {
      const task = batch[index]!
      const { key, queue } = task
      const holder = key === undefined ? undefined : (plan.holders[index] ?? core.keys.find(queue.number, key))
      const decision =
        key === undefined || holder === 'none'
          ? create(core, task, tasks)
          : decide(core, task as KeyedTask, tasks, holder)
      // The plan has seen to it that there is room, and that all is at hand.
      if (decision.kind !== 'done') throw refuse('HW_INTERNAL', `a batch with keys met '${decision.kind}'`)
      answer.push(decision.receipt)
    }
  } finally {
    core.log.endGroup()
    tasks.release()
  }
  return { kind: 'done', answer }
}

interface Plan {
  readonly kind: 'ready'
  readonly bytes: number
  /** Who has the key of each task; undefined where an earlier one of the batch may have changed that. */
  readonly holders: readonly (Holder | 'none' | undefined)[]
}

/** Whether the batch can be done as a whole, and how much room it takes at most. */
function planOf(
  core: Core,
  batch: readonly EncodedInput[],
  tasks: ReadTasks,
): Plan | Exclude<Step<never>, { kind: 'done' }> {
  /** Keys that the batch itself will have given out or changed, with the most bytes that their tasks take. */
  const named = new Map<string, number>()
  const unread: number[] = []
  const holders: (Holder | 'none' | undefined)[] = new Array<Holder | 'none' | undefined>(batch.length)
  let bytes = 0
  for (let index = 0; index < batch.length; index++) {
    const { queue, key, onConflict, payload, extras } = batch[index]!
    let most = newBytesMax(payload, extras) + putExtraBytes
    if (key !== undefined) {
      const name = `${queue.number} ${key}`
      const earlier = named.get(name)
      const holder = core.keys.find(queue.number, key)
      holders[index] = earlier === undefined ? (holder ?? 'none') : undefined
      const isTaken =
        earlier !== undefined || (holder !== undefined && core.keys.isRemembered(holder, queue.settings.keyWindowMs))
      if (onConflict === 'reject' && isTaken) {
        const error = refuse('HW_KEY_EXISTS', `queue '${queue.name}' has a task with this key; nothing was scheduled`, {
          details: { key },
        })
        return { kind: 'refused', error: atIndex(error, index) as Error }
      }
      if (batch[index]!.ifGeneration !== undefined) {
        const changed =
          earlier === undefined
            ? generationRefusal(batch[index]!, tasks, holder)
            : refuse('HW_TASK_CHANGED', 'an earlier task of the batch has the same key; nothing was done')
        if (changed !== undefined) return { kind: 'refused', error: atIndex(changed, index) as Error }
      }
      if (earlier !== undefined) most = Math.max(most, earlier)
      else if (holder?.end === undefined && holder !== undefined) {
        const source = tasks.get(holder.id)
        if (source === undefined) unread.push(holder.id)
        else {
          tasks.hold(holder.id, source)
          const body = readBody(source.bytes, source.at)
          most = Math.max(most, body.end - source.at + putExtraBytes)
        }
      }
      if (!isTaken || (onConflict !== 'keep' && onConflict !== 'reject')) named.set(name, most)
    }
    bytes += most
  }
  if (unread.length > 0) return { kind: 'read', ids: unread }
  if (bytes > limits.batchBytesMax + batch.length * putExtraBytes) {
    const text = `the batch takes ${bytes} bytes with what it changes; at most ${limits.batchBytesMax} are allowed`
    return { kind: 'refused', error: refuse('HW_BATCH_TOO_LARGE', text) }
  }
  return { kind: 'ready', bytes, holders }
}

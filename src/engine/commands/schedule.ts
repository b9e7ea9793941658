/** schedule and scheduleMany: validate, append, answer once on disk. */

import { atIndex, refuse } from '../../model/errors.ts'
import type { Receipt, TaskInput } from '../../model/hourwheel.ts'
import { limits } from '../../model/limits.ts'
import { newBytesMax } from '../../model/records.ts'
import type { Core } from '../core.ts'
import { idText } from '../core.ts'
import { withValidPayload } from '../payload-schema.ts'
import { encodeTask, type EncodedInput, type EncodedTask } from '../task-encoder.ts'
import type { KeyedTask } from './key-decision.ts'
import { scheduleKeyed, scheduleManyKeyed } from './schedule-keyed.ts'

export function schedule(core: Core, task: TaskInput): Promise<Receipt> {
  return new Promise((resolve, reject) => {
    core.assertOpen()
    const valid = withValidPayload(core.settings.queues, task)
    if (valid instanceof Promise) {
      valid
        .then((task) => {
          core.assertOpen()
          scheduleValid(core, task, resolve, reject)
        })
        .catch(reject)
    } else scheduleValid(core, valid, resolve, reject)
  })
}

function scheduleValid(
  core: Core,
  task: TaskInput,
  resolve: (receipt: Receipt) => void,
  reject: (error: Error) => void,
): void {
  const encoded = encodeTask(task, core.platform.clock.wallMs(), core.settings.payloadBytesMax, core.queueOf)
  if (encoded.key !== undefined) {
    scheduleKeyed(core, encoded as KeyedTask, resolve, reject)
    return
  }
  if (core.admission.count === 0 && tryOne(core, encoded, resolve, reject)) return
  const bytes = newBytesMax(encoded.payload, encoded.extras)
  core.admission.admit(bytes, core.log.diskFull, () => tryOne(core, encoded, resolve, reject), reject)
}

function tryOne(
  core: Core,
  task: EncodedTask,
  resolve: (receipt: Receipt) => void,
  reject: (error: Error) => void,
): boolean {
  const { recorder } = core
  const lsn = recorder.fresh(task.queue, task.fireAt, task.payload, task.extras)
  if (lsn === 0) return false
  core.waiters.push(lsn, resolve, reject, receiptOf(core, task.fireAt))
  core.log.needSync()
  core.ticker.noticeFireAt(task.fireAt)
  return true
}

function receiptOf(core: Core, fireAt: number): Receipt {
  const { recorder } = core
  return { id: idText(core, recorder.freshHomeHour, recorder.freshOrdinal), fireAt, outcome: 'created', generation: 0 }
}

export function scheduleMany(core: Core, tasks: readonly TaskInput[]): Promise<Receipt[]> {
  return new Promise((resolve, reject) => {
    core.assertOpen()
    if (!Array.isArray(tasks)) {
      throw refuse('HW_INVALID_OPTIONS', `scheduleMany takes an array of tasks, not a ${typeof tasks}`)
    }
    if (tasks.length > limits.batchTasksMax) {
      throw refuse(
        'HW_BATCH_TOO_LARGE',
        `${tasks.length} tasks in one batch; at most ${limits.batchTasksMax} are allowed`,
      )
    }
    if (tasks.length === 0) {
      resolve([])
      return
    }
    if (core.settings.queues.size === 0) {
      scheduleValidMany(core, tasks as readonly TaskInput[], resolve, reject)
      return
    }
    const valid = validMany(core, tasks as readonly TaskInput[])
    if (valid instanceof Promise) {
      valid
        .then((tasks) => {
          core.assertOpen()
          scheduleValidMany(core, tasks, resolve, reject)
        })
        .catch(reject)
    } else scheduleValidMany(core, valid, resolve, reject)
  })
}

/** A promise when the schema of any of them made one. */
function validMany(core: Core, tasks: readonly TaskInput[]): TaskInput[] | Promise<TaskInput[]> {
  let waits = false
  const valid = tasks.map((task, index) => {
    try {
      const one = withValidPayload(core.settings.queues, task)
      if (!(one instanceof Promise)) return one
      waits = true
      return one.catch((error: unknown) => {
        throw atIndex(error, index)
      })
    } catch (error) {
      throw atIndex(error, index)
    }
  })
  return waits ? Promise.all(valid.map((one) => Promise.resolve(one))) : (valid as TaskInput[])
}

function scheduleValidMany(
  core: Core,
  tasks: readonly TaskInput[],
  resolve: (receipts: Receipt[]) => void,
  reject: (error: Error) => void,
): void {
  const now = core.platform.clock.wallMs()
  const encoded: EncodedInput[] = new Array<EncodedInput>(tasks.length)
  let bytes = 0
  let isKeyed = false
  for (let index = 0; index < tasks.length; index++) {
    try {
      encoded[index] = encodeTask(tasks[index]!, now, core.settings.payloadBytesMax, core.queueOf)
    } catch (error) {
      throw atIndex(error, index)
    }
    isKeyed ||= encoded[index]!.key !== undefined
    bytes += newBytesMax(encoded[index]!.payload, encoded[index]!.extras) + 4
  }
  if (bytes > limits.batchBytesMax) {
    throw refuse('HW_BATCH_TOO_LARGE', `the batch takes ${bytes} bytes; at most ${limits.batchBytesMax} are allowed`)
  }
  if (isKeyed) {
    scheduleManyKeyed(core, encoded, bytes, resolve, reject)
    return
  }
  core.admission.admit(
    bytes,
    core.log.diskFull,
    () => {
      if (!core.log.beginGroup(encoded.length, bytes, 'new')) return false
      const receipts: Receipt[] = new Array<Receipt>(encoded.length)
      let lsn = 0
      let earliest = Infinity
      for (let index = 0; index < encoded.length; index++) {
        const task = encoded[index]!
        lsn = core.recorder.fresh(task.queue, task.fireAt, task.payload, task.extras)
        receipts[index] = receiptOf(core, task.fireAt)
        if (task.fireAt < earliest) earliest = task.fireAt
      }
      core.log.endGroup()
      core.waiters.push(lsn, resolve, reject, receipts)
      core.log.needSync()
      core.ticker.noticeFireAt(earliest)
      return true
    },
    reject,
  )
}

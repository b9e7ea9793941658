/** What an engine can be told at open, checked. Every limit has a default that suits a small machine. */

import { parseDuration, type Duration } from '../model/durations.ts'
import type { EngineOptions } from '../model/engine.ts'
import { refuse } from '../model/errors.ts'
import { checkFields, wholeIn } from '../model/fields.ts'
import { limits } from '../model/limits.ts'
import { checkQueueName } from '../model/names.ts'
import { defaultRetryPolicy, mergeRetry, parseRetry } from '../model/retry.ts'
import type { QueueMap, QueueOptions } from '../model/typed-queues.ts'
import { dayMs } from '../model/units.ts'
import { checkSchema } from './payload-schema.ts'
import type { QueueSettings } from './queue-runtime.ts'
import { checkTimeoutMs } from './task-encoder.ts'

export interface EngineSettings {
  readonly directory: string
  /** By name, those that were given; `replaceQueueSettings` puts others in. */
  readonly queues: Map<string, QueueSettings>
  /** Of a queue that is not among them. */
  readonly otherQueues: QueueSettings
  readonly nearBytesMax: number
  readonly aheadMs: number
  readonly walFileBytes: number
  readonly walFilesMax: number
  readonly payloadBytesMax: number
  readonly keepAlive: boolean
  readonly forwardJumpMaxMs: number
  readonly downtimeMaxMs: number
}

const keyWindowMsMax = 366 * dayMs

export const defaultQueueSettings: QueueSettings = {
  retry: defaultRetryPolicy,
  timeoutMs: limits.timeoutMsDefault,
  keyWindowMs: dayMs,
}

const fields = [
  'dir',
  'queues',
  'nearBytesMax',
  'ahead',
  'walFileBytes',
  'walFilesMax',
  'payloadBytesMax',
  'keyWindow',
  'ref',
  'clock',
]

export function parseOptions(options: EngineOptions): EngineSettings {
  if (typeof options !== 'object' || options === null) {
    throw refuse('HW_INVALID_OPTIONS', 'openEngine takes an object such as { dir }')
  }
  checkFields(options, fields, 'openEngine')
  const { dir, queues = {}, ref = true, clock = {} } = options
  if (typeof dir !== 'string' || dir === '' || dir.includes('\0')) {
    throw refuse('HW_INVALID_OPTIONS', 'dir must be the path of a directory, a string')
  }
  if (typeof ref !== 'boolean') throw refuse('HW_INVALID_OPTIONS', 'ref must be true or false')
  if (typeof clock !== 'object' || clock === null) throw refuse('HW_INVALID_OPTIONS', 'clock must be an object')
  checkFields(clock, ['forwardJumpMax', 'downtimeMax'], 'clock')
  const otherQueues = {
    ...defaultQueueSettings,
    keyWindowMs: parseKeyWindow(options.keyWindow, defaultQueueSettings.keyWindowMs),
  }
  return {
    directory: dir,
    queues: parseQueues(queues, otherQueues),
    otherQueues,
    nearBytesMax: wholeIn(options.nearBytesMax ?? 256 << 20, 64 << 10, 2 ** 40, 'nearBytesMax'),
    aheadMs: wholeIn(parseDuration(options.ahead ?? '10m', 'ahead'), 2_000, dayMs, 'ahead'),
    walFileBytes: wholeIn(options.walFileBytes ?? 16 << 20, 8 << 10, 256 << 20, 'walFileBytes'),
    walFilesMax: wholeIn(options.walFilesMax ?? 2, 1, 64, 'walFilesMax'),
    payloadBytesMax: wholeIn(
      options.payloadBytesMax ?? limits.payloadBytesMax,
      0,
      limits.payloadBytesHardMax,
      'payloadBytesMax',
    ),
    keepAlive: ref,
    forwardJumpMaxMs: parseDuration(clock.forwardJumpMax ?? '1d', 'clock.forwardJumpMax'),
    downtimeMaxMs: parseDuration(clock.downtimeMax ?? '30d', 'clock.downtimeMax'),
  }
}

function parseKeyWindow(keyWindow: Duration | undefined, otherwiseMs: number): number {
  if (keyWindow === undefined) return otherwiseMs
  return wholeIn(parseDuration(keyWindow, 'keyWindow'), 0, keyWindowMsMax, 'keyWindow')
}

function parseQueues(queues: QueueMap, defaults: QueueSettings): Map<string, QueueSettings> {
  if (typeof queues !== 'object' || queues === null) {
    throw refuse('HW_INVALID_OPTIONS', 'queues must be an object of queue name to options')
  }
  return new Map(
    Object.entries(queues).map(([name, options]): [string, QueueSettings] => [
      checkQueueName(name),
      parseQueueOptions(name, options, defaults),
    ]),
  )
}

/** What the options of one queue say; for what they leave out, `defaults`. */
export function parseQueueOptions(name: string, options: QueueOptions, defaults: QueueSettings): QueueSettings {
  if (typeof options !== 'object' || options === null) {
    throw refuse('HW_INVALID_OPTIONS', `the options of queue '${name}' must be an object`)
  }
  checkFields(options, ['payload', 'retry', 'timeout', 'keyWindow'], `queue '${name}'`)
  return {
    retry: mergeRetry(defaultRetryPolicy, options.retry === undefined ? undefined : parseRetry(options.retry)),
    timeoutMs:
      options.timeout === undefined ? defaults.timeoutMs : checkTimeoutMs(parseDuration(options.timeout, 'timeout')),
    keyWindowMs: parseKeyWindow(options.keyWindow, defaults.keyWindowMs),
    payload: options.payload === undefined ? undefined : checkSchema(options.payload, name),
  }
}

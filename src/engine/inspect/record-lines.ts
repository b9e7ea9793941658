/** Records of the log and entries of segments as lines: names instead of numbers, instants as ISO text. */

import { decodeExtras } from '../../model/extras.ts'
import type { TaskRecord } from '../../model/records.ts'
import { hourMs } from '../../model/units.ts'
import type { CursorEntry } from '../../storage/segments/segment-cursor.ts'

export interface LineNames {
  idText(homeHour: number, ordinal: number): string
  queueName(number: number): string
  readonly payloads: boolean
}

export interface Line {
  readonly file: string
  readonly offset: number
  readonly kind: string
  readonly id?: string | undefined
  readonly queue?: string | undefined
  readonly [field: string]: unknown
}

const payloadKinds = ['none', 'json', 'bytes']

/** A value that is at its default says nothing. */
function unless<T>(value: T, usual: T): T | undefined {
  return value === usual ? undefined : value
}

export function recordLine(
  names: LineNames,
  record: TaskRecord,
  file: string,
  offset: number,
  lsn: number,
  frame: number,
): Line {
  const at = { file, offset, kind: record.kind, lsn, frame }
  switch (record.kind) {
    case 'new':
      return { ...at, ...taskFields(names, record), fireAt: instant(record.fireAt), ...bodyFields(names, record) }
    case 'put': {
      const { cause, from, placeHour, leftHour, attempt, generation } = record
      const moved = {
        cause,
        from,
        fireAt: instant(record.fireAt),
        place: hourText(placeHour),
        left: hourText(leftHour),
      }
      return { ...at, ...taskFields(names, record), ...moved, attempt, generation, ...bodyFields(names, record) }
    }
    case 'dead': {
      const { reason, from, error, placeHour, attempt, generation } = record
      const death = { reason, from, error, diedAt: instant(record.diedAt), place: hourText(placeHour) }
      const fireAt = instant(record.fireAt)
      return {
        ...at,
        ...taskFields(names, record),
        ...death,
        fireAt,
        attempt,
        generation,
        ...bodyFields(names, record),
      }
    }
    case 'lease':
      return { ...at, ...taskFields(names, record), fence: record.fence, losses: unless(record.losses, 0) }
    case 'unlease':
      return { ...at, ...taskFields(names, record), losses: unless(record.losses, 0) }
    case 'end': {
      const { how, from, placeHour, released } = record
      return { ...at, ...taskFields(names, record), how, from, place: hourText(placeHour), key: released?.key }
    }
    case 'stop':
    case 'purge':
      return { ...at, ...taskFields(names, record) }
    case 'queue':
      return { ...at, queue: record.name, number: record.queue, paused: record.paused }
    case 'retire':
      return { ...at, oldest: hourText(record.oldestHour) }
    case 'head': {
      const { openCount, wallMs, oldestHour, queues, hours } = record
      const live = hours.reduce((sum, hour) => sum + hour.live, 0)
      const counts = { queues: queues.length, hours: hours.length, live }
      return { ...at, openCount, clock: instant(wallMs), oldest: hourText(oldestHour), ...counts }
    }
    case 'clean':
      return { ...at, clock: instant(record.wallMs) }
    case 'seal':
      return { ...at, next: record.nextFileNumber }
  }
}

export function entryLine(names: LineNames, entry: CursorEntry, file: string, offset: number): Line {
  const { lsn, homeHour, placeHour, attempt, generation, dead } = entry
  const death = dead === undefined ? {} : { ...dead, diedAt: instant(dead.diedAt) }
  return {
    file,
    offset,
    kind: dead === undefined ? 'task' : 'deadLetter',
    lsn,
    ...taskFields(names, entry),
    fireAt: instant(entry.fireAt),
    place: homeHour === placeHour ? undefined : hourText(placeHour),
    attempt: unless(attempt, 0),
    generation: unless(generation, 0),
    ...death,
    ...bodyFields(names, entry),
  }
}

function taskFields(
  names: LineNames,
  task: { homeHour: number; ordinal: number; queue: number },
): { id: string; queue: string } {
  return { id: names.idText(task.homeHour, task.ordinal), queue: names.queueName(task.queue) }
}

interface Body {
  readonly payloadKind: number
  readonly payload: Uint8Array
  readonly extras: Uint8Array | undefined
}

function bodyFields(names: LineNames, { payloadKind, payload, extras }: Body): Record<string, unknown> {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length)
  const shown = names.payloads && payloadKind > 0 ? bytes.toString(payloadKind === 1 ? 'utf8' : 'base64') : undefined
  return {
    ...extrasFields(extras),
    payloadKind: payloadKinds[payloadKind],
    payloadBytes: payload.length,
    payload: shown,
  }
}

function extrasFields(extras: Uint8Array | undefined): Record<string, unknown> {
  if (extras === undefined) return {}
  try {
    const bytes = Buffer.from(extras.buffer, extras.byteOffset, extras.length)
    const { expiresAt, firstFireAt, ...rest } = decodeExtras(bytes, 0, bytes.length)
    return { ...rest, expiresAt: optional(expiresAt), firstFireAt: optional(firstFireAt) }
  } catch {
    return { extras: 'damaged' }
  }
}

function optional(ms: number | undefined): string | number | undefined {
  return ms === undefined ? undefined : instant(ms)
}

function instant(ms: number): string | number {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? ms : date.toISOString()
}

export function hourText(hour: number): string {
  return `${new Date(hour * hourMs).toISOString().slice(0, 13)}Z`
}

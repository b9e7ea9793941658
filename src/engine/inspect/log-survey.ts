/**
 * The log of a directory that may be damaged, applied to a ledger record by record, as far as it can be read: a lost record
 * makes counters wrong until the next head sets them right, and may bring back what had ended.
 */

import { packId } from '../../model/ids.ts'
import { counterCount, type Ledger } from '../../model/ledger.ts'
import { MalformedBytes } from '../../model/msgpack.ts'
import { decodeRecord, type HeadRecord, type TaskRecord } from '../../model/records.ts'
import type { Disk } from '../../platform/ports.ts'
import { scanLogFile, type LogGap, type LogScanListener } from '../../storage/wal/wal-scan.ts'
import type { Loss, SurveyedLog } from './findings.ts'
import { IdMap } from './id-map.ts'

/** Applies the records there are, in their order, whatever is missing between them. */
export class LogReading {
  readonly inLog: IdMap = new IdMap()
  readonly deadInLog: IdMap = new IdMap()
  /** What the log says has ended, or is a dead letter. */
  readonly goneInLog: IdMap = new IdMap()
  lastLsn = 0
  /** A head has said counters and calendar. */
  hasHead = false
  wallMsMax = 0
  hasGaps = false
  readonly #ledger: Ledger

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  async read(disk: Disk, directory: string, log: SurveyedLog, losses: Loss[]): Promise<void> {
    const { name: file, fileId } = log
    if (log.isMissing) {
      this.hasGaps = true
      losses.push({ file, offset: 0, what: 'it is missing' })
      return
    }
    const found = await eachRecord(disk, directory, file, fileId, {
      record: (record, lsn, offset) => {
        if (record === undefined) losses.push({ file, offset, what: 'a record that is not one', records: 1 })
        else this.#apply(record, lsn)
      },
      gap: ({ offset, what, records, isTail }) => {
        this.hasGaps ||= !isTail
        losses.push({ file, offset, what: isTail ? `${what}, as an unfinished last write leaves it` : what, records })
      },
    })
    if (this.lastLsn > 0 && found.firstLsn > this.lastLsn + 1) this.hasGaps = true
    this.lastLsn = Math.max(this.lastLsn, found.lastLsn)
    this.wallMsMax = Math.max(this.wallMsMax, found.wallMsMax)
  }

  #apply(record: TaskRecord, lsn: number): void {
    const ledger = this.#ledger
    if ('queue' in record && record.kind !== 'queue') nameQueue(ledger, record.queue)
    switch (record.kind) {
      case 'new':
        ledger.applyNew(record.homeHour, record.ordinal, record.queue)
        this.inLog.set(packId(record.homeHour, record.ordinal), lsn)
        return
      case 'put': {
        const { cause, from, homeHour, ordinal, queue, placeHour, leftHour } = record
        ledger.applyPut(cause, from, homeHour, ordinal, queue, placeHour, leftHour, lsn, true)
        this.deadInLog.delete(packId(homeHour, ordinal))
        this.goneInLog.delete(packId(homeHour, ordinal))
        this.inLog.set(packId(homeHour, ordinal), lsn)
        return
      }
      case 'lease':
        ledger.applyLease(record.homeHour, record.ordinal, record.queue, record.fence, record.losses)
        return
      case 'unlease':
        ledger.applyUnlease(record.homeHour, record.ordinal, record.queue, record.losses)
        return
      case 'stop':
        ledger.applyStop(record.homeHour, record.ordinal)
        return
      case 'end':
        ledger.applyEnd(record.how, record.from, record.homeHour, record.ordinal, record.queue, record.placeHour)
        this.inLog.delete(packId(record.homeHour, record.ordinal))
        this.deadInLog.delete(packId(record.homeHour, record.ordinal))
        this.goneInLog.set(packId(record.homeHour, record.ordinal), lsn)
        return
      case 'dead':
        ledger.applyDead(record.from, record.homeHour, record.ordinal, record.queue, record.placeHour, lsn)
        this.inLog.delete(packId(record.homeHour, record.ordinal))
        this.deadInLog.set(packId(record.homeHour, record.ordinal), lsn)
        this.goneInLog.set(packId(record.homeHour, record.ordinal), lsn)
        return
      case 'purge':
        ledger.applyPurge(record.homeHour, record.ordinal, record.queue)
        this.deadInLog.delete(packId(record.homeHour, record.ordinal))
        this.goneInLog.set(packId(record.homeHour, record.ordinal), lsn)
        return
      case 'queue':
        ledger.applyQueue(record.queue, record.name, record.paused)
        return
      case 'retire':
        ledger.applyRetire(record.oldestHour)
        return
      case 'head':
        this.hasHead = true
        applyHead(ledger, record)
        return
      case 'clean':
      case 'seal':
        return
    }
  }
}

/** Counters and calendar are those of the head, whatever was made of the records before it. */
function applyHead(ledger: Ledger, head: HeadRecord): void {
  ledger.applyRetire(head.oldestHour)
  for (const { queue, name, paused, counters } of head.queues) {
    const known = ledger.applyQueue(queue, name, paused)
    for (let index = 0; index < counterCount; index++) known.counters[index] = counters[index]!
  }
  for (const { hour, nextOrdinal, live } of head.hours) {
    const known = ledger.hour(hour)
    known.nextOrdinal = Math.max(known.nextOrdinal, nextOrdinal)
    known.live = live
  }
}

/** A queue whose name was lost gets one that says so. */
export function nameQueue(ledger: Ledger, number: number): void {
  if (ledger.queues[number] === undefined) ledger.applyQueue(number, `lost-name-${number}`, false)
}

export interface RecordListener {
  /** Undefined: in a sound frame there are bytes that are no record. */
  record(record: TaskRecord | undefined, lsn: number, offset: number, bytes: Buffer, at: number, end: number): void
  gap(gap: LogGap): void
  readonly frame?: LogScanListener['frame']
  readonly frameDone?: LogScanListener['frameDone']
}

/** Every record of a log file that can be read. */
export function eachRecord(
  disk: Disk,
  directory: string,
  name: string,
  fileId: string | undefined,
  listener: RecordListener,
): ReturnType<typeof scanLogFile> {
  return scanLogFile(disk, directory, name, fileId, {
    frame: listener.frame,
    frameDone: listener.frameDone,
    gap: (gap) => listener.gap(gap),
    record: (bytes, at, end, lsn, offset) => {
      let record: TaskRecord | undefined
      try {
        record = decodeRecord(bytes, at, end)
      } catch (error) {
        if (!(error instanceof MalformedBytes)) throw error
      }
      listener.record(record, lsn, offset, bytes, at, end)
    },
  })
}

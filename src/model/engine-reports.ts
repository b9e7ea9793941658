/**
 * What an engine tells of itself: statistics, calendar, events, how it stopped, what a backup came to. Types only; instants are UTC
 * epoch milliseconds, and names of durations end in their unit.
 */

import type { DeadReason } from './hourwheel.ts'

/** Over the life of the directory: accepted is the sum of all the others, at every instant. */
export interface QueueCounters {
  readonly accepted: number
  readonly pending: number
  readonly leased: number
  readonly succeeded: number
  readonly dead: number
  readonly cancelled: number
  readonly expired: number
  readonly replaced: number
  readonly purged: number
  readonly damaged: number
}

export interface QueueStats extends QueueCounters {
  readonly paused: boolean
  /** It has a handler in the engine's process. */
  readonly handled: boolean
  /** In memory, due, and not started. */
  readonly due: number
  /** Attempts that its handler runs. */
  readonly running: number
  /** How late the oldest due task is that has not started, 0 when there is none. */
  readonly overdueOldestMs: number
  /** Memory that its tasks take. */
  readonly nearBytes: number
}

export interface LatenessStats {
  readonly count: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** Statistics as of now: they may run ahead of the disk by what is being synced. */
export interface Stats {
  /** By name. */
  readonly queues: Readonly<Record<string, QueueStats>>
  readonly total: QueueCounters
  /** accepted minus all the rest: 0, always. */
  readonly conservation: number
  readonly overdueOldestMs: number
  /** Lateness of the attempts started in this process. */
  readonly lateness: LatenessStats
  /** The write-ahead log. */
  readonly wal: {
    readonly files: number
    readonly bytes: number
    /** Number of the newest record, and of the newest one on disk. */
    readonly appendedLsn: number
    readonly syncedLsn: number
    /** New tasks are refused. */
    readonly diskFull: boolean
    /** Syncs since open, and how long they took: together, and the longest. */
    readonly syncs: number
    readonly syncMs: number
    readonly syncMsMax: number
  }
  /** Tasks in memory, and tasks only on disk. */
  readonly near: number
  readonly far: number
  readonly nearBytes: number
  readonly segments: { readonly files: number; readonly bytes: number; readonly tasks: number }
  /** Checkpoints made and segments merged since the start. */
  readonly checkpoints: number
  readonly merges: number
  /** Whether nothing is fired since the clock has jumped ahead. */
  readonly clock: { readonly held: boolean; readonly heldBecause?: string | undefined }
  /** The clock is believed, and nothing was damaged. */
  readonly healthy: boolean
  /** Which history of the directory this is: restore and salvage raise it. */
  readonly incarnation: number
  /** How often the directory was opened. */
  readonly openCount: number
}

export interface CalendarHour {
  /** Start of the hour, UTC epoch milliseconds. */
  readonly hour: number
  /** Tasks filed under it that have not ended, those that run included. */
  readonly pending: number
}

/**
 * What an engine tells those who listen. 'fired' comes as the attempt starts; an event that tells of a change of a task comes once
 * that is on disk.
 */
export interface EngineEvents {
  fired: { id: string; queue: string; attempt: number; lateMs: number }
  succeeded: { id: string; queue: string; attempt: number }
  attemptFailed: { id: string; queue: string; attempt: number; error: string; retryAt?: number | undefined }
  deadLettered: { id: string; queue: string; reason: DeadReason; error: string }
  cancelled: { id: string; queue: string }
  expired: { id: string; queue: string }
  /** Tasks are due and nothing runs them; repeated every 10 s. */
  noConsumer: { queue: string; due: number }
  /** The wall clock has jumped by more than 250 ms; `held`: nothing is fired until it is back. */
  clockJump: { byMs: number; held: boolean }
  /** The unfinished last write of the log was cut, and saved. */
  tornTail: { file: string; offset: number; bytes: number; savedAs: string }
  /** A block of a file cannot be read; so many of its tasks count as damaged. */
  damaged: { file: string; offset: number; tasks: number }
}

/** Why and how an engine stopped. */
export interface Closed {
  readonly reason: 'closed' | 'failed'
  readonly error?: Error | undefined
}

export interface BackupOptions {
  /** Hears of every piece, with the bytes that were copied so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** A backup that is complete. */
export interface BackupReport {
  readonly to: string
  readonly files: number
  readonly bytes: number
  /** All records up to this one are in it, and none after it. */
  readonly lsn: number
  readonly incarnation: number
  readonly queues: number
}

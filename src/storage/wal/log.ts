/**
 * The log as the engine sees it: append records, learn how far they are written and synced, say what is no longer needed.
 *
 * The local files of `log-writer.ts` are its only implementation today. A replicated log could take their place, so nothing
 * here says how records become durable; a file is no more than a named run of records that is let go as a whole, and a
 * place in it no more than a number to read a record again by.
 *
 * Appending is synchronous and allocates nothing: `begin` answers where in `buffer` the record may be written, `end` makes it a
 * record. Between the two, and between `beginGroup` and `endGroup`, nothing else may happen to the log.
 */

/**
 * What a record is for. 'new' leaves the reserve alone; 'settle' (cancels, acks and the like, which end things or free
 * space) may use it.
 */
export type AppendPurpose = 'new' | 'settle'

export interface LogFileInfo {
  readonly number: number
  readonly name: string
  /** Hexadecimal. */
  readonly fileId: string
  readonly firstLsn: number
  /** A seal is its last record, and synced. */
  readonly sealed: boolean
  /** Header and frames. */
  readonly bytes: number
}

export interface LogListener {
  /** All records up to `lsn` are written: they survive the process. */
  written(lsn: number): void
  /** All records up to `lsn` are synced: they survive the machine. */
  synced(lsn: number): void
  /** A write or sync failed. Nothing more will be written, ever; what was reported before stays true. */
  failed(error: Error): void
  /** A new file is in use and its head is synced, so the files before it are sealed and complete. */
  rotated(fileNumber: number): void
  /** A `begin` or `beginGroup` found no room, and there may be some now. */
  room(): void
}

export interface LogStats {
  readonly files: number
  /** Bytes of frames in files that were not trimmed. */
  readonly bytes: number
  /** Bytes appended that are not synced. */
  readonly unsyncedBytes: number
  /** Bytes that can be appended now without another file. */
  readonly freeBytes: number
  /** Frames written, and syncs done, since open. */
  readonly frames: number
  readonly syncs: number
  /** How long the syncs took, together and at most. */
  readonly syncMs: number
  readonly syncMsMax: number
}

export interface Log {
  /** The buffer that `begin` refers to, and where that is: valid until the next `begin`. */
  readonly buffer: Buffer
  readonly block: number
  /** The file in use: that of the record ended last. */
  readonly fileNumber: number
  readonly appendedLsn: number
  readonly writtenLsn: number
  readonly syncedLsn: number
  /** No space could be reserved for the next file; looked at again every second. */
  readonly diskFull: boolean

  /** Where a record of up to `bytesMax` may be written, or -1 when there is no room now (see `LogListener.room`). */
  begin(bytesMax: number, purpose: AppendPurpose): number
  /** The bytes at `at` are a record. Answers its LSN. A `begin` without an `end` leaves no trace. */
  end(at: number, bytes: number): number
  /** Where the record that ended last, begun at `at`, lies in its file. */
  fileOffset(at: number): number
  /** Room for `records` of `bytesMax` together that become durable as a whole or not at all; false when there is none now. */
  beginGroup(records: number, bytesMax: number, purpose: AppendPurpose): boolean
  endGroup(): void

  /** Someone waits for the record that ended last to be synced. Without it a record may wait a little for company. */
  needSync(): void
  /** The record that ended last is to be written soon, without waiting for a sync that is under way. */
  needWrite(): void
  whenWritten(lsn: number): Promise<void>
  /** Includes `needSync`. */
  whenSynced(lsn: number): Promise<void>

  /** Files up to this number are no longer needed. Resolves when they are gone; the file in use stays. */
  trim(fileNumber: number): Promise<void>
  /** Files with a synced head, oldest first. */
  files(): LogFileInfo[]
  stats(): LogStats
  /** Syncs all records and leaves a mark that says so. */
  close(): Promise<void>
  /** The engine has failed for a reason of its own: from now on nothing more is written. To be closed all the same. */
  abandon(error: unknown): void
}

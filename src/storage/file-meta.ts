/**
 * What the manifest says of the immutable files it names, and what those files are called. Shared by the manifest and by
 * the modules of the files themselves, which know nothing of each other.
 */

export type SegmentKind = 'tasks' | 'dead'

export interface SegmentMeta {
  readonly number: number
  readonly kind: SegmentKind
  /** 32 hexadecimal digits. */
  readonly fileId: string
  readonly bytes: number
  readonly footerCrc: number
  /** First and last place hour; both have tasks. */
  readonly hourFrom: number
  readonly hourTo: number
  /** Tasks, at least 1. */
  readonly count: number
  readonly lsnMin: number
  readonly lsnMax: number
}

export interface SnapshotMeta {
  readonly number: number
  /** 32 hexadecimal digits. */
  readonly fileId: string
  readonly bytes: number
  readonly footerCrc: number
  readonly sections: number
}

export function segmentFileName(segment: { readonly kind: SegmentKind; readonly number: number }): string {
  return `${segment.kind === 'dead' ? 'dead' : 'seg'}-${segment.number}.seg`
}

export function snapshotFileName(number: number): string {
  return `snap-${number}.snap`
}

/** No leading zeros, so that a file has one name only. What is read as a number is one exactly. */
const logForm = /^wal-(0|[1-9]\d{0,9})-(0|[1-9]\d{0,14})\.log$/u
const numberedForm = /^(?:(?:seg|dead)-(0|[1-9]\d{0,14})\.seg|snap-(0|[1-9]\d{0,14})\.snap)$/u

/** Whether a file of this name may be one that a manifest names: of the log, a segment, a snapshot. */
export function isDataFileName(name: string): boolean {
  return logForm.test(name) || numberedForm.test(name)
}

/** What the name of a log file says; undefined for any other name. */
export function parseLogFileName(name: string): { openCount: number; number: number } | undefined {
  const match = logForm.exec(name)
  return match === null ? undefined : { openCount: Number(match[1]), number: Number(match[2]) }
}

/** The number of a segment or snapshot; undefined for any other name. */
export function fileNumberOf(name: string): number | undefined {
  const match = numberedForm.exec(name)
  return match === null ? undefined : Number(match[1] ?? match[2])
}

export function hexOfFileId(fileId: Uint8Array): string {
  return Buffer.from(fileId.buffer, fileId.byteOffset, fileId.length).toString('hex')
}

export function fileIdOfHex(hex: string): Buffer {
  return Buffer.from(hex, 'hex')
}

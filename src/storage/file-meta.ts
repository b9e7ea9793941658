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

export function hexOfFileId(fileId: Uint8Array): string {
  return Buffer.from(fileId.buffer, fileId.byteOffset, fileId.length).toString('hex')
}

export function fileIdOfHex(hex: string): Buffer {
  return Buffer.from(hex, 'hex')
}

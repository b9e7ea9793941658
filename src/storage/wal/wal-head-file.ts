/**
 * Writes a log file that holds nothing but a head: where a log begins anew, after a salvage. It is sealed and synced, so that the
 * manifest may list it as such.
 *
 * It carries the flag of a copy: until a manifest names it, the next opening takes it for what an interrupted one has left.
 */

import { writeSeal } from '../../model/record-writers.ts'
import { fileSeed } from '../../platform/checksum.ts'
import { writeFully } from '../../platform/full-io.ts'
import type { Disk, Random } from '../../platform/ports.ts'
import { encodeFileHeader, fileHeaderBytes, fileIdBytes } from '../file-header.ts'
import {
  copyFlag,
  frameBytesOf,
  frameHeaderBytes,
  lengthBytes,
  logFileName,
  markFrameBytes,
  sealFrame,
} from './log-format.ts'
import type { LogFileInfo } from './log.ts'

export interface HeadFile {
  readonly directory: string
  readonly number: number
  readonly openCount: number
  /** That of the head; the seal has the next one. */
  readonly lsn: number
  readonly wallMs: number
}

export async function writeHeadFile(
  disk: Disk,
  random: Random,
  head: Uint8Array,
  file: HeadFile,
): Promise<LogFileInfo> {
  const { directory, number, openCount, lsn: firstLsn, wallMs } = file
  const fileId = random.bytes(fileIdBytes)
  const seed = fileSeed(fileId)
  const headPayloadBytes = lengthBytes + head.length
  const bytes = Buffer.alloc(fileHeaderBytes + frameBytesOf(headPayloadBytes) + markFrameBytes)
  const sealAt = fileHeaderBytes + frameBytesOf(headPayloadBytes)
  const sealEnd = writeSeal(bytes, sealAt + frameHeaderBytes + lengthBytes, number + 1)
  const sealPayloadBytes = sealEnd - sealAt - frameHeaderBytes
  bytes.writeUInt32LE(sealPayloadBytes - lengthBytes, sealAt + frameHeaderBytes)
  const extent = sealAt + frameBytesOf(sealPayloadBytes)
  const header = encodeFileHeader({ kind: 'wal', flags: copyFlag, fileId, number, openCount, extent })
  header.copy(bytes)
  bytes.writeUInt32LE(head.length, fileHeaderBytes + frameHeaderBytes)
  bytes.set(head, fileHeaderBytes + frameHeaderBytes + lengthBytes)
  const frame = { recordCount: 1, wallMs, link: 0 }
  const headCrc = sealFrame(bytes, fileHeaderBytes, seed, {
    ...frame,
    payloadBytes: headPayloadBytes,
    frameNumber: 1,
    syncedFrame: 0,
    firstLsn,
    previousCrc: header.readUInt32LE(fileHeaderBytes - 4),
  })
  sealFrame(bytes, sealAt, seed, {
    ...frame,
    payloadBytes: sealPayloadBytes,
    frameNumber: 2,
    syncedFrame: 1,
    firstLsn: firstLsn + 1,
    previousCrc: headCrc,
  })
  const name = logFileName(openCount, number)
  const to = await disk.open(`${directory}/${name}`, 'create')
  try {
    await writeFully(to, bytes.subarray(0, extent), 0)
    await to.sync()
  } finally {
    await to.close()
  }
  return { number, name, fileId: Buffer.from(fileId).toString('hex'), firstLsn, sealed: true, bytes: extent }
}

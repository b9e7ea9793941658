/**
 * Copies the valid prefix of a log file into a new file with an id of its own, sealed: after a stop the page cache may hold
 * what the disk does not, and a sync that succeeds now proves nothing about a write of then. So it is written again.
 *
 * Also sets a torn tail aside. Both are done under a temporary name, synced, renamed, and may be repeated at any point.
 */

import { refuse } from '../../model/errors.ts'
import { writeFully } from '../../platform/full-io.ts'
import { fileSeed } from '../../platform/checksum.ts'
import { writeSeal } from '../../model/record-writers.ts'
import type { Disk, DiskFile, Random } from '../../platform/ports.ts'
import { encodeFileHeader, fileHeaderBytes, fileIdBytes } from '../file-header.ts'
import { FileWindow } from './file-window.ts'
import {
  copyFlag,
  frameBytesOf,
  frameHeaderBytes,
  lengthBytes,
  markFrameBytes,
  payloadIsSound,
  readFrameHeader,
  sealFrame,
  type FrameHeader,
} from './log-format.ts'
import type { LogFileInfo } from './log.ts'
import type { ReadLogResult } from './wal-reader.ts'

export interface CopyTarget {
  readonly directory: string
  readonly name: string
  readonly number: number
  readonly openCount: number
}

/** What is copied of a file: the frames before the place of the seal. */
export type CopiedPart = Pick<ReadLogResult, 'ended' | 'fileId' | 'firstLsn' | 'lastLsn' | 'sealAt'>

export interface CopiedLog {
  readonly file: LogFileInfo
  readonly lastLsn: number
  readonly lastCrc: number
}

/** `from` was read and found as `found` says. A clean mark or seal at its end gives its LSN to the seal of the copy. */
export async function copyLogFile(
  disk: Disk,
  random: Random,
  fromPath: string,
  found: CopiedPart,
  target: CopyTarget,
  nextFileNumber: number,
): Promise<CopiedLog> {
  const fileId = random.bytes(fileIdBytes)
  const seed = fileSeed(fileId)
  const endsInMark = found.ended === 'sealed' || found.ended === 'clean'
  const lastLsn = found.lastLsn + (endsInMark ? 0 : 1)
  const seal = Buffer.alloc(markFrameBytes)
  const sealPayloadBytes = writeSeal(seal, frameHeaderBytes + lengthBytes, nextFileNumber) - frameHeaderBytes
  seal.writeUInt32LE(sealPayloadBytes - lengthBytes, frameHeaderBytes)
  const extent = found.sealAt + frameBytesOf(sealPayloadBytes)
  const { number, openCount } = target
  const header = encodeFileHeader({ kind: 'wal', flags: copyFlag, fileId, number, openCount, extent })
  let crc = header.readUInt32LE(fileHeaderBytes - 4)
  let frame = 0
  let wallMs = 0
  await writeWhole(disk, target.directory, target.name, async (to) => {
    await writeFully(to, header, 0)
    await eachFrame(disk, fromPath, found, async (bytes, at, old) => {
      crc = sealFrame(bytes, 0, seed, { ...old, previousCrc: crc })
      frame = old.frameNumber
      wallMs = old.wallMs
      await writeFully(to, bytes, at)
    })
    crc = sealFrame(seal, 0, seed, {
      payloadBytes: sealPayloadBytes,
      frameNumber: frame + 1,
      syncedFrame: frame,
      firstLsn: lastLsn,
      recordCount: 1,
      previousCrc: crc,
      wallMs,
      link: 0,
    })
    await writeFully(to, seal.subarray(0, extent - found.sealAt), found.sealAt)
  })
  const { name } = target
  const { firstLsn } = found
  return {
    file: { number, name, fileId: Buffer.from(fileId).toString('hex'), firstLsn, sealed: true, bytes: extent },
    lastLsn,
    lastCrc: crc,
  }
}

/** The frames before the place of the seal, one after the other; `bytes` may be changed by the callee. */
async function eachFrame(
  disk: Disk,
  path: string,
  found: CopiedPart,
  take: (bytes: Buffer, at: number, header: FrameHeader) => Promise<void>,
): Promise<void> {
  const seed = fileSeed(Buffer.from(found.fileId, 'hex'))
  const file = await disk.open(path, 'read')
  try {
    const window = await FileWindow.over(file, 1024 * 1024)
    for (let at = fileHeaderBytes; at < found.sealAt;) {
      let here = await window.need(at, frameHeaderBytes)
      const header = readFrameHeader(window.bytes, here, seed)
      const bytes = header === undefined ? 0 : frameBytesOf(header.payloadBytes)
      if (header !== undefined) here = await window.need(at, bytes)
      if (header === undefined || !payloadIsSound(window.bytes, here, header, seed)) {
        throw refuse('HW_CORRUPT', `${path} at ${at}: it changed while it was recovered`, {
          details: { file: path, offset: at },
        })
      }
      await take(window.bytes.subarray(here, here + bytes), at, header)
      at += bytes
    }
  } finally {
    await file.close()
  }
}

/** Saves [offset, offset + bytes) of a file, and answers under which name. */
export async function setAside(
  disk: Disk,
  fromPath: string,
  torn: { readonly offset: number; readonly bytes: number },
  directory: string,
  name: string,
): Promise<string> {
  await disk.makeDirectory(directory)
  await writeWhole(disk, directory, name, async (to) => {
    const from = await disk.open(fromPath, 'read')
    try {
      const chunk = new Uint8Array(Math.min(torn.bytes, 1024 * 1024))
      for (let done = 0; done < torn.bytes;) {
        const count = await from.read(chunk.subarray(0, Math.min(chunk.length, torn.bytes - done)), torn.offset + done)
        if (count === 0) throw Object.assign(new Error(`${fromPath} became shorter`), { code: 'EIO' })
        await writeFully(to, chunk.subarray(0, count), done)
        done += count
      }
    } finally {
      await from.close()
    }
  })
  return `${directory}/${name}`
}

/** A file that is there as a whole, and durably so, or not at all. */
async function writeWhole(
  disk: Disk,
  directory: string,
  name: string,
  fill: (file: DiskFile) => Promise<void>,
): Promise<void> {
  const path = `${directory}/${name}`
  const temporary = `${path}.tmp`
  if ((await disk.stat(temporary)) !== undefined) await disk.remove(temporary)
  const file = await disk.open(temporary, 'create')
  try {
    await fill(file)
    await file.sync()
  } finally {
    await file.close()
  }
  await disk.rename(temporary, path)
  await disk.syncDirectory(directory)
}

/**
 * The manifest: the one file that says which other files count (docs/format.md, "Manifest").
 *
 * `publishManifest` replaces it as a whole. When it resolves the new one is durable; when it rejects, which of the two a
 * restart finds is not known, and the engine has to close.
 */

import { type HourwheelError, refuse } from '../../model/errors.ts'
import { MalformedBytes } from '../../model/msgpack.ts'
import { crc32, fileSeed } from '../../platform/checksum.ts'
import { readWhole, writeFully } from '../../platform/full-io.ts'
import type { Disk } from '../../platform/ports.ts'
import { encodeFileHeader, fileHeaderBytes, fileIdBytes, sameFileId, verifyFileHeader } from '../file-header.ts'
import { fileNumberOf, parseLogFileName, segmentFileName, snapshotFileName } from '../file-meta.ts'
import { contradictionIn, decodeBody, encodeBody, type Manifest } from './manifest-body.ts'

export type { Manifest } from './manifest-body.ts'

const manifestFileName = 'MANIFEST'
const lengthAt = fileHeaderBytes
const crcAt = lengthAt + 4
const bodyAt = crcAt + 4
/** The one flag of its header. */
const keyedFlag = 1
/** Far beyond any real one: some 600,000 segments. */
const fileBytesMax = 64 * 1024 * 1024

/** Undefined only if there is no manifest. */
export async function loadManifest(disk: Disk, directory: string): Promise<Manifest | undefined> {
  const path = `${directory}/${manifestFileName}`
  const found = await disk.stat(path)
  if (found === undefined) return undefined
  if (found.kind !== 'file') throw corrupt(0, 'it is not a file')
  if (found.bytes > fileBytesMax) throw corrupt(0, `it has ${found.bytes} bytes; no manifest has`)
  const file = await disk.open(path, 'read')
  try {
    return decodeManifest(await readWhole(file))
  } finally {
    await file.close()
  }
}

/** Until `beforeRename` is called a failure, such as a full disk, has changed nothing; after it the outcome is not known. */
export async function publishManifest(
  disk: Disk,
  directory: string,
  manifest: Manifest,
  beforeRename?: () => void,
): Promise<void> {
  const bytes = encodeManifest(manifest)
  const temporary = `${directory}/${manifestFileName}.tmp`
  // Left by a process that did not get to the rename.
  if ((await disk.stat(temporary)) !== undefined) await disk.remove(temporary)
  const file = await disk.open(temporary, 'create')
  try {
    await writeFully(file, bytes, 0)
    await file.sync()
  } finally {
    await file.close()
  }
  beforeRename?.()
  await disk.rename(temporary, `${directory}/${manifestFileName}`)
  await disk.syncDirectory(directory)
}

export function encodeManifest(manifest: Manifest): Buffer {
  const wrong = contradictionIn(manifest)
  if (wrong !== undefined) throw refuse('HW_INTERNAL', `a manifest cannot be published: ${wrong} is impossible`)
  const fileId = fileIdOf(manifest)
  const { openCount } = manifest
  const body = encodeBody(manifest)
  const bytes = Buffer.concat([
    encodeFileHeader({
      kind: 'manifest',
      fileId,
      number: 0,
      openCount,
      flags: manifest.keyed === true ? keyedFlag : 0,
    }),
    Buffer.alloc(8),
    body,
  ])
  bytes.writeUInt32LE(body.length, lengthAt)
  bytes.writeUInt32LE(bodyCrc(bytes, fileId), crcAt)
  return bytes
}

export function decodeManifest(bytes: Uint8Array): Manifest {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const header = verifyFileHeader(view, manifestFileName, { kind: 'manifest', number: 0 })
  if (view.length < bodyAt) throw corrupt(view.length, 'it is cut short')
  const end = bodyAt + view.readUInt32LE(lengthAt)
  if (view.length !== end) throw corrupt(lengthAt, `it has ${view.length} bytes instead of ${end}`)
  if (bodyCrc(view, header.fileId) !== view.readUInt32LE(crcAt)) throw corrupt(crcAt, 'its checksum is wrong')
  let manifest: Manifest
  try {
    manifest = decodeBody(view.subarray(bodyAt), header.format)
  } catch (error) {
    if (error instanceof MalformedBytes) throw corrupt(bodyAt + error.offset, 'its body is not that of a manifest')
    throw error
  }
  const isOne = sameFileId(fileIdOf(manifest), header.fileId) && header.openCount === manifest.openCount
  if (!isOne || header.flags > keyedFlag) throw corrupt(0, 'its header and its body are not of one manifest')
  return header.flags === keyedFlag ? { ...manifest, keyed: true } : manifest
}

/** Not random, but of one manifest only. */
function fileIdOf(manifest: Manifest): Buffer {
  const fileId = Buffer.alloc(fileIdBytes)
  fileId.writeUInt32LE(manifest.incarnation, 0)
  fileId.writeUInt32LE(manifest.openCount, 4)
  fileId.writeBigUInt64LE(BigInt(manifest.number), 8)
  return fileId
}

function bodyCrc(bytes: Buffer, fileId: Uint8Array): number {
  return crc32(bytes.subarray(bodyAt), crc32(bytes.subarray(lengthAt, crcAt), fileSeed(fileId)))
}

/** Names of the files that a manifest lists. */
export function filesOf(manifest: Manifest): string[] {
  const { wal, segments, snapshot } = manifest
  const names = [...wal.map(({ name }) => name), ...segments.map(segmentFileName)]
  return snapshot === undefined ? names : [...names, snapshotFileName(snapshot.number)]
}

export interface CheckedListing {
  /** Segments and snapshots that do not count, and temporary files: to be removed, unread. */
  readonly leftovers: string[]
  /** Names that are nobody's: to be left alone and reported. */
  readonly foreign: string[]
}

const knownForm = /^(?:keys\.mdb(?:-lock)?|MANIFEST|LOCK|quarantine|lost\+found)$/u

function isLeftover(name: string): boolean {
  return fileNumberOf(name) !== undefined || name.endsWith('.tmp')
}

/** The log judges its files itself. */
function isKnown(name: string): boolean {
  return knownForm.test(name) || parseLogFileName(name) !== undefined
}

/** Compares a directory with its manifest; throws HW_CORRUPT when a file is missing. `others` are names that belong there too. */
export function checkListing(
  manifest: Manifest,
  names: readonly string[],
  others: readonly string[] = [],
): CheckedListing {
  const there = new Set(names)
  const listed = new Set(filesOf(manifest))
  const missing = [...listed].find((name) => !there.has(name))
  if (missing !== undefined) throw missingFile(manifest, missing)
  const rest = names.filter((name) => !listed.has(name) && !others.includes(name) && !isKnown(name))
  return {
    leftovers: rest.filter(isLeftover),
    foreign: rest.filter((name) => !isLeftover(name)),
  }
}

function missingFile(manifest: Manifest, file: string): HourwheelError {
  const segment = manifest.segments.find((meta) => segmentFileName(meta) === file)
  const tasks = segment?.count
  const suffix = tasks === undefined ? '' : ` (${tasks} tasks)`
  return refuse('HW_CORRUPT', `${file} is missing, which the manifest names${suffix}`, {
    details: { file, offset: 0, ...(tasks === undefined ? {} : { tasks }) },
  })
}

function corrupt(offset: number, what: string): HourwheelError {
  return refuse('HW_CORRUPT', `${manifestFileName}, offset ${offset}: ${what}`, {
    details: { file: manifestFileName, offset },
  })
}

/**
 * Puts the chain of log files together at open: decides which files belong to it (docs/format.md, "The chain, at open"),
 * replays them, and leaves a log that the next writer can continue.
 *
 * Invariants
 * - A file is in the chain because the manifest lists it, or by the manifest's open count and the next number. Any other
 *   log file is a known leftover of an interrupted step, or HW_CORRUPT.
 * - Only the last file with frames may end without a seal. It is copied, synced, before anyone relies on it; its torn tail
 *   is set aside first.
 * - Nothing is removed or changed here; a run that was interrupted is repeated from the start with the same outcome.
 *   The caller publishes the manifest with the new open count and these files, then removes the leftovers, then opens a writer.
 */

import { refuse, type HourwheelError } from '../../model/errors.ts'
import type { Disk, Random } from '../../platform/ports.ts'
import { parseLogFileName } from '../file-meta.ts'
import { diskTrouble } from './disk-trouble.ts'
import { logFileName } from './log-format.ts'
import type { LogFileInfo } from './log.ts'
import { copyLogFile, setAside, type CopiedLog } from './wal-copy.ts'
import { readLogFile, readLogFileStart, type LogFileStart, type OnRecord, type ReadLogResult } from './wal-reader.ts'

/** A log file as the manifest lists it. */
export interface KnownLogFile {
  readonly number: number
  readonly name: string
  /** Hexadecimal. */
  readonly fileId: string
  readonly firstLsn: number
  /** It was sealed, and synced so, when the manifest was published. */
  readonly sealed?: boolean | undefined
}

export interface RecoverLogOptions {
  readonly disk: Disk
  readonly random: Random
  readonly directory: string
  /** Where torn tails go. Default `<directory>/quarantine`. */
  readonly quarantine?: string | undefined
  /** The manifest's open count; 0 for a directory that was never opened. */
  readonly knownOpenCount: number
  /** The manifest's files, by number. */
  readonly known: readonly KnownLogFile[]
  /** Number and LSN that the log begins with when the manifest lists no file. Default 1. */
  readonly firstFileNumber?: number | undefined
  readonly firstLsn?: number | undefined
  /** The open count of this opening. */
  readonly openCount: number
  readonly onRecord: (fileNumber: number, ...record: Parameters<OnRecord>) => void
  readonly chunkBytes?: number | undefined
}

export interface TornTail {
  readonly file: string
  readonly offset: number
  readonly bytes: number
  readonly why: string
  readonly savedAs: string
}

export interface RecoveredLog {
  /** For the manifest and for `LogWriter.open`. All are sealed. */
  readonly files: LogFileInfo[]
  readonly nextFileNumber: number
  readonly nextLsn: number
  /** For `LogWriter.open`. */
  readonly link: number
  /** Names of log files that are not needed, to be removed once the manifest is published. */
  readonly leftovers: string[]
  readonly tornTails: TornTail[]
  /** The last file carried a clean mark, or there was none. */
  readonly endedCleanly: boolean
  readonly wallMsMax: number
  readonly records: number
}

interface Found {
  readonly name: string
  readonly openCount: number
  readonly number: number
  readonly known?: KnownLogFile | undefined
}

/** Rejects with HW_CORRUPT, HW_FORMAT_NEWER, HW_DISK_FULL or HW_DISK_FAILED. */
export async function recoverLog(options: RecoverLogOptions): Promise<RecoveredLog> {
  try {
    return await recoverChain(options)
  } catch (error) {
    throw diskTrouble(error, options.directory)
  }
}

async function recoverChain(options: RecoverLogOptions): Promise<RecoveredLog> {
  const { openCount, knownOpenCount } = options
  if (openCount <= knownOpenCount) throw refuse('HW_INTERNAL', `open count ${openCount} after ${knownOpenCount}`)
  const { chain, others } = await chainOf(options)
  const read = await readChain(options, chain)
  const leftovers: string[] = []
  for (const { file, found } of read) if (found.lastFrame === 0) leftovers.push(file.name)
  const used = read.filter(({ found }) => found.lastFrame > 0)
  for (const other of others) {
    if (await isLeftover(options, other, chain)) leftovers.push(other.name)
  }

  // Nothing was changed so far, and nothing will be refused any more.
  const tornTails: TornTail[] = []
  for (const { file, found } of read) {
    if (found.torn !== undefined) tornTails.push(await saveTornTail(options, file, found.torn))
  }
  const files = used.map(({ file, found }) => infoOf(file, found))
  const last = used.at(-1)
  let nextLsn = last === undefined ? (options.firstLsn ?? 1) : last.found.lastLsn + 1
  let link = last?.found.lastCrc ?? 0
  if (last !== undefined && !last.isKeptSealed) {
    const copy = await copyLast(options, last)
    leftovers.push(last.file.name)
    if (leftovers.includes(copy.file.name)) leftovers.splice(leftovers.indexOf(copy.file.name), 1)
    files[files.length - 1] = copy.file
    nextLsn = copy.lastLsn + 1
    link = copy.lastCrc
  }
  return {
    files,
    nextFileNumber: last === undefined ? (options.firstFileNumber ?? 1) : last.file.number + 1,
    nextLsn,
    link,
    leftovers,
    tornTails,
    endedCleanly: last === undefined || last.found.ended === 'clean',
    wallMsMax: read.reduce((max, { found }) => Math.max(max, found.wallMsMax), 0),
    records: read.reduce((sum, { found }) => sum + found.records, 0),
  }
}

/** What reading a log's files needs; nothing is changed by it. */
export type LogChainOptions = Omit<RecoverLogOptions, 'random' | 'quarantine'>

export interface LogInspection {
  readonly files: number
  readonly records: number
  /** The unfinished last write that the next open would set aside. */
  readonly tornTail?: { readonly file: string; readonly offset: number; readonly bytes: number } | undefined
}

/** Reads and verifies all of the log as `recoverLog` does, and changes nothing. */
export async function inspectLog(options: LogChainOptions): Promise<LogInspection> {
  try {
    const { chain, others } = await chainOf(options)
    const read = await readChain(options, chain)
    for (const other of others) await isLeftover(options, other, chain)
    const torn = read.find(({ found }) => found.torn !== undefined)
    return {
      files: read.length,
      records: read.reduce((sum, { found }) => sum + found.records, 0),
      tornTail:
        torn === undefined
          ? undefined
          : { file: torn.file.name, offset: torn.found.torn!.offset, bytes: torn.found.torn!.bytes },
    }
  } catch (error) {
    throw diskTrouble(error, options.directory)
  }
}

interface ReadFile {
  readonly file: Found
  readonly found: ReadLogResult
  /** Its seal is known to be synced, so that it stays as it is. */
  readonly isKeptSealed: boolean
}

/** Replays the chain. A file is known to be sealed when the manifest says so or a later one was begun: it waited for the seal. */
async function readChain(options: LogChainOptions, chain: readonly Found[]): Promise<ReadFile[]> {
  const begun = await begunCount(options, chain)
  const read: ReadFile[] = []
  let nextLsn = options.firstLsn ?? 1
  let link: number | undefined
  for (const [index, file] of chain.entries()) {
    const { known, number } = file
    const isKeptSealed = index < begun - 1 || known?.sealed === true
    const found = await readLogFile(
      options.disk,
      `${options.directory}/${file.name}`,
      { number, openCount: file.openCount, fileId: known?.fileId },
      (bytes, at, end, lsn, fileOffset) => options.onRecord(number, bytes, at, end, lsn, fileOffset),
      {
        firstLsn: index === 0 ? (known?.firstLsn ?? nextLsn) : nextLsn,
        link,
        mustBeSealed: isKeptSealed,
        chunkBytes: options.chunkBytes,
      },
    )
    if (known !== undefined && found.lastFrame === 0) {
      throw corrupt(file.name, found.validBytes, 'the manifest lists it, but its first frame is missing or damaged')
    }
    if (known !== undefined && found.firstLsn !== known.firstLsn) {
      throw corrupt(file.name, 64, `it begins with LSN ${found.firstLsn}, the manifest says ${known.firstLsn}`)
    }
    if (found.lastFrame > 0) {
      nextLsn = found.lastLsn + 1
      link = found.lastCrc
    }
    read.push({ file, found, isKeptSealed })
  }
  return read
}

async function copyLast(
  { disk, random, directory, openCount }: RecoverLogOptions,
  { file, found }: ReadFile,
): Promise<CopiedLog> {
  const target = { directory, name: logFileName(openCount, file.number), number: file.number, openCount }
  return copyLogFile(disk, random, `${directory}/${file.name}`, found, target, file.number + 1)
}

async function saveTornTail(
  { disk, directory, quarantine }: RecoverLogOptions,
  { name }: Found,
  torn: { readonly offset: number; readonly bytes: number; readonly why: string },
): Promise<TornTail> {
  const saved = `${name}.${torn.offset}.torn`
  const savedAs = await setAside(disk, `${directory}/${name}`, torn, quarantine ?? `${directory}/quarantine`, saved)
  return { file: name, ...torn, savedAs }
}

/** Removes what recovery named as leftovers. Only after the manifest that does without them is durable. */
export async function removeLeftovers(disk: Disk, directory: string, names: readonly string[]): Promise<void> {
  try {
    for (const name of names) await disk.remove(`${directory}/${name}`)
    if (names.length > 0) await disk.syncDirectory(directory)
  } catch (error) {
    throw diskTrouble(error, directory)
  }
}

/** The chain by name, and the log files that are not in it. */
async function chainOf(options: LogChainOptions): Promise<{ chain: Found[]; others: Found[] }> {
  const { disk, directory, knownOpenCount, known } = options
  const present = new Map<string, Found>()
  for (const name of await disk.list(directory)) {
    const parsed = parseLogFileName(name)
    if (parsed !== undefined) present.set(name, { name, ...parsed })
  }
  const chain: Found[] = []
  let next = options.firstFileNumber ?? 1
  for (const file of known) {
    const found = present.get(file.name)
    if (found === undefined) throw corrupt(file.name, 0, 'the manifest lists it, but it is missing')
    if (found.number !== file.number || (chain.length > 0 && file.number !== next)) {
      throw corrupt(file.name, 0, 'the manifest lists it out of order')
    }
    chain.push({ ...found, known: file })
    next = file.number + 1
    present.delete(file.name)
  }
  for (;;) {
    const found = present.get(logFileName(knownOpenCount, next))
    if (found === undefined) break
    chain.push(found)
    present.delete(found.name)
    next++
  }
  for (const { name, openCount, number } of present.values()) {
    if (openCount === knownOpenCount && number > next) {
      throw corrupt(logFileName(knownOpenCount, next), 0, `it is missing, but ${name} is there`)
    }
  }
  return { chain, others: [...present.values()] }
}

/** How many files of the chain have at least a frame header. Those behind were prepared and never used. */
async function begunCount(options: LogChainOptions, chain: readonly Found[]): Promise<number> {
  for (let count = chain.length; count > 0; count--) {
    if ((await startOf(options, chain[count - 1]!)).isBegun) return count
  }
  return 0
}

async function startOf({ disk, directory }: LogChainOptions, file: Found): Promise<LogFileStart> {
  const { number, openCount, known } = file
  return readLogFileStart(disk, `${directory}/${file.name}`, { number, openCount, fileId: known?.fileId })
}

/** Whether a file outside the chain may be removed; refused when it has no business here. */
async function isLeftover(options: LogChainOptions, file: Found, chain: readonly Found[]): Promise<boolean> {
  const { name, openCount, number } = file
  if (openCount > options.knownOpenCount) {
    // An interrupted recovery made it, and nobody has relied on it. What it copied may even be gone: a power cut after a
    // killed process takes what was never synced.
    if (openCount === options.openCount && (await startOf(options, file)).isCopy) return true
    throw corrupt(name, 0, `it is newer than the manifest, whose open count is ${options.knownOpenCount}`)
  }
  if (number < (chain[0]?.number ?? options.firstFileNumber ?? 1)) return true
  const inPlace = chain.find((candidate) => candidate.number === number)
  if (inPlace !== undefined) {
    if (openCount < inPlace.openCount) return true
    throw corrupt(name, 0, `${inPlace.name} has its place`)
  }
  const path = `${options.directory}/${name}`
  const { lastFrame } = await readLogFile(options.disk, path, { number, openCount }, () => undefined)
  if (lastFrame > 0) throw corrupt(name, 0, 'it does not belong to the log of this directory')
  return true
}

function infoOf(file: Found, found: ReadLogResult): LogFileInfo {
  const { fileId, firstLsn, validBytes } = found
  return { number: file.number, name: file.name, fileId, firstLsn, sealed: true, bytes: validBytes }
}

function corrupt(file: string, offset: number, what: string): HourwheelError {
  return refuse('HW_CORRUPT', `${file}: ${what}`, { details: { file, offset } })
}

/** What a log writer is made from. */

import type { Clock, Disk, Random } from '../../platform/ports.ts'
import type { LogBlocks } from './frame-builder.ts'
import type { LogFilesOptions } from './log-files.ts'
import type { FlightOptions } from './log-flight.ts'
import { alignUp } from './log-format.ts'
import type { LogFileInfo, LogListener } from './log.ts'

export interface LogWriterOptions {
  readonly disk: Disk
  readonly random: Random
  readonly clock: Clock
  readonly blocks: LogBlocks
  readonly directory: string
  readonly openCount: number
  readonly firstFileNumber: number
  readonly firstLsn: number
  /** Link to the file before the first one, as recovery found it. */
  readonly link?: number | undefined
  /** Files of earlier openings that `files` lists and `trim` lets go. */
  readonly recovered?: readonly LogFileInfo[] | undefined
  /** Default 16 MiB, at least 4 KiB. A file is longer when its head or one group needs it. */
  readonly fileBytes?: number | undefined
  /** What 'new' leaves to 'settle'. Default a sixteenth of a file. */
  readonly reserveBytes?: number | undefined
  /** How long a frame that nobody waits for may wait for its sync. Default 5. */
  readonly lazySyncMs?: number | undefined
  /** An idle log marks what is synced after so long, at most 1000. Default 1000; 0 for never. */
  readonly markAfterMs?: number | undefined
  /** A frame of this size is sent off although another one is under way. Default 256 KiB. */
  readonly dispatchBytes?: number | undefined
  /** Default 4. */
  readonly framesInFlightMax?: number | undefined
  /** While the log has so many files, 'new' gets no room in another one: trimming comes first. Default no limit. */
  readonly filesMax?: (() => number) | undefined
  /** Default 2. */
  readonly readyFilesMax?: number | undefined
  /** Default 2. */
  readonly recycledFilesMax?: number | undefined
  /** Default 256 KiB. */
  readonly fillChunkBytes?: number | undefined
  /** First record of the next file: the state as of now. Called within `open`, `begin` and `beginGroup`; must not append. */
  readonly headRecord: () => Uint8Array
  readonly listener: LogListener
}

/** What keeps files ready is told, with the defaults filled in. */
export function filesOptionsOf(options: LogWriterOptions): Omit<LogFilesOptions, 'listener'> {
  const fileBytes = alignUp(options.fileBytes ?? 16 * 1024 * 1024)
  if (fileBytes < 4096) throw new RangeError('fileBytes is at least 4096')
  const { disk, random, clock, directory, openCount, firstFileNumber: firstNumber } = options
  return {
    disk,
    random,
    clock,
    directory,
    openCount,
    firstNumber,
    fileBytes,
    readyMax: options.readyFilesMax ?? 2,
    chunkBytes: options.fillChunkBytes ?? 256 * 1024,
    recycledMax: options.recycledFilesMax ?? 2,
  }
}

/** What is asked of the flight, with its defaults. */
export function flightOptionsOf(options: LogWriterOptions): Pick<FlightOptions, 'clock' | 'lazySyncMs' | 'framesMax'> {
  return { clock: options.clock, lazySyncMs: options.lazySyncMs ?? 5, framesMax: options.framesInFlightMax ?? 4 }
}

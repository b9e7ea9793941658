/**
 * From a directory to a ledger and rows: manifest, snapshot, segments' indexes, log. The cost follows the length of the log
 * and what the snapshot holds, never the number of pending tasks.
 *
 * Steps, each safe to repeat: read everything and refuse what is damaged; copy the tail of the log into a new file; publish
 * the manifest with the new open count; remove what is nobody's. Nothing is answered before the manifest is durable.
 */

import { refuse } from '../model/errors.ts'
import type { Ledger } from '../model/ledger.ts'
import { limits } from '../model/limits.ts'
import { decodeRecord } from '../model/records.ts'
import { conservationHolds } from '../model/stats.ts'
import { hourOf } from '../model/units.ts'
import type { Platform } from '../platform/ports.ts'
import { checkListing, loadManifest, publishManifest, type Manifest } from '../storage/manifest/manifest.ts'
import type { KeyTable } from '../storage/keys/key-table.ts'
import { readSnapshot } from '../storage/snapshot/snapshot.ts'
import { recoverLog, removeLeftovers, type RecoveredLog } from '../storage/wal/wal-recovery.ts'
import { assertFresh, syncParents } from './directory.ts'
import { decodeLedger } from './ledger-sections.ts'
import type { LogPlace } from './log-bodies.ts'
import { listedLog } from './publication.ts'
import { replay, type ReplayState } from './replay.ts'
import type { SegmentSet } from './segment-set.ts'
import type { Tiers } from './tiers.ts'

export interface Recovered {
  readonly manifest: Manifest
  readonly log: RecoveredLog
  readonly deadInLog: Map<number, LogPlace>
  /** Largest wall clock that earlier runs have seen. */
  readonly clockMs: number
  /** The view of keys is missing, or is not one of this log, while tasks beyond the log may have keys. */
  readonly keysLost: boolean
}

/** A manifest of a directory that was never used. */
function freshManifest(incarnation: number): Manifest {
  return {
    format: 1,
    incarnation,
    openCount: 0,
    number: 0,
    clockMs: 0,
    wal: [],
    segments: [],
    snapshot: undefined,
    nextFileNumber: 1,
    clean: true,
  }
}

/** What it fills, all of it empty. */
export interface RecoveryParts {
  readonly ledger: Ledger
  readonly tiers: Tiers
  readonly segments: SegmentSet
  readonly keys: KeyTable
  /** A queue was named for the first time. */
  queueKnown(number: number): void
}

export async function recover(platform: Platform, directory: string, parts: RecoveryParts): Promise<Recovered> {
  const { disk, random } = platform
  const { ledger, tiers, segments, keys } = parts
  let known = await loadManifest(disk, directory)
  if (known === undefined) {
    await assertFresh(platform, directory)
    await syncParents(platform, directory)
    known = freshManifest(1 + Math.floor(random.unit() * (2 ** 18 - 1)))
    ledger.applyRetire(Math.max(0, hourOf(platform.clock.wallMs()) - limits.retireAfterHours))
  }
  const { leftovers } = checkListing(known, await disk.list(directory))
  if (known.snapshot !== undefined) decodeLedger(ledger, await readSnapshot(disk, directory, known.snapshot))
  for (const meta of known.segments) await segments.open(meta)
  await keys.openExisting(known.incarnation)
  const viewLsn = keys.isReady ? keys.lsn : undefined

  const openCount = known.openCount + 1
  const state: ReplayState = {
    ledger,
    tiers,
    deadInLog: new Map(),
    queueKnown: (number) => parts.queueKnown(number),
    keyNamed: (queue, key, entry, lsn) => keys.replay(queue, key, entry, lsn),
    started: false,
    clockMs: known.clockMs,
  }
  const log = await recoverLog({
    disk,
    random,
    directory,
    knownOpenCount: known.openCount,
    known: known.wal,
    openCount,
    onRecord: (fileNumber, bytes, at, end, lsn, fileOffset) => {
      try {
        replay(state, decodeRecord(bytes, at, end), lsn, fileNumber, fileOffset)
      } catch (error) {
        throw refuse('HW_CORRUPT', `log file ${fileNumber}, offset ${fileOffset}: ${(error as Error).message}`, {
          details: { file: `wal-*-${fileNumber}.log`, offset: fileOffset },
          cause: error,
        })
      }
    },
  })
  for (const queue of ledger.queues) {
    if (queue === undefined || conservationHolds(queue.counters)) continue
    throw refuse('HW_CORRUPT', `the counters of queue '${queue.name}' do not add up: ${[...queue.counters].join(' ')}`)
  }
  const manifest: Manifest = {
    ...known,
    openCount,
    number: known.number + 1,
    clockMs: Math.max(known.clockMs, state.clockMs, log.wallMsMax),
    wal: log.files.map(listedLog),
    clean: false,
  }
  await publishManifest(disk, directory, manifest)
  // Each once. Unfinished files of an interrupted start have been used up by this one.
  const unneeded = new Set([...log.leftovers, ...leftovers])
  const there = await disk.list(directory)
  await removeLeftovers(
    disk,
    directory,
    there.filter((name) => unneeded.has(name)),
  )
  const reaches = viewLsn !== undefined && viewLsn >= (known.wal[0]?.firstLsn ?? 1) - 1
  const keysLost = (known.keyed === true && !reaches) || (viewLsn ?? 0) >= log.nextLsn
  return { manifest, log, deadInLog: state.deadInLog, clockMs: manifest.clockMs, keysLost }
}

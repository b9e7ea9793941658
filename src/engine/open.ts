/** The composition root: puts an engine together from a platform and a directory. */

import { Dispatcher } from '../delivery/dispatcher.ts'
import { InlineExecutor } from '../delivery/inline-executor.ts'
import { LeaseDesk } from '../delivery/lease-desk.ts'
import { Settlement } from '../delivery/settlement.ts'
import type { EngineOptions } from '../model/engine.ts'
import { refuse } from '../model/errors.ts'
import { encodeId } from '../model/ids.ts'
import { Ledger } from '../model/ledger.ts'
import { limits } from '../model/limits.ts'
import { encodeHead } from '../model/record-writers.ts'
import type { TaskInput } from '../model/hourwheel.ts'
import { withFinalDirectorySyncs } from '../platform/directory-syncs.ts'
import type { DirectoryLock, Platform } from '../platform/ports.ts'
import type { DamagedBlock } from '../storage/segments/segment-reader.ts'
import { logFileName } from '../storage/wal/log-format.ts'
import { KeyTable, type KeyTableParts } from '../storage/keys/key-table.ts'
import { LogWriter } from '../storage/wal/log-writer.ts'
import { BlockStore } from '../wheel/block-store.ts'
import { RowIndex } from '../wheel/row-index.ts'
import { TaskTable } from '../wheel/task-table.ts'
import { TimingWheel } from '../wheel/timing-wheel.ts'
import { Admission } from './admission.ts'
import { Checkpointer } from './checkpointer.ts'
import type { Core } from './core.ts'
import { settleDamage } from './damage.ts'
import { deliveryEventsOf } from './delivery-events.ts'
import { takeDirectory } from './directory.ts'
import { Engine } from './engine.ts'
import { Events } from './events.ts'
import { Exclusive } from './exclusive.ts'
import { FileHolds } from './file-holds.ts'
import { KeyHolders } from './key-holders.ts'
import { asEngineError, Lifecycle } from './lifecycle.ts'
import { LogBodies, walCellOf } from './log-bodies.ts'
import { headOf } from './log-head.ts'
import { Merger } from './merger.ts'
import { mergeLimits, mergeLimitsTiny } from './merging.ts'
import { parseOptions, type EngineSettings } from './options.ts'
import { loseLeases } from './lost-leases.ts'
import { withValidPayloadNow } from './payload-schema.ts'
import { Promoter } from './promoter.ts'
import { Publication } from './publication.ts'
import { QueueRuntime } from './queue-runtime.ts'
import { rebuildKeys } from './rebuild-keys.ts'
import { Recorder } from './recorder.ts'
import { recover } from './recovery.ts'
import { compactBlocks, demoteFurthest } from './relief.ts'
import { SegmentSet } from './segment-set.ts'
import { stoppableOf } from './stopping.ts'
import { encodeSuccessor } from './task-encoder.ts'
import { TaskLookup } from './task-lookup.ts'
import { isTooFarAhead, Ticker } from './ticker.ts'
import { Tiers } from './tiers.ts'
import { Waiters } from './waiters.ts'

const keysFileName = 'keys.mdb'

/** Bytes of calls that may wait for room in the log. */
const waitingBytesMax = 32 << 20

/**
 * Opens an engine on a platform: this machine's, the simulator's, or a test's. `releasePlatform` is called once when the
 * engine has stopped, or could not be opened. `opened` is shown the parts, for the testing kit.
 */
export async function openEngineOn(
  given: Platform,
  options: EngineOptions,
  releasePlatform: () => Promise<void> = () => Promise.resolve(),
  opened: (core: Core) => void = () => undefined,
): Promise<Engine> {
  const platform = { ...given, disk: withFinalDirectorySyncs(given.disk) }
  let lock: DirectoryLock | undefined
  const release = async (): Promise<void> => {
    await releasePlatform()
    await lock?.release()
  }
  try {
    const settings = parseOptions(options)
    lock = await takeDirectory(platform, settings.directory)
    return await compose(platform, settings, release, opened)
  } catch (error) {
    // What releasing meets says nothing new about why there is no engine.
    await release().catch(() => undefined)
    throw asEngineError(error)
  }
}

async function compose(
  platform: Platform,
  settings: EngineSettings,
  releaseAll: () => Promise<void>,
  opened: (core: Core) => void,
): Promise<Engine> {
  const { clock, disk, random } = platform
  const { directory } = settings
  // Of simulations, which meet every boundary often.
  const isTiny = settings.walFileBytes < 1 << 20
  const lifecycle = new Lifecycle()
  const events = new Events(clock)
  const table = new TaskTable(settings.nearBytesMax < 1 << 20 ? 256 : undefined)
  const blocks = new BlockStore(isTiny ? { blockBytes: settings.walFileBytes } : {})
  const ledger = new Ledger(0)
  const tiers = new Tiers({
    table,
    index: new RowIndex(),
    wheel: new TimingWheel(table, clock.wallMs()),
    blocks,
    ledger,
    limits: { nearBytesMax: settings.nearBytesMax },
    now: () => clock.wallMs(),
    relieve: demoteFurthest,
  })
  const queueKnown = (number: number): QueueRuntime => {
    const known = tiers.queues[number]
    if (known !== undefined) return known
    const queue = ledger.queue(number)
    const runtime = new QueueRuntime(queue, table, settings.queues.get(queue.name) ?? settings.otherQueues)
    tiers.queues[number] = runtime
    return runtime
  }
  const damages: DamagedBlock[] = []
  let damaged = (damage: DamagedBlock): void => {
    damages.push(damage)
  }
  const segments = new SegmentSet(disk, directory, (damage) => damaged(damage))
  const keyTable = new KeyTable({
    clock,
    open: ((history: number, how: 'anew') =>
      platform.openKeyView(`${directory}/${keysFileName}`, history, how)) as KeyTableParts['open'],
    // A dead letter can be found by its key as long as it is kept.
    forgets: (queue, id, endedAt) =>
      believedMs() - endedAt >= (tiers.queues[queue]?.settings.keyWindowMs ?? 0) && !ledger.dead.has(id),
    flushed: () => late.core?.admission.retry(),
    failed: (error) => lifecycle.fail(error),
  })
  const recovered = await recover(platform, directory, { ledger, tiers, segments, keys: keyTable, queueKnown })
  const { manifest } = recovered
  const { incarnation, openCount } = manifest

  const admission = new Admission(waitingBytesMax)
  const waiters = new Waiters()
  /** What listens to the log before the engine is put together. */
  const late: { core: Core | undefined } = { core: undefined }
  const believedMs = (): number => {
    if (late.core !== undefined) return late.core.ticker.believedMs
    const now = clock.wallMs()
    return isTooFarAhead(now, recovered.clockMs, settings.downtimeMaxMs) ? recovered.clockMs : now
  }
  const log = await LogWriter.open({
    disk,
    random,
    // What is persisted must not be poisoned by a clock that is years ahead: the next start would believe it.
    clock: {
      wallMs: believedMs,
      monotonicMs: () => clock.monotonicMs(),
      setTimer: (afterMs, run) => clock.setTimer(afterMs, run),
      clearTimer: (timer) => clock.clearTimer(timer),
      soon: (run) => clock.soon(run),
    },
    blocks,
    directory,
    openCount,
    firstFileNumber: recovered.log.nextFileNumber,
    firstLsn: recovered.log.nextLsn,
    link: recovered.log.link,
    recovered: recovered.log.files,
    fileBytes: settings.walFileBytes,
    // Those that are kept, the one in use, and two more that wait for their checkpoint: memory and restart depend on it. On a
    // full disk, which checkpoints need too, it is the log that finds out and refuses.
    filesMax: () => (late.core?.checkpointer.diskFull === true ? Infinity : settings.walFilesMax + 3),
    headRecord: () => encodeHead(headOf(ledger, openCount, believedMs())),
    listener: {
      written: (lsn) => late.core?.dispatcher.leasesWritten(lsn),
      synced: (lsn) => waiters.release(lsn),
      failed: (error) => lifecycle.fail(error),
      rotated: () => late.core?.checkpointer.poke(),
      room: () => {
        admission.retry(late.core?.log.diskFull)
        late.core?.dispatcher.logHasRoom()
      },
    },
  })
  events.whenSynced = (lsn) => log.whenSynced(lsn)
  keyTable.attach(log)
  const keys = new KeyHolders(keyTable, ledger, believedMs)
  const recorder = new Recorder(log, ledger, tiers, recovered.deadInLog, keys)
  const bodies = new LogBodies(disk, (walCell) => {
    const files = log.files()
    const file = files.find((live) => walCellOf(live.number) === walCell)
    if (file !== undefined) return `${directory}/${file.name}`
    // Records may be written, and so be read, before the head of their file is synced and the log tells of it.
    for (let number = log.fileNumber; number > (files.at(-1)?.number ?? 0); number--) {
      if (walCellOf(number) === walCell) return `${directory}/${logFileName(openCount, number)}`
    }
    return undefined
  })
  const exclusive = new Exclusive()
  const lookup = new TaskLookup({ tiers, ledger, log, bodies, segments, recorder })
  const idText = (homeHour: number, ordinal: number): string => encodeId(incarnation, homeHour, ordinal)

  const queueOf = (name: string): QueueRuntime => {
    const known = ledger.queueByName.get(name)
    if (known !== undefined) return tiers.queues[known.number]!
    const number = ledger.queues.length
    if (number >= limits.queuesMax) {
      throw refuse('HW_TOO_MANY_QUEUES', `there are ${number} queues already; no more can be made`)
    }
    if (recorder.queue(number, name, false, 'new') === 0) {
      throw refuse('HW_OVERLOADED', `queue '${name}' is new, and the log has no room for it now`, { retryAfterMs: 250 })
    }
    const runtime = queueKnown(number)
    // Nothing of a new queue is on disk: all of it is near, as far as is looked ahead.
    runtime.moveThrough(clock.wallMs() + settings.aheadMs, Infinity)
    return runtime
  }

  const deliveryEvents = deliveryEventsOf(events, idText)
  const dispatcher = new Dispatcher({
    clock,
    table,
    ledger,
    records: recorder,
    settlement: new Settlement({
      now: believedMs,
      random,
      table,
      records: recorder,
      events: deliveryEvents,
      noticeFireAt: (fireAt) => late.core?.ticker.noticeFireAt(fireAt),
    }),
    events: deliveryEvents,
    appendedLsn: () => log.appendedLsn,
    clockIsAhead: () => ticker.clockIsAhead(),
    settled: () => late.core?.promoter.poke(),
  })
  const leaseDesk = new LeaseDesk({ clock, dispatcher, whenSynced: (lsn) => log.whenSynced(lsn) })
  const fenceBase = openCount * 2 ** 32
  const inlineParts = {
    clock,
    answers: dispatcher,
    fenceBase,
    taskBytes: (row: number) => recorder.taskBytes(row),
    idText,
    encodeNext: (task: TaskInput) =>
      encodeSuccessor(withValidPayloadNow(settings.queues, task), clock.wallMs(), settings.payloadBytesMax, queueOf),
  }
  const failed = (error: unknown): void => lifecycle.fail(error)
  const ticker = new Ticker({
    clock,
    tiers,
    dispatcher,
    events,
    forwardJumpMaxMs: settings.forwardJumpMaxMs,
    earlierClockMs: recovered.clockMs,
    downtimeMaxMs: settings.downtimeMaxMs,
    ticked: () => {
      promoter.poke()
      checkpointer.poke()
      if (tiers.wastesBlocks) compactBlocks(tiers)
    },
  })
  const promoter = new Promoter({
    clock,
    tiers,
    log,
    bodies,
    segments,
    exclusive,
    aheadMs: settings.aheadMs,
    held: () => ticker.held,
    failed,
    promoted: () => ticker.poke(),
  })
  const publication = new Publication(disk, directory, manifest)
  const holds = new FileHolds(disk)
  const checkpointer = new Checkpointer({
    platform,
    directory,
    openCount,
    tiers,
    ledger,
    recorder,
    log,
    bodies,
    segments,
    exclusive,
    keys: keyTable,
    sealedFilesMax: settings.walFilesMax,
    reserveBytes: settings.walFileBytes + (settings.walFileBytes >> 2),
    publication,
    holds,
    clockMs: () => ticker.clockMsMax,
    mayRetire: () => ticker.believedMs === clock.wallMs(),
    failed,
    mayFit: () => admission.retry(),
    checkpointed: () => merger.poke(),
  })
  const merger = new Merger({
    platform,
    directory,
    openCount,
    ledger,
    log,
    segments,
    exclusive,
    publication,
    holds,
    limits: isTiny ? mergeLimitsTiny : mergeLimits,
    failed,
  })
  const core: Core = {
    settings,
    platform,
    ledger,
    tiers,
    log,
    recorder,
    lookup,
    bodies,
    segments,
    keys,
    admission,
    waiters,
    dispatcher,
    promoter,
    checkpointer,
    merger,
    ticker,
    exclusive,
    publication,
    holds,
    events,
    incarnation,
    openCount,
    fenceBase,
    queueOf,
    leaseDesk,
    inlineExecutor: (handler) => new InlineExecutor(handler, inlineParts),
    assertOpen: () => lifecycle.assertOpen(),
  }
  late.core = core

  lifecycle.attach(stoppableOf(core, releaseAll))
  if (lifecycle.state === 'failed') lifecycle.assertOpen()
  if (recovered.keysLost) await rebuildKeys(core)
  await loseLeases(core)
  await log.whenSynced(log.appendedLsn)
  const engine = new Engine(core, lifecycle)
  damaged = (damage) => {
    void settleDamage(core, damage).catch(failed)
  }
  for (const damage of damages.splice(0)) damaged(damage)
  for (const { file, offset, bytes, savedAs } of recovered.log.tornTails) {
    clock.soon(() => events.emit('tornTail', { file, offset, bytes, savedAs }))
  }
  ticker.start()
  checkpointer.start()
  opened(core)
  return engine
}

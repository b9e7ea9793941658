/**
 * A backup of a running engine, which goes on meanwhile: what a power cut at one moment would have left, with the log's end
 * sealed as a recovery would.
 *
 *   1 hold      within `exclusive`: the manifest, and how far the log is synced; from now on nothing that is named goes
 *   2 log       its files up to there are copied; then checkpoints may use log files again
 *   3 segments  and the snapshot, which never change, at leisure
 *   4 manifest  last: without it the target is no backup, so that a crash before leaves nothing that matters
 *
 * The view of keys is not in it: it is made anew at the first opening. Its incarnation is that of the engine: `restore` raises it.
 */

import { refuse } from '../../model/errors.ts'
import { fileIdOfHex, parseLogFileName, segmentFileName, snapshotFileName } from '../../storage/file-meta.ts'
import { encodeManifest, type Manifest } from '../../storage/manifest/manifest.ts'
import { frameBytesOf } from '../../storage/wal/log-format.ts'
import type { LogFileInfo } from '../../storage/wal/log.ts'
import { copyLogFile } from '../../storage/wal/wal-copy.ts'
import { scanLogFile } from '../../storage/wal/wal-scan.ts'
import type { BackupOptions, BackupReport } from '../../model/engine-reports.ts'
import type { Core } from '../core.ts'
import { queueSettingsFileName } from '../directory.ts'
import { listedLog } from '../publication.ts'
import { backupTargetOf, type BackupTarget } from './backup-target.ts'

type ListedLog = Manifest['wal'][number]

export async function backup(core: Core, to: string, options: BackupOptions = {}): Promise<BackupReport> {
  core.assertOpen()
  if (typeof to !== 'string' || !/^(?:\/|[A-Za-z]:[\\/]).*[^/\\]$/u.test(to)) {
    throw refuse(
      'HW_INVALID_OPTIONS',
      'a backup goes to an absolute path: of a directory, or of a file that ends in .tar',
    )
  }
  const { platform } = core
  let bytes = 0
  const copied = (count: number): void => {
    core.assertOpen()
    if (options.signal?.aborted === true) throw options.signal.reason
    bytes += count
    options.onProgress?.(bytes)
  }
  const target = backupTargetOf(platform.disk, to, platform.clock.wallMs(), copied)
  await target.begin()
  try {
    const report = await new Backup(core, target).run()
    return { ...report, to, bytes }
  } catch (error) {
    await target.abandon()
    throw error
  }
}

class Backup {
  readonly #core: Core
  readonly #target: BackupTarget
  readonly #directory: string

  constructor(core: Core, target: BackupTarget) {
    this.#core = core
    this.#target = target
    this.#directory = core.settings.directory
  }

  async run(): Promise<Omit<BackupReport, 'to' | 'bytes'>> {
    const { exclusive, holds, publication, log, ledger, ticker } = this.#core
    const { hold, manifest, logs, lsn, atMs } = await exclusive.run(async () => {
      const held = holds.take()
      try {
        await log.whenSynced(log.appendedLsn)
      } catch (error) {
        await held.release()
        throw error
      }
      // Where a frame ends, and so does the backup: more may have come into the frame of the last record.
      const through = log.syncedLsn
      const { manifest: now } = publication
      const first = now.wal[0]?.number ?? 0
      const files = log.files().filter(({ number, firstLsn }) => number >= first && firstLsn <= through)
      return { hold: held, manifest: now, logs: files, lsn: through, atMs: ticker.clockMsMax }
    })
    try {
      const wal = await this.#log(logs, lsn)
      hold.releaseLog()
      for (const meta of manifest.segments) {
        const name = segmentFileName(meta)
        await this.#target.add(`${this.#directory}/${name}`, name, meta.bytes)
      }
      if (manifest.snapshot !== undefined) {
        const name = snapshotFileName(manifest.snapshot.number)
        await this.#target.add(`${this.#directory}/${name}`, name, manifest.snapshot.bytes)
      }
      await this.#queueSettings()
      const keyed = manifest.keyed === true || this.#core.keys.table.inUse
      await this.#target.finish(encodeManifest({ ...manifest, wal, clockMs: Math.max(manifest.clockMs, atMs), keyed }))
    } finally {
      await hold.release()
    }
    const files = logs.length + manifest.segments.length + (manifest.snapshot === undefined ? 0 : 1) + 1
    return { files, lsn, incarnation: manifest.incarnation, queues: ledger.queues.length }
  }

  /** Sealed files as they are; of the one in use what is synced, sealed. */
  async #log(files: readonly LogFileInfo[], lsn: number): Promise<ListedLog[]> {
    const { disk } = this.#core.platform
    const wal: ListedLog[] = []
    for (const [index, file] of files.entries()) {
      const path = `${this.#directory}/${file.name}`
      if (index < files.length - 1 || file.sealed) {
        await this.#target.add(path, file.name, (await disk.stat(path))!.bytes)
        wal.push({ ...listedLog(file), sealed: true })
      } else wal.push(await this.#lastLog(file, lsn))
    }
    return wal
  }

  async #lastLog(file: LogFileInfo, lsn: number): Promise<ListedLog> {
    const { platform } = this.#core
    const { disk, random } = platform
    const { number, name, fileId, firstLsn } = file
    let sealAt = 64
    let lastLsn = 0
    // What is being written behind it while this reads on is not looked at.
    await scanLogFile(disk, this.#directory, name, fileIdOfHex(fileId).toString('hex'), {
      record: () => undefined,
      gap: () => undefined,
      frame: (header, offset) => {
        const last = header.firstLsn + header.recordCount - 1
        if (offset !== sealAt || last > lsn) return
        sealAt = offset + frameBytesOf(header.payloadBytes)
        lastLsn = last
      },
    })
    if (lastLsn !== lsn) {
      throw refuse(
        'HW_CORRUPT',
        `${name} at ${sealAt}: it was synced up to record ${lsn}, and reads up to ${lastLsn}`,
        {
          details: { file: name, offset: sealAt },
        },
      )
    }
    const { openCount } = parseLogFileName(name)!
    const target = { directory: this.#target.stage, name, number, openCount }
    const part = { ended: 'open', fileId, firstLsn, lastLsn: lsn, sealAt } as const
    const copy = await copyLogFile(disk, random, `${this.#directory}/${name}`, part, target, number + 1)
    await this.#target.add(`${this.#target.stage}/${name}`, name, copy.file.bytes)
    return { number, name, fileId: copy.file.fileId, firstLsn, sealed: true }
  }

  /** The daemon's, which replaces it as a whole. */
  async #queueSettings(): Promise<void> {
    const { disk } = this.#core.platform
    const path = `${this.#directory}/${queueSettingsFileName}`
    const found = await disk.stat(path)
    if (found?.kind === 'file') await this.#target.add(path, queueSettingsFileName, found.bytes)
  }
}

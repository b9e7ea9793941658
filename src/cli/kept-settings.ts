/**
 * Settings of queues that a daemon has kept in a data directory: who opens the directory in its place follows them, too.
 * Webhooks among them are left alone.
 */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { queueSettingsFileName } from '../engine/directory.ts'
import type { Engine } from '../model/engine.ts'
import type { QueueOptions } from '../model/typed-queues.ts'

/** `base` holds where the kept ones say nothing. Refused with HW_CORRUPT when the file is damaged. */
export async function applyKeptSettings(
  engine: Engine,
  dir: string,
  base: Readonly<Record<string, QueueOptions>> = {},
): Promise<void> {
  if (!existsSync(join(dir, queueSettingsFileName))) return
  const { QueueSettingsFile } = await import('../daemon/queue-settings.ts')
  const nothing = (): void => undefined
  await QueueSettingsFile.open({ directory: dir, engine, base, checkWebhook: nothing, changed: nothing })
}
